"""Processes, from /proc."""

from __future__ import annotations

import os
from typing import NamedTuple

_TICKS = os.sysconf("SC_CLK_TCK")


class Stat(NamedTuple):
    """What ``/proc/<pid>/stat`` tells of a process (proc(5)); ended threads are in its CPU time."""

    name: str  # 15 letters at most
    parent: int
    cpu_seconds: float  # its own: user and system time, not that of reaped children


def read_proc(pid: int | str, name: str) -> bytes | None:
    """``/proc/<pid>/<name>`` by one read, for small files; None for a process that is gone."""
    try:
        with open(f"/proc/{pid}/{name}", "rb", buffering=0) as file:
            return file.read(8192)
    except OSError:
        return None


def kilobytes(text: bytes, key: bytes) -> int | None:
    """The value of a line as ``VmHWM:   1234 kB``, ``key`` with the line's end before it."""
    position = text.find(key)
    if position < 0:
        return None
    return int(text[position + len(key) : text.index(b"kB", position)])


def read_stat(pid: int | str) -> Stat | None:
    """None for a process that is gone."""
    text = read_proc(pid, "stat")
    if text is None:
        return None
    end = text.rindex(b")")
    fields = text[end + 2 :].split()
    name = text[text.index(b"(") + 1 : end].decode(errors="replace")
    return Stat(name, int(fields[1]), (int(fields[11]) + int(fields[12])) / _TICKS)


def descendants(root: int) -> list[int]:
    """All processes below ``root``."""
    children: dict[int, list[int]] = {}
    for name in os.listdir("/proc"):
        if name.isdigit() and (stat := read_stat(name)):
            children.setdefault(stat.parent, []).append(int(name))
    found, queue = [], [root]
    while queue:
        below = children.get(queue.pop(), [])
        found += below
        queue += below
    return found
