"""Counters of a control group of our own, above the container's, on cgroup v1 and v2.

A container's own cgroup vanishes at its exit, its last counters with it. The engine is told to
put the container under a parent that we made: the parent keeps the exact CPU total of the whole
process tree after the exit, and its files can be opened before the container starts.
Method: BenchExec (Beyer, Löwe, Wendler 2019, "Reliable benchmarking", STTT 21), section 4.
"""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path("/sys/fs/cgroup")
_LIST_SECONDS = 1.0
_V1_CONTROLLERS = ("cpuacct", "cpu", "memory", "pids", "blkio")


@dataclass(frozen=True)
class CgroupLayout:
    """Where controllers are mounted; ``version`` is 1 or 2."""

    version: int
    mounts: dict[str, Path]  # controller -> mount point; "" for v2's single tree
    # Mount points of all, also of those that we read nothing from: engines make a cgroup in each.
    hierarchies: tuple[Path, ...]


def detect_layout(root: Path = ROOT) -> CgroupLayout | None:
    """v2 where ``cgroup.controllers`` stands at the root (unified), else v1's mounts."""
    if (root / "cgroup.controllers").exists():
        return CgroupLayout(2, {"": root}, (root,))
    mounts = {name: root / name for name in _V1_CONTROLLERS if (root / name).is_dir()}
    if not {"cpuacct", "memory"} <= set(mounts):
        return None
    return CgroupLayout(1, mounts, tuple(path for path in sorted(root.iterdir()) if path.is_dir()))


@dataclass
class CgroupParent:
    """A parent cgroup for one run, with its counter files held open.

    ``path`` goes to the engine as ``cgroup_parent``. ``owned``: made fresh by us; otherwise (no
    right to make one) the engine makes a shared one and totals are differences to its start.
    """

    layout: CgroupLayout
    path: str  # as the engine wants it: /morocco/<run>, or a slice name under systemd
    owned: bool
    folders: dict[str, Path] = field(default_factory=dict)
    _open: dict[str, int] = field(default_factory=dict)
    _procs: list[str] = field(default_factory=list)
    _listed: float = 0.0
    _cpu_before: float = 0.0

    @property
    def everywhere(self) -> list[Path]:
        """This cgroup in every hierarchy, whether it is there or not."""
        controller, folder = next(iter(self.folders.items()))
        inside = folder.relative_to(self.layout.mounts[controller])
        return [mount / inside for mount in self.layout.hierarchies]

    def read(self, controller: str, name: str) -> str | None:
        """Whole text of a counter file by ``pread`` on a descriptor kept open; None: not there."""
        descriptor = self._open.get(name)
        if descriptor is None:
            folder = self.folders["" if self.layout.version == 2 else controller]
            try:
                descriptor = os.open(folder / name, os.O_RDONLY | os.O_CLOEXEC)
            except OSError:
                return None
            self._open[name] = descriptor
        try:
            return os.pread(descriptor, 16384, 0).decode()
        except OSError:  # ENODEV: the cgroup is gone
            return None

    def cpu_seconds(self) -> float | None:
        """CPU time of everything that ever ran below, seconds; exact to the scheduler's clock."""
        total = self._cpu_total()
        return None if total is None else total - self._cpu_before

    def _cpu_total(self) -> float | None:
        if self.layout.version == 1:
            text = self.read("cpuacct", "cpuacct.usage")
            return int(text) / 1e9 if text else None
        value = key_value(self.read("", "cpu.stat"), "usage_usec")
        return value / 1e6 if value is not None else None

    def cpu_user_system_seconds(self) -> tuple[float | None, float | None]:
        """Shares of the exact total; v1 counts them by the tick, so they are scaled to it."""
        if not self.owned:
            return None, None
        if self.layout.version == 1:
            user = _integer(self.read("cpuacct", "cpuacct.usage_user"))
            system = _integer(self.read("cpuacct", "cpuacct.usage_sys"))
            total = self._cpu_total()
            if user is None or system is None or total is None:
                return None, None
            share = user / (user + system) if user + system else 1.0
            return total * share, total * (1 - share)
        text = self.read("", "cpu.stat")
        user_usec, system_usec = key_value(text, "user_usec"), key_value(text, "system_usec")
        return (
            user_usec / 1e6 if user_usec is not None else None,
            system_usec / 1e6 if system_usec is not None else None,
        )

    def anon_bytes(self) -> int | None:
        """Anonymous memory now: what the model itself holds, page cache left out."""
        text = self.read("memory", "memory.stat")
        return key_value(text, "total_rss" if self.layout.version == 1 else "anon")

    def charged_bytes(self) -> int | None:
        """All memory charged now, page cache too: a tenth of what ``anon_bytes`` costs to read."""
        name = "memory.usage_in_bytes" if self.layout.version == 1 else "memory.current"
        return _integer(self.read("memory", name))

    def shmem_bytes(self) -> int | None:
        text = self.read("memory", "memory.stat")
        return key_value(text, "total_shmem" if self.layout.version == 1 else "shmem")

    def memory_peak_bytes(self) -> int | None:
        """The kernel's own high-water mark: an upper bound, page cache included."""
        if not self.owned:
            return None
        if self.layout.version == 1:
            return _integer(self.read("memory", "memory.max_usage_in_bytes"))
        return _integer(self.read("", "memory.peak"))

    def read_bytes(self) -> int | None:
        """Bytes read from block devices: the sign of a cold page cache."""
        if not self.owned:
            return None
        if self.layout.version == 1:
            text = self.read("blkio", "blkio.throttle.io_service_bytes_recursive")
            rows = [line.split() for line in (text or "").splitlines()]
            return sum(int(row[2]) for row in rows if len(row) == 3 and row[1] == "Read")
        text = self.read("", "io.stat")
        if text is None:
            return None
        pairs = [part.split("=") for line in text.splitlines() for part in line.split()[1:]]
        return sum(int(value) for key, value in pairs if key == "rbytes")

    def throttled_seconds(self) -> float | None:
        """Time the container's own CPU quota held it back."""
        controller = "cpu" if self.layout.version == 1 else ""
        key, scale = (
            ("throttled_time", 1e9) if self.layout.version == 1 else ("throttled_usec", 1e6)
        )
        values = [
            key_value(_read_file(folder / "cpu.stat"), key) for folder in self._children(controller)
        ]
        known = [value for value in values if value is not None]
        return sum(known) / scale if known else None

    def pids(self) -> frozenset[int]:
        """Host process ids of everything below, now.

        Which cgroups there are is looked up again each second, and while none has a process. Their
        files are opened anew: on v1 an open one repeats its first list for a second.
        """
        now = time.monotonic()
        if now - self._listed > _LIST_SECONDS:
            folder = self.folders["memory" if self.layout.version == 1 else ""]
            self._procs = [f"{path}/cgroup.procs" for path, _, _ in os.walk(folder)][1:]
            self._listed = now
        found: set[int] = set()
        for name in self._procs:
            try:
                with open(name, "rb", buffering=0) as file:
                    found.update(map(int, file.read().split()))
            except OSError:  # gone since
                continue
        if not found:
            self._listed = 0.0
        return frozenset(found)

    def _children(self, controller: str) -> list[Path]:
        folder = self.folders.get(controller)
        if folder is None:
            return []
        try:
            with os.scandir(folder) as entries:
                return [Path(entry.path) for entry in entries if entry.is_dir()]
        except OSError:
            return []

    def begin(self) -> None:
        """Take the zero of the CPU total (needed only where the parent is shared)."""
        self._cpu_before = 0.0 if self.owned else self._cpu_total() or 0.0

    def close(self) -> None:
        """Close the counter files and remove the cgroup; never raises."""
        for descriptor in self._open.values():
            with contextlib.suppress(OSError):
                os.close(descriptor)
        self._open.clear()
        if self.owned:
            remove_tree(self.everywhere)


