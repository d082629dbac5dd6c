"""``morocco board RESULTS… --out DIR``: one leaderboard of results folders and submissions."""

from __future__ import annotations

import argparse
import sys


def register(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = subparsers.add_parser("board", help="leaderboard, page and charts of results folders")
    parser.add_argument(
        "results", nargs="+", help="results folder of a suite, or a submission (zip)"
    )
    parser.add_argument("--out", required=True, metavar="DIR", help="folder to write")
    parser.add_argument("--title", default="MOROCCO leaderboard")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> None:
    from morocco.board.write import write_board

    board = write_board(args.results, args.out, args.title)
    for refused in board.refused:
        print(
            f"refused: {refused.model}, {refused.task} ({refused.source}): {refused.why}",
            file=sys.stderr,
        )
    print(f"{args.out}/leaderboard.html")
