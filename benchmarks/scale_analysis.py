"""The analysis of a synthetic campaign in one process: screening, statistics, board, plots."""

from __future__ import annotations

import json
import os
import sys
import time

from morocco.board.write import write_board
from morocco.charts.plot import plot_model
from morocco.stages.plan import Plan
from morocco.stages.settle import run_settle
from morocco.stages.stats import run_stats
from morocco.suite.config import load_suite


def main() -> None:
    """Prints [screening, statistics, board, plots] in s; plots: one model's times the models."""
    os.chdir(sys.argv[1])
    suite = load_suite("suite.yaml")
    plan = Plan(suite)
    results = suite.results
    screening = statistics = 0.0
    for model in suite.models:
        begin = time.perf_counter()
        for round in range(1, suite.screening.rounds + 1):
            run_settle(
                plan.cells_text(model),
                plan.screening_text(),
                round,
                results=results,
                previous=f"{results}/cells/{model}.round{round - 1}.json" if round > 1 else None,
                out=f"{results}/cells/{model}.round{round}.json",
            )
        middle = time.perf_counter()
        cells = f"{results}/cells/{model}.round{suite.screening.rounds}.json"
        run_stats(plan.stats_text(model), cells, results)
        screening += middle - begin
        statistics += time.perf_counter() - middle
    begin = time.perf_counter()
    write_board([results], f"{results}/board")
    board = time.perf_counter() - begin
    begin = time.perf_counter()
    models = list(suite.models)
    plot_model(
        results, models[0], list(suite.models[models[0]].tasks), f"{results}/plots/{models[0]}"
    )
    plots = (time.perf_counter() - begin) * len(models)
    for model in models[1:]:
        os.makedirs(f"{results}/plots/{model}")
    print(json.dumps([screening, statistics, board, plots]))


main()
