"""``morocco score TASK LABELLED.jsonl PREDICTIONS.jsonl``: the task's metrics as JSON."""

from __future__ import annotations

import argparse
import dataclasses
import json
import sys
from pathlib import Path
from typing import Any

from morocco.errors import MoroccoError
from morocco.estimate.score import score_task
from morocco.tasks.predictions import SHOWN, read_predictions
from morocco.tasks.records import read_records
from morocco.tasks.registry import get_task


def register(subparsers: Any) -> None:
    parser: argparse.ArgumentParser = subparsers.add_parser(
        "score",
        help="score predictions against a labelled split",
        description="Score predictions against a labelled split with the task's official metrics. "
        "Prints JSON: the metrics, their mean as score, its 95 %% interval (low, high) and the "
        "number of records. Repeated idx count once; a split without labels gives score null.",
    )
    parser.add_argument("task", metavar="TASK", help="official name, in any case: TERRa, lidirus")
    parser.add_argument("labelled", metavar="LABELLED.jsonl", type=Path)
    parser.add_argument("predictions", metavar="PREDICTIONS.jsonl", type=Path)
    parser.add_argument(
        "--partial", action="store_true", help="score what is there where predictions are missing"
    )
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    task = get_task(args.task)
    predictions, inconsistent = read_predictions(task, args.labelled, args.predictions)
    split = [record.idx for record in read_records(args.labelled)]
    missing = [idx for idx in split if idx not in predictions]
    if missing and not (args.partial and predictions):
        shown = ", ".join(map(str, missing[:SHOWN])) + (", …" if len(missing) > SHOWN else "")
        raise MoroccoError(
            f"{len(missing)} of {len(split)} records have no prediction: idx {shown}",
            place=str(args.predictions),
            hint="--partial scores the others" if predictions else None,
        )
    if inconsistent:
        print(
            f"morocco: {inconsistent} idx have different labels in later cycles; the first counts",
            file=sys.stderr,
        )
    score = dataclasses.asdict(score_task(task, args.labelled, predictions))
    fields = ("score", "low", "high", "records", "reason")
    row = {**score["metrics"], **{name: score[name] for name in fields}}
    print(json.dumps(row, ensure_ascii=False, indent=1))
    return 0
