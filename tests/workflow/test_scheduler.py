"""The scheduler must not compete with the run that is measured."""

import threading
from types import SimpleNamespace

import pytest

from morocco.stages.workflow import calm_scheduler


def workflow_with(max_jobs, timespan):
    limit = SimpleNamespace(max_jobs=max_jobs, timespan=timespan)
    return SimpleNamespace(scheduler=SimpleNamespace(job_rate_limiter=limit))


def test_the_default_limit_goes():
    workflow = workflow_with(100, 1)
    calm_scheduler(workflow)
    assert workflow.scheduler.job_rate_limiter is None


@pytest.mark.parametrize(("max_jobs", "timespan"), [(50, 1), (100, 60)])
def test_a_limit_of_the_users_stays(max_jobs, timespan):
    workflow = workflow_with(max_jobs, timespan)
    calm_scheduler(workflow)
    assert workflow.scheduler.job_rate_limiter.max_jobs == max_jobs


def test_the_scheduler_still_has_what_is_switched_off():
    from snakemake.scheduling.job_scheduler import JobRateLimiter, JobScheduler

    assert "job_rate_limiter" in JobScheduler.__init__.__code__.co_names
    assert JobRateLimiter.timespan


def test_a_signal_while_the_scheduler_holds_its_lock_does_not_stop_it_for_ever():
    """SIGTERM's handler takes the lock of the thread that it interrupts."""
    from snakemake.scheduling.job_scheduler import JobScheduler

    class Held(JobScheduler):
        def __init__(self):
            self._lock, self._open_jobs = threading.Lock(), threading.Semaphore(0)

    scheduler = Held()
    calm_scheduler(SimpleNamespace(scheduler=scheduler))

    def strike():
        with scheduler._lock:
            scheduler.exit_gracefully()

    thread = threading.Thread(target=strike, daemon=True)
    thread.start()
    thread.join(5)
    assert scheduler._user_kill == "graceful"
    assert scheduler._open_jobs.acquire(blocking=False)
