"""``morocco plot LOGS… IMAGE``: run logs as a picture, with the first MOROCCO's arguments."""

from __future__ import annotations

import argparse


def register(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = subparsers.add_parser(
        "plot", help="draw run logs: cpu_usage, ram, gpu_usage, gpu_ram over time"
    )
    parser.add_argument("bench_paths", nargs="+", metavar="LOG", help="a run's log, JSON lines")
    parser.add_argument("image_path", metavar="IMAGE", help="picture to write: .png, .svg, .html")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> None:
    from morocco.charts.plot import plot_logs

    plot_logs(args.bench_paths, args.image_path)
