"""Execute one job without an engine: the same sampler, guard and evidence as a container's."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from morocco.bench.gpu import gpu_result
from morocco.bench.job import Execution, Job
from morocco.bench.totals import read_totals
from morocco.engine.gpu import visible_devices
from morocco.engine.guard import guarded
from morocco.engine.process import Usage, run_process
from morocco.engine.reap import unique_suffix
from morocco.engine.stream import Feeder, Reader
from morocco.formats.record import Totals
from morocco.sampling.cgroup import CgroupParent, make_parent
from morocco.sampling.noise import MachineState, compare, read_machine_state
from morocco.sampling.sampler import Sampler
from morocco.sampling.tree import ProcessTree

if TYPE_CHECKING:
    from morocco.sampling.nvml_watch import GpuWatch

TREE_CAVEAT = "no right to make a cgroup here: known by the process tree alone"


def execute_process(
    job: Job,
    scratch: Path,
    reader: Reader,
    interrupted: Callable[[], str | None],
    watch: GpuWatch | None,
) -> Execution:
    """Run ``job``'s command to its end; its processes and cgroup are gone when this returns."""
    cgroup = own_cgroup(job)
    folders = list(cgroup.folders.values()) if cgroup else []
    sampler = Sampler(cgroup, job.spec.sampling, gpu=watch)
    start: list[tuple[float, float]] = []  # monotonic clock, wall clock
    # Read at the start, not before the creation: foreign load then would count as the run's.
    before: list[MachineState] = []

    def on_start(keeper: int) -> None:
        if cgroup is None:
            sampler.cgroup = ProcessTree(keeper)
        before.append(read_machine_state())
        start.append((time.monotonic(), time.time()))
        sampler.start()

    try:
        with guarded(None, folders, scratch):
            try:
                run = run_process(
                    job.spec,
                    cgroup=cgroup,
                    scratch=scratch,
                    environment=visible_devices(watch.devices if watch else ()),
                    feeder=Feeder(job.input_path),
                    reader=reader,
                    on_start=on_start,
                    interrupted=interrupted,
                )
            finally:
                sampler.stop()
            monotonic, wall = start[0]
            seconds = time.monotonic() - monotonic
            step = time.time() - wall - seconds
            gpu = gpu_result(watch)
            after = read_machine_state()
            throttled = cgroup.throttled_seconds() if cgroup else None
            totals = (
                read_totals(cgroup, sampler, run.outcome.started_at)
                if cgroup
                else tree_totals(sampler, run.usage, run.outcome.started_at)
            )
    finally:
        if cgroup is not None:
            cgroup.close()
    began = run.outcome.started_at if run.outcome.started_at is not None else wall
    return Execution(
        outcome=run.outcome,
        sampler=sampler,
        totals=totals,
        # The model's CPU time is our own here: it is a descendant that was waited for.
        noise=compare(before[0], after, 0.0, throttled),
        gpu=gpu,
        start_monotonic=monotonic + (began - wall),
        step_seconds=step,
    )


def own_cgroup(job: Job) -> CgroupParent | None:
    """A cgroup of the run's own; None where we may not make one."""
    parent = make_parent(f"{job.run.name}-{unique_suffix()}")
    if parent is None or parent.owned:
        return parent
    parent.close()
    return None


def tree_totals(sampler: Sampler, usage: Usage | None, started_at: float | None) -> Totals:
    """CPU time from rusage of all processes that were waited for, memory as sampled.

    Left out: processes whose parent had them reaped by the kernel (SIGCHLD ignored).
    """
    peaks = sampler.peaks(started_at)
    totals = Totals(
        cpu_seconds=usage.user_seconds + usage.system_seconds if usage else None,
        cpu_user_seconds=usage.user_seconds if usage else None,
        cpu_system_seconds=usage.system_seconds if usage else None,
        ram_pss_peak_bytes=peaks.pss_bytes,
        ram_anon_peak_bytes=peaks.anon_bytes,
        ram_cgroup_peak_bytes=None,
        processes_peak=peaks.processes,
        source="proc",
    )
    absent = {name: TREE_CAVEAT for name, value in vars(totals).items() if value is None}
    return dataclasses.replace(totals, absent=absent)
