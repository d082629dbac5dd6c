"""Estimates of one or several results folders or submissions, as they lie on disk."""

from __future__ import annotations

from collections.abc import Collection as AbstractCollection
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from morocco.archive.reading import read_stats
from morocco.errors import MoroccoError
from morocco.estimate.results import TaskStats
from morocco.formats.files import encode_json, read_json
from morocco.tasks.registry import TASKS


@dataclass(frozen=True)
class Sourced:
    """One model on one task, and the folder it came from."""

    stats: TaskStats
    source: str  # shortest path that tells the sources apart
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


def collect(
    folders: Sequence[str | Path], models: AbstractCollection[str] | None = None
) -> Collection:
    """Read the estimates and scores of results folders and submission archives (zip).

    Simulated ones (a scripted GPU driver, a test double) are refused and listed. The same estimate
    met twice, byte for byte, counts once. ``models``: only these, where a folder still
    holds others that have left the suite. MoroccoError: a folder without estimates, a file that is
    none or that names another model or task than its path, a submission that does not verify.
    """
    paths = [Path(folder) for folder in folders]
    if not paths:
        raise MoroccoError("no results folder was given", hint="morocco board results --out board")
    entries: list[Sourced] = []
    refused: list[Refused] = []
    seen: set[bytes] = set()
    for folder, source in zip(paths, source_names(paths), strict=True):
        for stats, image_bytes in _read(folder):
            if models is not None and stats.model not in models:
                continue
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


def _read(path: Path) -> Iterator[tuple[TaskStats, int | None]]:
    for stats in read_stats(path):
        if stats.task not in TASKS:
            place = f"{path}: {stats.model}/{stats.task}"
            raise MoroccoError(f"unknown task {stats.task!r}", place=place)
        yield stats, None if path.is_file() else _image_bytes(stats, path)


@dataclass(frozen=True)
class _ImageSize:
    size_bytes: int | None = None


def _image_bytes(stats: TaskStats, folder: Path) -> int | None:
    path = folder / "images" / stats.model / f"{stats.task}.json"
    return read_json(path, _ImageSize).size_bytes if path.exists() else None
