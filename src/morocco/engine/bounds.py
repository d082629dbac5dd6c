"""Bounds of a run without an engine: a cgroup's, or what a process can bear by itself."""

from __future__ import annotations

import contextlib
import os
import signal
import time
from pathlib import Path
from typing import Any

from morocco.sampling.cgroup import CgroupParent, key_value
from morocco.suite.model import Limits, RunSpec

GRACE_SECONDS = 30  # for killed processes to end
_PERIOD_MICROSECONDS = 100_000  # of the CPU quota, the kernel's default


def affinity(limits: Limits, quota: bool) -> list[int]:
    """CPUs to run on: the config's cpuset; without a quota as many whole CPUs as it would allow."""
    if limits.cpuset:
        return sorted(_parse_cpus(limits.cpuset))
    if quota:
        return []
    return sorted(os.sched_getaffinity(0))[: max(1, round(limits.cpus))]


def _parse_cpus(text: str) -> set[int]:
    """``0-2,5`` -> {0, 1, 2, 5}."""
    cpus: set[int] = set()
    for part in text.split(","):
        first, _, last = part.partition("-")
        cpus.update(range(int(first), int(last or first) + 1))
    return cpus


def rlimits(spec: RunSpec, cgroup: bool) -> dict[str, int]:
    """Without a cgroup, memory is bound a process at a time (private writable memory).

    Not for a GPU model: CUDA reserves address space by far beyond what it uses.
    """
    bounds = {"RLIMIT_CORE": 0}
    if not cgroup and spec.device != "gpu":
        bounds["RLIMIT_DATA"] = spec.limits.memory
    return bounds


def enter_limits(parent: CgroupParent, limits: Limits) -> tuple[tuple[Path, ...], dict[str, Any]]:
    """A child cgroup with the limits of a container: (its folders, what is enforced)."""
    files: dict[str, dict[str, int | str]]
    if parent.layout.version == 2:
        quota = f"{int(limits.cpus * _PERIOD_MICROSECONDS)} {_PERIOD_MICROSECONDS}"
        files = {
            "memory": {"memory.max": limits.memory, "memory.swap.max": 0},
            "cpu": {"cpu.max": quota},
            "pids": {"pids.max": limits.processes},
        }
    else:
        files = {
            "memory": {
                "memory.limit_in_bytes": limits.memory,
                "memory.memsw.limit_in_bytes": limits.memory,
                "memory.swappiness": 0,
            },
            "cpu": {
                "cpu.cfs_period_us": _PERIOD_MICROSECONDS,
                "cpu.cfs_quota_us": int(limits.cpus * _PERIOD_MICROSECONDS),
            },
            "pids": {"pids.max": limits.processes},
        }
    children = {name: folder / "process" for name, folder in parent.folders.items()}
    held: dict[str, Any] = {}
    for name, folder in children.items():
        folder.mkdir(exist_ok=True)
        for controller, values in files.items():
            if name in (controller, ""):
                for file, value in values.items():
                    with contextlib.suppress(OSError):  # no swap accounting, no such controller
                        (folder / file).write_text(str(value))
                        held[file] = value
    return tuple(dict.fromkeys(folder.resolve() for folder in children.values())), held


def oom_kills(folder: Path) -> int:
    """Processes that the kernel killed for want of memory in this cgroup."""
    for name in ("memory.events", "memory.oom_control"):
        with contextlib.suppress(OSError):
            return key_value((folder / name).read_text(), "oom_kill") or 0
    return 0


def kill_left(folders: tuple[Path, ...], group: int | None) -> None:
    """End what a keeper that was itself killed left: its cgroup, the command's group."""
    if group is not None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(group, signal.SIGKILL)
    deadline = time.monotonic() + GRACE_SECONDS
    while (pids := _inside(folders)) and time.monotonic() < deadline:
        for pid in pids:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        time.sleep(0.01)


def _inside(folders: tuple[Path, ...]) -> set[int]:
    pids: set[int] = set()
    for folder in folders:
        with contextlib.suppress(OSError):
            pids.update(map(int, (folder / "cgroup.procs").read_text().split()))
    return pids
