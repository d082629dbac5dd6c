"""The analysis of a synthetic campaign, stage by stage, against the first tool's way.

A program of its own, so that each size starts from nothing: ``python -m benchmarks.analysis
FOLDER`` prints the costs of the suite in FOLDER as JSON.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import msgspec

from benchmarks.scale_campaign import ROOT, synthesise, write_suite
from morocco.board.write import write_board
from morocco.charts.plot import plot_model
from morocco.estimate.legacy import legacy_stats
from morocco.formats.log import read_log
from morocco.formats.names import parse_run_name
from morocco.stages.plan import Plan
from morocco.stages.settle import run_settle
from morocco.stages.stats import run_stats
from morocco.suite.config import load_suite


@dataclass(frozen=True)
class AnalysisCost:
    """Wall seconds of each stage over all models."""

    runs: int
    lines: int  # of all logs
    screening: float
    statistics: float
    board: float
    plots: float  # scaled up from the models whose plots were made to all
    first_method: float  # read every log, estimate; nothing checked, nothing drawn

    @property
    def estimates(self) -> float:
        """All but the plots."""
        return self.screening + self.statistics + self.board

    @property
    def whole(self) -> float:
        return self.estimates + self.plots


def synthetic_analysis(folder: Path, runs: int, plotted: int | None = None) -> AnalysisCost:
    """Make a campaign of ``runs`` runs in ``folder`` and analyse it in a process of its own."""
    write_suite(folder, runs)
    synthesise(folder, runs)
    return analysis_cost(folder, plotted)


def analysis_cost(folder: Path, plotted: int | None = None) -> AnalysisCost:
    """Of a suite whose evidence lies in ``folder``; ``plotted``: plots of so many models only."""
    command = [sys.executable, "-m", "benchmarks.analysis", str(folder)]
    command += ["--plotted", str(plotted)] if plotted else []
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(done.stdout + done.stderr)
    return msgspec.json.decode(done.stdout.splitlines()[-1], type=AnalysisCost)


def analyse(plotted: int | None) -> AnalysisCost:
    """Every stage over the suite in the current folder, as the rules call them."""
    suite = load_suite("suite.yaml")
    plan, results = Plan(suite), suite.results
    last = suite.screening.rounds
    drawn = list(suite.models)[:plotted]

    def cells(model: str, round: int) -> str:
        return f"{results}/cells/{model}.round{round}.json"

    def screen() -> None:
        for model in suite.models:
            for round in range(1, last + 1):
                run_settle(
                    plan.cells_text(model),
                    plan.screening_text(),
                    round,
                    results=results,
                    previous=cells(model, round - 1) if round > 1 else None,
                    out=cells(model, round),
                )

    def estimate() -> None:
        for model in suite.models:
            run_stats(plan.stats_text(model), cells(model, last), results)

    def plot() -> None:
        for model in drawn:
            tasks = list(suite.models[model].tasks)
            plot_model(results, model, tasks, f"{results}/plots/{model}")

    lines: list[int] = []
    cost = {
        "screening": seconds(screen),
        "statistics": seconds(estimate),
        "board": seconds(lambda: write_board([results], f"{results}/board")),
        "plots": seconds(plot) * len(suite.models) / len(drawn),
        "first_method": seconds(lambda: lines.append(first_method(results))),
    }
    for model in suite.models:  # what was not drawn here still is an output
        os.makedirs(f"{results}/plots/{model}", exist_ok=True)
    return AnalysisCost(runs=len(suite.runs()), lines=lines[0], **cost)


def seconds(work: Callable[[], object]) -> float:
    begin = time.perf_counter()
    work()
    return time.perf_counter() - begin


def first_method(results: str) -> int:
    """``main.py stats`` for every model and task; lines read."""
    lines = 0
    for folder in sorted(Path(results).glob("logs/*/*")):
        runs = []
        for path in sorted(folder.glob("*.jsonl")):
            samples = read_log(path)
            lines += len(samples)
            runs.append((parse_run_name(path.stem)[0], samples))
        legacy_stats(folder.name, runs)
    return lines


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--plotted", type=int, metavar="N", help="plots of N models, scaled up")
    args = parser.parse_args()
    os.chdir(args.folder)
    print(msgspec.json.encode(analyse(args.plotted)).decode())


if __name__ == "__main__":
    main()
