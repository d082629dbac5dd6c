"""What stands around every execution: guard, sampler, the machine's state before and after."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from morocco.bench.gpu import gpu_result
from morocco.bench.job import Execution, Job
from morocco.engine.container import Outcome
from morocco.engine.guard import guarded
from morocco.formats.record import Totals
from morocco.sampling.carrier import Carrier
from morocco.sampling.cgroup import CgroupParent
from morocco.sampling.noise import MachineState, compare, read_machine_state
from morocco.sampling.sampler import Sampler
from morocco.sampling.tree import Counters

if TYPE_CHECKING:
    from morocco.sampling.nvml_watch import GpuWatch

Begin = Callable[[Counters | None], None]


def observed(
    job: Job,
    cgroup: CgroupParent | None,
    run: Callable[[Begin], Outcome],
    totals_of: Callable[[Sampler, float | None], Totals],
    *,
    container: str | None,
    watch: GpuWatch | None,
) -> Execution:
    """Execute by ``run``, guarded and sampled; ``cgroup`` is closed when this returns or raises.

    ``run`` calls what it is given just before the start, with the counters to sample where they
    are others than the cgroup's. ``totals_of(sampler, started_at)`` reads the totals after the
    exit. ``container``: its name, for the guard; None where there is no engine: the model is then
    a descendant of ours, and its CPU time counts as our own.
    """
    folders = cgroup.everywhere if cgroup and cgroup.owned else []
    carrier = Carrier()
    sampler = Sampler(cgroup, job.spec.sampling, gpu=watch, carrier=carrier if container else None)
    start: list[tuple[float, float]] = []  # monotonic clock, wall clock
    # Read at the start, not before the creation: foreign load then would count as the run's.
    before: list[MachineState] = []

    def begin(counters: Counters | None) -> None:
        if counters is not None:
            sampler.cgroup = counters
        before.append(read_machine_state())
        start.append((time.monotonic(), time.time()))
        sampler.start()

    try:
        with guarded(container, folders):
            try:
                outcome = run(begin)
            finally:
                sampler.stop()
            monotonic, wall = start[0]
            seconds = time.monotonic() - monotonic
            step = time.time() - wall - seconds
            gpu = gpu_result(watch)
            after = read_machine_state()
            totals = totals_of(sampler, outcome.started_at)
            throttled = cgroup.throttled_seconds() if cgroup else None
    finally:
        if cgroup is not None:
            cgroup.close()
    began = outcome.started_at if outcome.started_at is not None else wall
    foreign_to_us = totals.cpu_seconds if container else 0.0
    return Execution(
        outcome=outcome,
        sampler=sampler,
        totals=totals,
        noise=compare(before[0], after, foreign_to_us, throttled, carrier.cpu_seconds),
        gpu=gpu,
        start_monotonic=monotonic + (began - wall),
        step_seconds=step,
    )
