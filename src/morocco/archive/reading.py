"""Estimates from a results folder or from a submission, for boards built of many of them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from morocco.archive.contents import read_contents
from morocco.archive.manifest import MANIFEST
from morocco.archive.safe_zip import open_archive
from morocco.archive.verify import verify_archive
from morocco.errors import MoroccoError
from morocco.estimate.results import Score, TaskStats
from morocco.formats.files import read_json


def read_stats(path: str | Path) -> list[TaskStats]:
    """All estimates in a results folder or a submission archive, each with its score.

    A submission is verified first; one that is rejected raises MoroccoError with the first
    reasons, as does a log archive of the first MOROCCO, which must be imported.
    """
    path = Path(path)
    return _of_archive(path) if path.is_file() else _of_folder(path)


def _of_folder(results: Path) -> list[TaskStats]:
    found = []
    for file in sorted((results / "stats").glob("*/*.json")):
        stats = read_json(file, TaskStats)
        if (stats.model, stats.task) != (file.parent.name, file.stem):
            raise MoroccoError(f"are the estimates of {stats.model}/{stats.task}", place=str(file))
        score = results / "scores" / stats.model / f"{stats.task}.json"
        if score.is_file():
            stats = replace(stats, score=read_json(score, Score))
        found.append(stats)
    if not found:
        raise MoroccoError(
            "no estimates in this folder", place=str(results), hint="a results folder, with stats/"
        )
    return found


def _of_archive(path: Path) -> list[TaskStats]:
    with open_archive(path) as archive:
        submission = MANIFEST in archive
    if not submission:
        raise MoroccoError(
            "not a submission: no manifest",
            place=str(path),
            hint=f"logs of the first MOROCCO: morocco import {path} --model NAME --out RESULTS",
        )
    verified = verify_archive(path)
    if verified.verdict == "rejected":
        reasons = [f"{f.place}: {f.message}" for f in verified.findings if f.level == "error"]
        more = f" and {len(reasons) - 3} more" if len(reasons) > 3 else ""
        raise MoroccoError(
            f"rejected: {'; '.join(reasons[:3])}{more}",
            place=str(path),
            hint=f"morocco verify {path} lists every reason",
        )
    with open_archive(path) as archive:
        contents = read_contents(archive)
    return [
        replace(stats, score=contents.scores.get(task, stats.score))
        for task, stats in sorted(contents.stats.items())
    ]
