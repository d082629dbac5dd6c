"""Exact totals of a run from its cgroup."""

from __future__ import annotations

import dataclasses

from morocco.formats.record import Totals
from morocco.sampling.cgroup import CgroupParent
from morocco.sampling.sampler import Sampler


def read_totals(cgroup: CgroupParent | None, sampler: Sampler, started_at: float | None) -> Totals:
    """Exact totals after the exit; what cannot be had is null with its reason."""
    memory_peak = cgroup.memory_peak_bytes() if cgroup else None
    peaks = sampler.peaks(started_at, memory_peak)
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
        ram_cgroup_peak_bytes=memory_peak,
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
