"""Counters of a process tree from /proc, for machines on which we may not make a cgroup."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import Protocol

from morocco.sampling.proc import descendants, kilobytes, read_proc, read_stat

# Listing processes walks all of /proc; between two walks a new child is not seen.
_LIST_SECONDS = 0.05


class Counters(Protocol):
    """What the sampler reads of a run: a CgroupParent or a ProcessTree."""

    def pids(self) -> frozenset[int]: ...
    def anon_bytes(self) -> int | None: ...
    def charged_bytes(self) -> int | None: ...
    def cpu_seconds(self) -> float | None: ...


@dataclass
class ProcessTree:
    """All processes below ``root`` (the keeper of the run, itself not counted).

    Serves the sampler as a cgroup does. CPU time is sampled here, in steps of 10 ms, and forgets
    a process that ended unseen; the exact total is the keeper's (rusage of all that it reaped).
    """

    root: int
    _pids: frozenset[int] = frozenset()
    _listed: float = 0.0
    _cpu: dict[int, float] = field(default_factory=dict)

    def pids(self) -> frozenset[int]:
        """Host process ids of the tree, not older than 50 ms."""
        now = time.monotonic()
        if now - self._listed > _LIST_SECONDS:
            self._pids, self._listed = frozenset(descendants(self.root)), now
        return self._pids

    def charged_bytes(self) -> int | None:
        """Nothing here is charged to anything."""
        return None

    def anon_bytes(self) -> int | None:
        """Anonymous memory now, summed (RssAnon): shared anonymous pages count in each process."""
        sizes = [size for pid in self.pids() if (size := _rss_anon(pid)) is not None]
        return sum(sizes) if sizes else None

    def cpu_seconds(self) -> float | None:
        """CPU time of the tree so far, never falling."""
        for pid in self.pids():
            if stat := read_stat(pid):  # of it alone: its children are in the tree by themselves
                self._cpu[pid] = max(stat.cpu_seconds, self._cpu.get(pid, 0.0))
        return sum(self._cpu.values()) if self._cpu else None


def _rss_anon(pid: int) -> int | None:
    text = read_proc(pid, "status")
    size = kilobytes(text, b"\nRssAnon:") if text else None
    return None if size is None else size * 1024
