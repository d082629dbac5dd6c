"""What the Snakefile asks once: the suite, a stale lock, who supervises the jobs."""

from __future__ import annotations

import contextlib
import fcntl
import gc
import os
import sys
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from morocco.bench.interrupt import SUPERVISOR, supervisor_mark
from morocco.bench.keep import confirm
from morocco.engine.client import connect
from morocco.engine.reap import reap
from morocco.errors import EngineError
from morocco.stages.progress import open_campaign
from morocco.stages.restore import require_images
from morocco.suite.config import build_suite
from morocco.suite.model import Suite
from morocco.suite.places import read_yaml

AFTER_FAILURE = """\
Some jobs failed for the machine's or the harness's sake; everything that was measured is kept.
See the messages above, mend the cause, then call again: only what failed is done."""
_USE_IMAGES = {"bench", "cold_start", "model_image"}
_held: list[int] = []


def open_suite(config: Mapping[str, Any], files: Sequence[str | os.PathLike[str]]) -> Suite:
    """The suite of a merged config; mistakes are placed in the last config file."""
    places = None
    if files:
        path = Path(files[-1])
        with contextlib.suppress(ValueError):
            path = path.relative_to(Path.cwd())
        _, places = read_yaml(path)
    return build_suite(config, places)


def calm_scheduler(workflow: Any) -> None:
    """Two things of Snakemake's scheduler that would spoil a campaign.

    Its default limit of 100 job starts a second is switched off; one that was set stays. Its timers
    multiply: every job leaves one more that wakes the scheduler each second, and after 300 runs the
    scheduler itself uses a fifth of a core while the next run is measured.

    Its lock becomes one that a thread may take twice. The handler of SIGTERM takes it in the main
    thread; where that thread holds it just then, it would wait for itself for ever.
    """
    scheduler: Any = getattr(workflow, "scheduler", None)
    limit = getattr(scheduler, "job_rate_limiter", None)
    if limit is not None and (limit.max_jobs, limit.timespan) == (100, 1):
        scheduler.job_rate_limiter = None
    if hasattr(scheduler, "_lock"):
        scheduler._lock = threading.RLock()


def begin() -> None:
    """Tell the jobs who supervises them, and free the folder of a killed call's lock.

    Snakemake's lock outlives a SIGKILL. Ours is the kernel's and does not: whoever can take it is
    alone here, and the other lock is stale.
    """
    gc.disable()  # a plan is millions of objects that all live: looking through them is 1/6 of it
    if os.environ.setdefault(SUPERVISOR, supervisor_mark()) != supervisor_mark():
        return  # a job's own copy of the workflow
    folder = Path(".snakemake")
    try:
        folder.mkdir(exist_ok=True)
        descriptor = os.open(folder / "morocco.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    except OSError:
        return  # read-only folder: snakemake itself will say so
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(descriptor)
        return
    _held.append(descriptor)  # until this process ends
    for lock in (folder / "locks").glob("*.lock"):
        with contextlib.suppress(OSError):
            lock.unlink()


def start_campaign(suite: Suite, workflow: Any) -> None:
    """Before the first job: images are there, leftovers of a killed call go, progress begins.

    MoroccoError names every image that is missing.
    """
    gc.freeze()  # the plan stays; from here on only what the jobs leave is looked through
    gc.enable()
    require_images(suite, _planned_models(suite, workflow))
    reap_leftovers(suite)
    calm_scheduler(workflow)
    open_campaign(Path(".snakemake"), _planned_runs(suite, workflow))


def end_campaign(suite: Suite, well: bool = False) -> None:
    """After the last job. Only where all went ``well`` has Snakemake seen the end of every run."""
    reap_leftovers(suite)
    if well:
        confirm(suite.results)


def reap_leftovers(suite: Suite) -> None:
    """Remove containers whose harness is gone; silent without an engine (the jobs will say)."""
    if all(model.runtime == "process" for model in suite.models.values()):
        return
    with contextlib.suppress(EngineError):
        for name in reap(connect()):
            print(f"removed a leftover: {name}", file=sys.stderr)


def _planned_models(suite: Suite, workflow: Any) -> list[str]:
    """Models whose images this call will use."""
    try:
        jobs = [job for job in workflow.dag.needrun_jobs() if job.rule.name in _USE_IMAGES]
    except AttributeError:
        return list(suite.models)
    return sorted({job.wildcards.model for job in jobs} & set(suite.models))


def _planned_runs(suite: Suite, workflow: Any) -> int:
    """Runs that this call will measure; all of the suite's where Snakemake does not tell."""
    try:
        return sum(job.rule.name == "bench" for job in workflow.dag.needrun_jobs())
    except AttributeError:
        return len(suite.runs())
