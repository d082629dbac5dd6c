"""morocco verify: is a submission whole, unedited and physically possible?

Exit status 0 if every archive is accepted or doubtful, 1 if one is incomplete or rejected.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from morocco.archive.verify import Verification, verify_archive
from morocco.errors import MoroccoError
from morocco.estimate.results import Estimate
from morocco.formats.files import encode_json
from morocco.tasks.registry import get_task

SHOWN = 20  # findings of a level on the terminal; --json has all


def register(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = subparsers.add_parser(
        "verify", help="check submissions and log archives", description=__doc__
    )
    parser.add_argument("archives", nargs="+", metavar="logs.zip")
    parser.add_argument("--json", action="store_true", help="everything found, as JSON")
    parser.add_argument(
        "--data", metavar="ROOT", help="data root: make inputs anew and score predictions again"
    )
    parser.add_argument("--seal", help="the seal published when the one archive was packed")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    if args.seal and len(args.archives) > 1:
        raise MoroccoError("one seal for several archives", hint="verify them one by one")
    data_root = Path(args.data) if args.data else None
    if data_root is not None and not data_root.is_dir():
        raise MoroccoError("no such folder", place=args.data)
    results = [verify_archive(path, data_root=data_root, seal=args.seal) for path in args.archives]
    if args.json:
        print(encode_json(results).decode(), end="")
    else:
        print("\n\n".join(as_text(result) for result in results))
    return int(any(result.verdict in {"incomplete", "rejected"} for result in results))


def as_text(result: Verification) -> str:
    """Verdict, reasons (worst first), speeds as recomputed."""
    lines = [f"{result.archive}: {result.verdict}"]
    about = f"{result.runs} runs"
    if result.kind == "submission":
        about = f"model {_plain(result.model)}, {about}, seal {_plain(result.seal)}"
    elif result.kind == "legacy":
        about = f"logs of the first MOROCCO, {about}"
    if result.runs:
        lines.append(f"  {about}")
    counts: dict[str, int] = {}
    for finding in result.findings:
        counts[finding.level] = counts.get(finding.level, 0) + 1
        if counts[finding.level] <= SHOWN:
            lines.append(f"  {finding.level}: {_plain(finding.place)}: {_plain(finding.message)}")
    lines += [
        f"  and {count - SHOWN} more of level {level}"
        for level, count in counts.items()
        if count > SHOWN
    ]
    lines += [f"  {get_task(s.task).title}: {_speed(s.rps)}" for s in result.stats]
    return "\n".join(lines)


def _plain(text: str | None) -> str:
    """A stranger's text may hold anything: no control characters, no endless lines."""
    text = text or ""
    shown = text if text.isprintable() else ascii(text)[1:-1]
    return shown if len(shown) <= 400 else shown[:400] + "…"


def _speed(rps: Estimate) -> str:
    if rps.value is None or rps.low is None or rps.high is None:
        return f"not resolved ({rps.reason})"
    return f"{rps.value:.4g} [{rps.low:.4g}, {rps.high:.4g}] {rps.unit}"
