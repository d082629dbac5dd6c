"""``morocco tune MODEL TASK``: the input size and batch size to measure a model with."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from morocco.bench.interrupt import Interrupted
from morocco.errors import MoroccoError
from morocco.tasks.registry import TASKS, get_task

if TYPE_CHECKING:
    from morocco.suite.model import Suite

BATCH_SIZES = (1, 8, 32, 128, 512)
BUDGET_SECONDS = 900.0  # five batch sizes of a model that starts in seconds, with room to repeat


def register(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = subparsers.add_parser(
        "tune",
        help="find the input size and batch size to measure a model with",
        description="Find the input size that resolves the speed of MODEL on TASK and the batch "
        "size with the best one that still fits; of batch sizes that cannot be told apart, the "
        "smallest. Prints config lines to paste (YAML, the findings as comments); curve, tables "
        "and all runs go to a folder. The exit status is 1 where no speed is resolved.",
    )
    parser.add_argument("model", metavar="MODEL", help="of the suite; with --image any name")
    parser.add_argument("task", metavar="TASK", help=", ".join(t.title for t in TASKS.values()))
    parser.add_argument(
        "--suite", default="config/config.yaml", metavar="FILE", help="default config/config.yaml"
    )
    parser.add_argument("--image", help="this image instead of the suite's")
    parser.add_argument(
        "--device", choices=("cpu", "gpu"), help="of an --image that is no model of the suite"
    )
    parser.add_argument(
        "--out", type=Path, metavar="DIR", help="default <results>/tune/<model>/<task>"
    )
    parser.add_argument(
        "--batch-sizes",
        type=_counts,
        default=BATCH_SIZES,
        metavar="N,N,…",
        help=f"default {','.join(map(str, BATCH_SIZES))}",
    )
    parser.add_argument(
        "--budget",
        type=_seconds,
        default=BUDGET_SECONDS,
        metavar="SECONDS",
        help=f"time for all runs (default {BUDGET_SECONDS:.0f})",
    )
    parser.add_argument(
        "--aim",
        choices=("width", "seconds"),
        default="width",
        help="input size by what resolves the suite's max_relative_half_width (default), or by "
        "T_N - T_init of max(10 s, T_init / 2)",
    )
    parser.add_argument(
        "--repeats", type=_repeats, metavar="N", help="runs a batch size (default: the suite's)"
    )
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    from morocco.stages.tune import say, tune
    from morocco.tune.report import config_lines

    task = get_task(args.task).key
    suite = suite_of(args.suite, args.model, task, args.image, args.device)
    try:
        tuning, folder = tune(
            suite,
            args.model,
            task,
            batch_sizes=args.batch_sizes,
            budget_seconds=args.budget,
            aim=args.aim,
            repeats=args.repeats,
            image=args.image,
            out=args.out,
        )
    except (Interrupted, KeyboardInterrupt) as error:
        print(f"morocco: interrupted {error}".rstrip() + ", nothing is kept", file=sys.stderr)
        return 130
    say(f"curve and tables: {folder}/curve.html, {folder}/tuning.md")
    sys.stdout.write(config_lines(tuning))
    return 0 if tuning.findings.choice.load else 1


def suite_of(path: str, model: str, task: str, image: str | None, device: str | None) -> Suite:
    """The suite; with a foreign ``image`` one of that model alone, under the suite's settings."""
    from morocco.suite.config import load_suite

    suite = load_suite(path)
    if model in suite.models:
        if device is not None and device != suite.models[model].device:
            raise MoroccoError(f"the suite has it on {suite.models[model].device}", place=model)
        if task not in suite.models[model].tasks:
            raise MoroccoError(
                f"model {model!r} has no task {TASKS[task].title} there",
                place=path,
                hint=f"it has {', '.join(TASKS[t].title for t in suite.models[model].tasks)}",
            )
        return suite
    if image is None:
        raise MoroccoError(
            f"no model {model!r} there",
            place=path,
            hint=f"it has {', '.join(suite.models)}; --image tunes any image under a name",
        )
    entry: dict[str, Any] = {"name": model, "image": image, "device": device or "cpu"}
    return load_suite(path, {"models": [entry], "tasks": [task]})


def _counts(text: str) -> tuple[int, ...]:
    try:
        values = tuple(sorted({int(part) for part in text.split(",")}))
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is not a list as 1,8,32") from None
    if values[0] < 1 or values[-1] > 1_000_000:
        raise argparse.ArgumentTypeError("batch sizes count from 1 to 1000000")
    return values


def _seconds(text: str) -> float:
    value = float(text)
    if not 0 < value < 1e7:
        raise argparse.ArgumentTypeError(f"{text} is not a duration in seconds")
    return value


def _repeats(text: str) -> int:
    value = int(text)
    if not 2 <= value <= 99:
        raise argparse.ArgumentTypeError("from 2 (an interval needs two runs) to 99")
    return value
