"""morocco import: what a log archive of the first MOROCCO says once its clock is set right."""

from __future__ import annotations

import argparse
import re

from morocco.archive.import_table import as_text, write_import
from morocco.archive.imported import import_archive
from morocco.archive.legacy import read_legacy
from morocco.errors import MoroccoError


def register(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = subparsers.add_parser(
        "import",
        help="estimate from a log archive of the first MOROCCO, its late clock corrected",
        description=__doc__,
    )
    parser.add_argument("archive", metavar="LOGS.zip")
    parser.add_argument("--model", required=True, help="name of the model on the board")
    parser.add_argument("--out", required=True, metavar="RESULTS", help="results folder")
    parser.add_argument(
        "--machine", help="what it was measured on: rows of one machine are ranked together"
    )
    parser.add_argument(
        "--skip-broken", action="store_true", help="leave unreadable logs out and list them"
    )
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    if not re.fullmatch(r"[\w][\w.+-]{0,99}", args.model):
        raise MoroccoError(
            f"{args.model!r} cannot name a folder", place="--model", hint="as rubert-base"
        )
    archive = read_legacy(args.archive, skip_broken=args.skip_broken)
    imported = import_archive(archive, args.model, args.machine)
    written = write_import(imported, args.model, args.out)
    print(as_text(imported, archive))
    print(f"\nwritten: {written[-1]} and {len(written) - 1} more")
    return 0
