"""``morocco check IMAGE TASK``: does a container keep the contract? For model authors."""

from __future__ import annotations

import argparse
import sys
import textwrap
from typing import Any

from morocco.formats.files import encode_json
from morocco.stages.check import CheckReport, Finding, check_container
from morocco.suite.config import parse_bytes
from morocco.suite.model import Limits
from morocco.tasks.registry import TASKS, get_task

_SIGNS = {True: "ok", False: "FAILED", None: "-"}


def register(subparsers: Any) -> None:
    parser: argparse.ArgumentParser = subparsers.add_parser(
        "check",
        help="does a container keep the contract? says what to change",
        description="Run IMAGE a few times on a few records of TASK, sandboxed as in a "
        "measurement, and say what keeps its runs from being valid. Exit status 0: it keeps the "
        "contract; 1: it does not.",
    )
    parser.add_argument("image", metavar="IMAGE")
    parser.add_argument("task", metavar="TASK", help=", ".join(TASKS))
    parser.add_argument(
        "--data", default="data/sample", metavar="ROOT", help="data root (default: data/sample)"
    )
    parser.add_argument("--timeout", type=float, default=60.0, metavar="SECONDS", help="of a run")
    parser.add_argument("--memory", default="8GiB", help="limit, as 8GiB")
    parser.add_argument("--cpus", type=float, default=1.0, help="limit (default 1)")
    parser.add_argument(
        "--arg", action="append", default=[], metavar="ARG", help="before --batch-size; repeatable"
    )
    parser.add_argument("--json", action="store_true", help="the report as JSON on stdout")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    report = check_container(
        args.image,
        get_task(args.task),
        args.data,
        timeout_seconds=args.timeout,
        limits=Limits(memory=parse_bytes(args.memory), cpus=args.cpus),
        args=tuple(args.arg),
        tell=lambda what: print(f"checking: {what}", file=sys.stderr),
    )
    if args.json:
        sys.stdout.buffer.write(encode_json(report))
    else:
        print(render(report))
    return 0 if report.passed else 1


def render(report: CheckReport) -> str:
    """The report as text: a line a point, advice below what failed."""
    lines = [f"{report.image} on {TASKS[report.task].title}"]
    for finding in report.findings:
        lines += _lines(finding)
    verdict = "keeps the contract" if report.passed else "does NOT keep the contract"
    lines.append(f"{verdict} ({report.seconds:.0f} s)")
    return "\n".join(lines)


def _lines(finding: Finding) -> list[str]:
    sign = _SIGNS[finding.passed]
    if finding.passed is False and not finding.required:
        sign = "advice"
    head, *rest = finding.seen.splitlines()
    lines = [f"  {sign:<7} {finding.asked}: {head}"]
    lines += [f"          {line}" for line in rest]
    if finding.advice:
        lines += textwrap.wrap(
            finding.advice, 88, initial_indent=" " * 10 + "-> ", subsequent_indent=" " * 13
        )
    return lines
