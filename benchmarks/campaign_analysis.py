"""Time of the whole analysis over many runs, against reading the same logs the first tool's way."""

from __future__ import annotations

import contextlib
import itertools
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import msgspec

from morocco.board.write import write_board
from morocco.charts.plot import plot_model
from morocco.estimate.legacy import legacy_stats
from morocco.formats.log import read_log
from morocco.formats.names import parse_run_name
from morocco.stages.plan import Plan
from morocco.stages.settle import run_settle
from morocco.stages.stats import StatsSettings, model_stats
from morocco.suite.config import build_suite
from morocco.tasks.inputs import make_input
from morocco.tasks.registry import get_task

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "tests"))

from factories import make_results  # noqa: E402  # records of runs that never ran, true to life


@dataclass(frozen=True)
class AnalysisCost:
    """Wall seconds of each stage over all models."""

    runs: int
    lines: int  # of all logs
    screening: float
    statistics: float
    plots: float
    board: float
    first_method: float  # read every log, estimate; nothing checked, nothing drawn

    @property
    def whole(self) -> float:
        return self.screening + self.statistics + self.plots + self.board


def analysis_cost(folder: Path, models: int, tasks: list[str], repeats: int) -> AnalysisCost:
    """Make ``models`` × ``tasks`` × 2 loads × ``repeats`` runs in ``folder`` and analyse them."""
    folder.mkdir()
    with contextlib.chdir(folder):  # records name their input as a suite's own do
        return _analysis_cost(models, tasks, repeats)


def _analysis_cost(models: int, tasks: list[str], repeats: int) -> AnalysisCost:
    results = Path("results")
    for task, size in itertools.product(tasks, (1, 1000)):
        source = ROOT / "data/sample" / get_task(task).eval_file
        make_input(source, size, results / f"inputs/{task}/{size}.jsonl")
    names = [f"m{number}" for number in range(1, models + 1)]
    for number, name in enumerate(names, 1):
        make_results(results, model=name, tasks=tasks, repeats=repeats, seed=number)
    suite = build_suite(
        {
            "results": str(results),
            "data": {"root": str(ROOT / "data/sample")},
            "tasks": tasks,
            "repeats": repeats,
            "loads": [{"input_size": 1000, "batch_size": 32}],
            "screening": {"rounds": 1},
            "models": [{"name": name, "image": "none"} for name in names],
        }
    )
    plan = Plan(suite)
    cells = {name: str(results / f"cells/{name}.round1.json") for name in names}

    def screen() -> None:
        for name in names:
            run_settle(
                plan.cells_text(name),
                plan.screening_text(),
                1,
                results=str(results),
                previous=None,
                out=cells[name],
            )

    def statistics() -> None:
        for name in names:
            settings = msgspec.json.decode(plan.stats_text(name), type=StatsSettings)
            model_stats(settings, cells[name], str(results))

    def plots() -> None:
        for name in names:
            plot_model(str(results), name, tasks, str(results / "plots" / name))

    def board() -> None:
        write_board([str(results)], str(results / "board"), models=names)

    lines: list[int] = []
    return AnalysisCost(
        runs=len(suite.runs()),
        screening=seconds(screen),
        statistics=seconds(statistics),
        plots=seconds(plots),
        board=seconds(board),
        first_method=seconds(lambda: lines.append(first_method(results))),
        lines=lines[0],
    )


def seconds(work: Callable[[], object]) -> float:
    begin = time.monotonic()
    work()
    return time.monotonic() - begin


def first_method(results: Path) -> int:
    """``main.py stats`` for every model and task; lines read."""
    lines = 0
    for folder in sorted(results.glob("logs/*/*")):
        runs = []
        for path in sorted(folder.glob("*.jsonl")):
            samples = read_log(path)
            lines += len(samples)
            runs.append((parse_run_name(path.stem)[0], samples))
        legacy_stats(folder.name, runs)
    return lines
