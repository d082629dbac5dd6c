"""The process that carries a container's input and output: the engine's shim, Podman's conmon.

Copying fast streams takes it up to half a core, and that is the harness's own load, not a foreign
one. It is gone when the container is, so its CPU time is followed while it lives.
"""

from __future__ import annotations

from dataclasses import dataclass

from morocco.sampling.proc import read_stat

# As the kernel cuts names: containerd-shim-runc-v2 and its elders.
NAMES = ("containerd-shim", "conmon")


@dataclass
class Carrier:
    """``cpu_seconds`` is right to the last look."""

    cpu_seconds: float = 0.0
    _pid: int | None = None

    def look(self, pids: frozenset[int]) -> None:
        """``pids``: the container's processes, one of which is a child of the carrier."""
        if self._pid is None:
            self._pid = _find(pids)
        if self._pid is not None and (stat := read_stat(self._pid)) and stat.name in NAMES:
            self.cpu_seconds = stat.cpu_seconds


def _find(pids: frozenset[int]) -> int | None:
    """While the engine sets the container up, its parent is another: None until it is the shim."""
    for pid in pids:
        if (stat := read_stat(pid)) and stat.parent not in pids:
            parent = read_stat(stat.parent)
            if parent and parent.name in NAMES:
                return stat.parent
    return None
