"""``morocco retry RESULTS``: measure invalid runs again with the next workflow call."""

from __future__ import annotations

import argparse
from typing import Any

from morocco.stages.retry import put_aside_invalid


def register(subparsers: Any) -> None:
    parser: argparse.ArgumentParser = subparsers.add_parser(
        "retry",
        help="put invalid runs aside, so that the next call measures them again",
        description="Move the evidence of invalid runs to RESULTS/superseded/: the next workflow "
        "call measures just those again. `make retry` does both.",
    )
    parser.add_argument("results", metavar="RESULTS", help="results folder of a suite")
    parser.add_argument("--model", help="only this model's runs")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    moved = put_aside_invalid(args.results, args.model)
    for run_id in moved:
        print(f"to be measured again: {run_id}")
    print(f"{len(moved)} invalid runs put aside in {args.results}/superseded")
    return 0
