"""Execute one job without an engine: the same sampler, guard and evidence as a container's."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from morocco.bench.job import Execution, Job
from morocco.bench.observe import Begin, observed
from morocco.bench.totals import read_totals
from morocco.engine.container import Outcome
from morocco.engine.gpu import visible_devices
from morocco.engine.process import Usage, run_process
from morocco.engine.reap import unique_suffix
from morocco.engine.stream import Feeder, Reader
from morocco.formats.record import Totals
from morocco.sampling.cgroup import CgroupParent, make_parent
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
    usage: list[Usage | None] = []

    def run(begin: Begin) -> Outcome:
        done = run_process(
            job.spec,
            cgroup=cgroup,
            scratch=scratch,
            environment=visible_devices(watch.devices if watch else ()),
            feeder=Feeder(job.input_path),
            reader=reader,
            on_start=lambda keeper: begin(None if cgroup else ProcessTree(keeper)),
            interrupted=interrupted,
        )
        usage.append(done.usage)
        return done.outcome

    def totals_of(sampler: Sampler, started_at: float | None) -> Totals:
        if cgroup:
            return read_totals(cgroup, sampler, started_at)
        return tree_totals(sampler, usage[0], started_at)

    return observed(job, cgroup, run, totals_of, container=None, watch=watch)


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
