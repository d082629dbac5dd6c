"""Stage: scores and statistics of one model from its settled runs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import msgspec

from morocco.estimate.results import Score, TaskStats
from morocco.estimate.score import absent_score, given_score, score_task
from morocco.estimate.stats import estimate_task
from morocco.formats.files import read_json, write_json
from morocco.formats.names import RunId, run_files
from morocco.formats.record import RunRecord, read_record
from morocco.screen.cell import CellState
from morocco.tasks.predictions import check_predictions
from morocco.tasks.registry import get_task


@dataclass(frozen=True)
class StatsSettings:
    """What the config says about a model's estimates."""

    model: str
    tasks: tuple[str, ...]
    device: str
    family: str
    seq_len: int | None
    init_sizes: dict[str, int]  # by task
    max_relative_half_width: float
    data_root: str
    given: dict[str, dict[str, float]]  # task -> metrics known from elsewhere


def model_stats(settings: StatsSettings, cells: str, results: str) -> list[TaskStats]:
    """Write ``<results>/stats/<model>/<task>.json`` and ``scores/…`` for every task."""
    states = read_json(cells, list[CellState])
    made = []
    for task in settings.tasks:
        own = [state for state in states if state.cell.task == task]
        records = read_runs(own, results)
        score = task_score(settings, task, own, records, results)
        stats = estimate_task(
            [*records, *_cold_records(settings.model, task, results)],
            settled=own,
            device=settings.device,
            init_size=settings.init_sizes[task],
            score=score,
            max_relative_half_width=settings.max_relative_half_width,
            seq_len=settings.seq_len,
            family=settings.family,
        )
        write_json(Path(results) / "scores" / settings.model / f"{task}.json", score)
        write_json(Path(results) / "stats" / settings.model / f"{task}.json", stats)
        made.append(stats)
    return made


def read_runs(states: list[CellState], results: str) -> list[RunRecord]:
    """Records of all evidence that ``states`` judged."""
    return [
        read_record(run_files(results, run).record) for state in states for run in _run_ids(state)
    ]


def task_score(
    settings: StatsSettings,
    task: str,
    states: list[CellState],
    records: list[RunRecord],
    results: str,
) -> Score:
    """Score from the accepted run with the largest input; one given in the config comes first."""
    if task in settings.given:
        return given_score(get_task(task), _metrics(settings.given[task]))
    accepted = {run for state in states for run in _run_ids(state, accepted_only=True)}
    usable = [record for record in records if record.id in accepted and record.verdict.valid]
    if not usable:
        return absent_score("no valid run")
    best = max(usable, key=lambda record: (record.input.records, -record.id.index))
    check = check_predictions(
        get_task(task), Path(best.input.path), run_files(results, best.id).predictions
    )
    if not check.valid:
        return absent_score(f"the stored predictions of {best.id} were changed after the run")
    labelled = Path(settings.data_root) / get_task(task).eval_file
    return score_task(get_task(task), labelled, check.predictions)


def _metrics(given: Mapping[str, float]) -> dict[str, float]:
    return {name: float(value) for name, value in given.items()}


def _run_ids(state: CellState, accepted_only: bool = False) -> list[RunId]:
    cell = state.cell
    return [
        RunId(cell.model, cell.task, cell.input_size, cell.batch_size, run.index)
        for run in state.runs
        if run.accepted or not accepted_only
    ]


def _cold_records(model: str, task: str, results: str) -> list[RunRecord]:
    folder = Path(results) / "cold" / model / task
    return [read_record(path) for path in sorted(folder.glob("*_*_*.json"))]


def run_stats(settings: str, cells: str, results: str) -> list[TaskStats]:
    """As the rule calls it, the settings as text."""
    return model_stats(msgspec.json.decode(settings, type=StatsSettings), cells, results)
