"""Execute one job under the sampler, guarded, in a cgroup of its own."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from morocco.bench.job import Execution, Job
from morocco.engine.container import run_container
from morocco.engine.guard import guarded
from morocco.engine.reap import LABEL, OWNER, owner_mark, unique_suffix
from morocco.engine.stream import Feeder, Reader
from morocco.formats.record import Totals
from morocco.sampling.cgroup import CgroupParent, make_parent
from morocco.sampling.noise import compare, read_machine_state
from morocco.sampling.sampler import Sampler


def execute(
    client: Any, job: Job, scratch: Path, reader: Reader, interrupted: Callable[[], str | None]
) -> Execution:
    """Run ``job`` to its end; the container and its cgroup are gone when this returns or raises."""
    name = f"morocco-{job.run.model}-{job.run.task}-{job.run.name}-{unique_suffix()}"
    cgroup = make_parent(f"{job.run.name}-{unique_suffix()}", _uses_systemd(client))
    folders = list(cgroup.folders.values()) if cgroup and cgroup.owned else []
    sampler = Sampler(cgroup, job.spec.sampling)
    start: list[tuple[float, float]] = []  # monotonic clock, wall clock

    def on_start() -> None:
        start.append((time.monotonic(), time.time()))
        sampler.start()

    try:
        with guarded(name, folders, scratch):
            before = read_machine_state()
            try:
                outcome = run_container(
                    client,
                    job.spec,
                    job.image.id or job.image.name,
                    name=name,
                    labels={LABEL: str(job.run), OWNER: owner_mark()},
                    cgroup_parent=cgroup.path if cgroup else None,
                    feeder=Feeder(job.input_path),
                    reader=reader,
                    entrypoint=job.entrypoint,
                    on_start=on_start,
                    interrupted=interrupted,
                )
            finally:
                sampler.stop()
            monotonic, wall = start[0]
            seconds = time.monotonic() - monotonic
            step = time.time() - wall - seconds
            after = read_machine_state()
            totals = read_totals(cgroup, sampler, outcome.started_at)
            throttled = cgroup.throttled_seconds() if cgroup else None
    finally:
        if cgroup is not None:
            cgroup.close()
    began = outcome.started_at if outcome.started_at is not None else wall
    return Execution(
        outcome=outcome,
        sampler=sampler,
        totals=totals,
        noise=compare(before, after, seconds, totals.cpu_seconds, throttled),
        gpu=None,
        start_monotonic=monotonic + (began - wall),
        step_seconds=step,
    )


def read_totals(cgroup: CgroupParent | None, sampler: Sampler, started_at: float | None) -> Totals:
    """Exact totals after the exit; what cannot be had is null with its reason."""
    peaks = sampler.peaks(started_at)
    absent: dict[str, str] = {}
    if cgroup is None:
        no_cgroup = "no cgroup v1 or v2 is mounted at /sys/fs/cgroup"
        nothing = Totals(None, None, None, None, None, None, None, source="none")
        names = [name for name, value in vars(nothing).items() if value is None]
        return dataclasses.replace(nothing, absent=dict.fromkeys(names, no_cgroup))
    user, system = cgroup.cpu_user_system_seconds()
    totals = Totals(
        cpu_seconds=cgroup.cpu_seconds(),
        cpu_user_seconds=user,
        cpu_system_seconds=system,
        ram_pss_peak_bytes=peaks.pss_bytes,
        ram_anon_peak_bytes=peaks.anon_bytes,
        ram_cgroup_peak_bytes=cgroup.memory_peak_bytes(),
        processes_peak=peaks.processes,
        read_bytes=cgroup.read_bytes(),
        source=f"cgroup{cgroup.layout.version}",
        absent=absent,
    )
    if totals.ram_pss_peak_bytes is None:
        absent["ram_pss_peak_bytes"] = (
            "the kernel does not show other users' memory maps: run as root"
            if peaks.pss_refused
            else "the run ended before the first look at its processes"
        )
    for name in ("cpu_seconds", "ram_anon_peak_bytes", "ram_cgroup_peak_bytes", "read_bytes"):
        if getattr(totals, name) is None:
            absent[name] = (
                "the kernel does not offer this counter"
                if cgroup.owned
                else "no right to make a cgroup of the run's own: run as root"
            )
    return totals


def _uses_systemd(client: Any) -> bool:
    return client.info().get("CgroupDriver") == "systemd"
