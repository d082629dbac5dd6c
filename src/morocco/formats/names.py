"""Names of cells and runs, and where their files lie under a results folder."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from morocco.errors import MoroccoError

_RUN_NAME = re.compile(r"(\d{1,9})_(\d{1,9})_(\d{2,3})")


@dataclass(frozen=True, order=True)
class CellId:
    """The repeats of one (model, task, input_size, batch_size)."""

    model: str
    task: str
    input_size: int
    batch_size: int

    @property
    def name(self) -> str:
        return f"{self.input_size}_{self.batch_size}"


@dataclass(frozen=True, order=True)
class RunId:
    """One container execution; ``index`` counts from 1 within its cell."""

    model: str
    task: str
    input_size: int
    batch_size: int
    index: int

    @property
    def name(self) -> str:
        """MOROCCO's file stem, e.g. ``2000_32_01``."""
        return f"{self.input_size}_{self.batch_size}_{self.index:02d}"

    @property
    def cell(self) -> CellId:
        return CellId(self.model, self.task, self.input_size, self.batch_size)

    def __str__(self) -> str:
        return f"{self.model}/{self.task}/{self.name}"


def parse_run_name(stem: str) -> tuple[int, int, int]:
    """``2000_32_01`` -> (2000, 32, 1); anything else is an error that names it."""
    match = _RUN_NAME.fullmatch(stem)
    if not match:
        raise MoroccoError(
            f"not a run name: {stem!r}", hint="<input_size>_<batch_size>_<index>, as 2000_32_01"
        )
    input_size, batch_size, index = map(int, match.groups())
    if not (input_size and batch_size and index):
        raise MoroccoError(f"not a run name: {stem!r}", hint="sizes and index count from 1")
    return input_size, batch_size, index


@dataclass(frozen=True)
class RunFiles:
    """The evidence of one run, side by side in ``<results>/logs/<model>/<task>/``."""

    log: Path  # MOROCCO's five fields, JSON lines
    record: Path  # RunRecord, JSON
    predictions: Path  # the container's stdout as it came
    stderr: Path  # the container's stderr, bounded


def run_files(results: str | Path, run: RunId) -> RunFiles:
    stem = Path(results) / "logs" / run.model / run.task / run.name
    return RunFiles(
        log=stem.with_name(f"{run.name}.jsonl"),
        record=stem.with_name(f"{run.name}.json"),
        predictions=stem.with_name(f"{run.name}.predictions"),
        stderr=stem.with_name(f"{run.name}.stderr"),
    )
