"""Put the evidence of invalid runs aside, so that the next call measures them again."""

from __future__ import annotations

import time
from pathlib import Path

from morocco.errors import MoroccoError
from morocco.formats.names import RunId, run_files
from morocco.formats.record import read_record


def put_aside_invalid(results: str, model: str | None = None) -> list[RunId]:
    """Move all files of invalid runs to ``<results>/superseded/<time>/``; their ids.

    Nothing is deleted: the old evidence stays readable there. Cell states of the models are moved
    too, so that screening starts anew.
    """
    logs = Path(results) / "logs"
    if not logs.is_dir():
        raise MoroccoError("no runs here", place=results, hint="give the results folder of a suite")
    aside = Path(results) / "superseded" / time.strftime("%Y%m%dT%H%M%S")
    moved = []
    for path in sorted(logs.glob(f"{model or '*'}/*/*_*_*.json")):
        record = read_record(path)
        if record.verdict.valid:
            continue
        for file in vars(run_files(results, record.id)).values():
            _move(file, results, aside)
        moved.append(record.id)
    for name in sorted({run.model for run in moved}):
        for state in sorted((Path(results) / "cells").glob(f"{name}.round*.json")):
            _move(state, results, aside)
    return moved


def _move(file: Path, results: str, aside: Path) -> None:
    if file.exists():
        target = aside / file.relative_to(results)
        target.parent.mkdir(parents=True, exist_ok=True)
        file.rename(target)