def make_parent(run: str, systemd: bool = False, root: Path = ROOT) -> CgroupParent | None:
    """A parent cgroup named after ``run``; None where cgroups cannot be read at all."""
    layout = detect_layout(root)
    if layout is None:
        return None
    path = f"morocco-{run.replace('-', '')}.slice" if systemd else f"/morocco/{run}"
    inside = f"morocco.slice/{path}" if systemd else path.lstrip("/")
    folders = {name: mount / inside for name, mount in layout.mounts.items()}
    owned = _make_folders(layout, folders)
    if not owned:
        path = "morocco.slice" if systemd else "/morocco"
        folders = {name: mount / path.lstrip("/") for name, mount in layout.mounts.items()}
    parent = CgroupParent(layout, path, owned, folders)
    parent.begin()
    return parent


def _make_folders(layout: CgroupLayout, folders: dict[str, Path]) -> bool:
    try:
        for folder in folders.values():
            folder.mkdir(parents=True)
            if layout.version == 2:
                for level in (folder.parent, folder):
                    _enable_controllers(level)
    except OSError:
        remove_tree(folders.values())
        return False
    return True


def _enable_controllers(folder: Path) -> None:
    """v2: children count CPU, memory, processes and I/O only where the parent says so."""
    available = (_read_file(folder / "cgroup.controllers") or "").split()
    for name in ("cpu", "memory", "pids", "io"):
        if name in available:
            with contextlib.suppress(OSError):
                (folder / "cgroup.subtree_control").write_text(f"+{name}")


def remove_tree(folders: Iterable[Path]) -> None:
    """Remove empty cgroups, deepest first; a cgroup in use stays."""
    for folder in folders:
        for path, _, _ in os.walk(folder, topdown=False):
            with contextlib.suppress(OSError):
                os.rmdir(path)


def key_value(text: str | None, key: str) -> int | None:
    """Value of ``key`` in a flat keyed counter file."""
    if not text:
        return None
    start = 0 if text.startswith(key + " ") else text.find(f"\n{key} ") + 1
    if start == 0 and not text.startswith(key + " "):
        return None
    return int(text[start + len(key) + 1 :].split("\n", 1)[0])


def _integer(text: str | None) -> int | None:
    return int(text) if text and text.strip().isdigit() else None


def _read_file(path: Path) -> str | None:
    try:
        return path.read_text()
    except OSError:
        return None
