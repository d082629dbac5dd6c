"""Submission archives of the first MOROCCO: ``logs/<task>/<input>_<batch>_<index>.jsonl``."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import PurePosixPath

from morocco.archive.safe_zip import SafeArchive, open_archive
from morocco.errors import MoroccoError
from morocco.estimate.archived import RunShape, run_shape
from morocco.formats.log import decode_log
from morocco.formats.names import parse_run_name
from morocco.tasks.registry import TASKS, get_task

MAX_LOG_BYTES = 16 << 20  # 13 hours at the first MOROCCO's three samples a second
MAX_RUNS = 2000  # nine tasks, ten cells, twenty repeats; start-ups of all are held in memory
# Written by file managers beside what was to be packed.
_LITTER = ("__MACOSX/", ".DS_Store", "Thumbs.db", "desktop.ini")


@dataclass(frozen=True)
class BrokenLog:
    member: str
    problem: str  # with member and line


@dataclass(frozen=True)
class LegacyArchive:
    path: str
    tasks: dict[str, tuple[RunShape, ...]]  # by task key, in order of time
    broken: tuple[BrokenLog, ...]  # left out at the caller's wish
    ignored: tuple[str, ...]  # members that are no logs


def read_legacy(path: str | os.PathLike[str], *, skip_broken: bool = False) -> LegacyArchive:
    """Read and check every log of an archive; one run at a time is held in memory.

    Raises MoroccoError naming member and line for a log that is broken (truncated JSON, wrong or
    missing fields, times that run backwards, no sample at all); with ``skip_broken`` such logs are
    listed and left out. Also for what is no such archive: no logs, unknown tasks, a run twice.
    """
    runs: dict[str, dict[tuple[int, int, int], RunShape]] = {}
    broken: list[BrokenLog] = []
    ignored: list[str] = []
    with open_archive(path) as archive:
        for member in archive:
            found = parse_member(member)
            if found is None:
                ignored.append(member)
                continue
            if sum(map(len, runs.values())) >= MAX_RUNS:
                raise MoroccoError(f"more than {MAX_RUNS} runs", place=str(path))
            try:
                task, name = found[0], parse_run_name(found[1])
                if name in runs.get(task, {}):
                    raise MoroccoError("the same run twice", place=archive.place(member))
                shape = run_shape(
                    name, decode_log(log_bytes(archive, member), archive.place(member))
                )
            except MoroccoError as error:
                problem = str(error) if error.place else f"{archive.place(member)}: {error}"
                if not skip_broken:
                    raise MoroccoError(
                        error.message,
                        place=error.place or archive.place(member),
                        hint="--skip-broken lists such logs and leaves them out",
                    ) from error
                broken.append(BrokenLog(member, problem))
                continue
            runs.setdefault(task, {})[name] = shape
    if not runs:
        raise MoroccoError(
            "no logs of the first MOROCCO in this archive",
            place=str(path),
            hint="logs/<task>/<input_size>_<batch_size>_<index>.jsonl, as logs/parus/1_1_01.jsonl",
        )
    ordered = {
        task: tuple(sorted(runs[task].values(), key=lambda run: run.started))
        for task in TASKS
        if task in runs
    }
    return LegacyArchive(str(path), ordered, tuple(broken), tuple(ignored))


def parse_member(member: str) -> tuple[str, str] | None:
    """``logs/parus/1_1_01.jsonl`` -> ("parus", "1_1_01"); None for what is no log.

    Raises MoroccoError for an unknown task. A folder around ``logs`` is allowed.
    """
    parts = PurePosixPath(member).parts
    if any(mark in member for mark in _LITTER) or not member.endswith(".jsonl"):
        return None
    if len(parts) < 3 or parts[-3] != "logs":
        return None
    try:
        return get_task(parts[-2]).key, PurePosixPath(member).stem
    except MoroccoError as error:
        raise MoroccoError(error.message, place=member, hint=error.hint) from error


def log_bytes(archive: SafeArchive, member: str) -> bytes:
    """A log's content, bounded."""
    if archive.size(member) > MAX_LOG_BYTES:
        raise MoroccoError(
            f"{archive.size(member)} bytes, above {MAX_LOG_BYTES}", place=archive.place(member)
        )
    return archive[member]
