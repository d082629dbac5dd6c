"""Estimates of one or several results folders, as they lie on disk."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from morocco.errors import MoroccoError
from morocco.estimate.results import Score, TaskStats
from morocco.formats.files import encode_json, read_json
from morocco.tasks.registry import TASKS


@dataclass(frozen=True)
class Sourced:
    """One model on one task, and the folder it came from."""

    stats: TaskStats
    source: str  # shortest folder name that tells the sources apart
    image_bytes: int | None = None  # size of the image on disk, where the folder has it


@dataclass(frozen=True)
class Refused:
    """What never gets onto a board, and why."""

    source: str
    model: str
    task: str
    why: str


@dataclass(frozen=True)
class Collection:
    entries: tuple[Sourced, ...]
    refused: tuple[Refused, ...] = ()


def collect(folders: Sequence[str | Path]) -> Collection:
    """Read ``stats/<model>/<task>.json`` and ``scores/<model>/<task>.json`` of results folders.

    Simulated ones (a scripted GPU driver, a test double) are refused and listed. The same estimate
    met twice, byte for byte, counts once. MoroccoError: a folder without estimates, a file that is
    none or that names another model or task than its path.
    """
    paths = [Path(folder) for folder in folders]
    if not paths:
        raise MoroccoError("no results folder was given", hint="morocco board results --out board")
    entries: list[Sourced] = []
    refused: list[Refused] = []
    seen: set[bytes] = set()
    for folder, source in zip(paths, source_names(paths), strict=True):
        for stats, image_bytes in _read_folder(folder):
            content = encode_json(stats)
            if content in seen:
                continue
            seen.add(content)
            if stats.simulated:
                why = "simulated: a test double or a scripted GPU driver stood in for the machine"
                refused.append(Refused(source, stats.model, stats.task, why))
            else:
                entries.append(Sourced(stats, source, image_bytes))
    return Collection(tuple(entries), tuple(refused))


def source_names(paths: Sequence[Path]) -> list[str]:
    """Shortest tails of the paths that differ: ``a/results b/results`` -> ``a/results``, …"""
    resolved = [path.resolve() for path in paths]
    if len(set(resolved)) < len(resolved):
        double = next(str(p) for p, r in zip(paths, resolved, strict=True) if resolved.count(r) > 1)
        raise MoroccoError("the same results folder was given twice", place=double)
    for depth in range(1, max(len(path.parts) for path in resolved) + 1):
        names = ["/".join(path.parts[-depth:]) for path in resolved]
        if len(set(names)) == len(names):
            return names
    raise AssertionError("different paths have different names")  # pragma: no cover


def _read_folder(folder: Path) -> list[tuple[TaskStats, int | None]]:
    paths = sorted((folder / "stats").glob("*/*.json"))
    if not paths:
        raise MoroccoError(
            "no estimates: stats/<model>/<task>.json is missing",
            place=str(folder),
            hint="run the bench first, or give the results folder itself",
        )
    found = []
    for path in paths:
        stats = read_json(path, TaskStats)
        if stats.task not in TASKS:
            raise MoroccoError(f"unknown task {stats.task!r}", place=str(path))
        if (stats.model, stats.task) != (path.parent.name, path.stem):
            raise MoroccoError(
                f"holds {stats.model}/{stats.task}, not what its path says", place=str(path)
            )
        found.append((_with_score(stats, folder), _image_bytes(stats, folder)))
    return found


def _with_score(stats: TaskStats, folder: Path) -> TaskStats:
    path = folder / "scores" / stats.model / f"{stats.task}.json"
    if stats.score is None and path.exists():
        return replace(stats, score=read_json(path, Score))
    return stats


@dataclass(frozen=True)
class _ImageSize:
    size_bytes: int | None = None


def _image_bytes(stats: TaskStats, folder: Path) -> int | None:
    path = folder / "images" / stats.model / f"{stats.task}.json"
    return read_json(path, _ImageSize).size_bytes if path.exists() else None
