"""``morocco reap``: remove containers and cgroups that a killed harness left."""

from __future__ import annotations

import argparse
from typing import Any

from morocco.engine.client import connect
from morocco.engine.reap import reap


def register(subparsers: Any) -> None:
    parser: argparse.ArgumentParser = subparsers.add_parser(
        "reap",
        help="remove leftovers of killed calls",
        description="Remove containers and cgroups of runs whose harness is gone. Every workflow "
        "call does this itself; runs that are still measured are left alone.",
    )
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    removed = reap(connect())
    for name in removed:
        print(f"removed {name}")
    print(f"{len(removed)} leftovers removed")
    return 0
