"""morocco submission: pack one model's results as an archive that anyone can verify."""

from __future__ import annotations

import argparse
from pathlib import Path

from morocco.archive.manifest import CellPlan
from morocco.archive.submission import pack_submission
from morocco.estimate.speed import MAX_RELATIVE_HALF_WIDTH


def register(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = subparsers.add_parser(
        "submission", help="pack one model's results as logs.zip", description=__doc__
    )
    parser.add_argument("results", metavar="RESULTS", help="results folder")
    parser.add_argument("--model", required=True)
    parser.add_argument("--out", required=True, metavar="logs.zip")
    parser.add_argument(
        "--config",
        metavar="FILE",
        help="suite file: says what was to be measured, and is packed too",
    )
    parser.add_argument(
        "--incomplete", action="store_true", help="pack although something is missing"
    )
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    plan: list[CellPlan] | None = None
    config = None
    width = MAX_RELATIVE_HALF_WIDTH
    if args.config:
        from morocco.suite.config import load_suite

        suite = load_suite(args.config)
        config = Path(args.config).read_bytes()
        width = suite.max_relative_half_width
        if args.model in suite.models:
            plan = [
                CellPlan(task, load.input_size, load.batch_size, part.repeats)
                for task, part in suite.models[args.model].tasks.items()
                for load in part.cells
            ]
    packed = pack_submission(
        args.results,
        args.model,
        args.out,
        plan=plan,
        config=config,
        max_relative_half_width=width,
        incomplete=args.incomplete,
    )
    for text in packed.missing:
        print(f"missing: {text}")
    print(f"{packed.path}: {packed.runs} runs of {args.model}, {packed.bytes} bytes")
    print(f"seal {packed.seal}")
    print("Publish the seal: with it, morocco verify --seal shows that nothing was changed since.")
    return 0
