"""The ``morocco`` command: one file a subcommand, errors as one readable message."""

from __future__ import annotations

import argparse
import importlib
import importlib.util
import sys
from collections.abc import Sequence

from morocco import __version__
from morocco.errors import MoroccoError

# Each module has register(subparsers), which sets run=<function of the parsed arguments>.
COMMANDS = (
    "bench",
    "stats",
    "plot",
    "score",
    "check",
    "import_archive",
    "submission",
    "verify",
    "board",
    "reap",
    "retry",
    "tune",
)


def build_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="morocco", description=__doc__)
    parser.add_argument("--version", action="version", version=__version__)
    subparsers = parser.add_subparsers(required=True, metavar="COMMAND")
    for name in COMMANDS:
        if importlib.util.find_spec(f"morocco.cli.{name}"):
            importlib.import_module(f"morocco.cli.{name}").register(subparsers)
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    args = build_parser().parse_args(argv)
    try:
        return args.run(args) or 0
    except MoroccoError as error:
        print(f"morocco: {error}", file=sys.stderr)
        return error.exit_code
    except BrokenPipeError:
        return 0
    except KeyboardInterrupt:
        return 130


if __name__ == "__main__":
    sys.exit(main())
