"""Remove containers whose harness is gone, known by the labels it gave them."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from morocco.engine.container import remove_container
from morocco.sampling.cgroup import detect_layout, remove_tree

if TYPE_CHECKING:
    import docker

LABEL = "org.morocco.run"
OWNER = "org.morocco.owner"  # <pid>:<its start time>:<boot id>


def owner_mark(pid: int | None = None) -> str:
    """Identity of a process that a reused pid or a reboot cannot fake."""
    pid = pid or os.getpid()
    return f"{pid}:{_start_time(pid)}:{_boot_id()}"


def owner_alive(mark: str) -> bool:
    pid, _, _rest = mark.partition(":")
    return pid.isdigit() and owner_mark(int(pid)) == mark


def reap(client: docker.DockerClient) -> list[str]:
    """Remove orphaned run containers and empty cgroups of ours; names of what was removed."""
    removed = []
    for entry in client.api.containers(all=True, filters={"label": LABEL}):
        if not owner_alive(entry.get("Labels", {}).get(OWNER, "")):
            name = entry["Names"][0].lstrip("/") if entry.get("Names") else entry["Id"]
            remove_container(client, name)
            removed.append(name)
    return removed + reap_cgroups()


def reap_cgroups() -> list[str]:
    """Remove parents that a killed harness left: empty ones only, a live run's is in use.

    A live run's parent is briefly empty before its container starts; its name carries the pid.
    """
    layout = detect_layout()
    removed: list[str] = []
    if layout is None:
        return removed
    for mount in layout.hierarchies:
        base = mount / "morocco"
        if not base.is_dir():
            continue
        for folder in base.iterdir():
            if folder.is_dir() and not _name_alive(folder):
                remove_tree([folder])
                if not folder.exists():
                    removed.append(str(folder))
    return removed


def _name_alive(folder: Path) -> bool:
    """``<run>-<pid>-<start time>``: does that process still live?"""
    parts = folder.name.rsplit("-", 2)
    return len(parts) == 3 and parts[1].isdigit() and _start_time(int(parts[1])) == parts[2]


def unique_suffix() -> str:
    """``<pid>-<start time>``: makes container and cgroup names ours alone on this machine."""
    return f"{os.getpid()}-{_start_time(os.getpid())}"


def _start_time(pid: int) -> str:
    try:
        text = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return "gone"
    return text[text.rindex(")") + 2 :].split()[19]


def _boot_id() -> str:
    return Path("/proc/sys/kernel/random/boot_id").read_text().strip()
