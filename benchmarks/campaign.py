"""A long campaign run to its end with kills, and what analysing it costs.

python -m benchmarks.campaign                       6 models × 9 tasks × 2 loads × 5 repeats
python -m benchmarks.campaign --short               a few minutes: does it work?

``make soak`` runs it whole; the table goes to docs/soak.md.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import random
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any

import yaml

from benchmarks.analysis import AnalysisCost, synthetic_analysis
from benchmarks.pages import machine_line, table, write_page
from benchmarks.scale_campaign import ROOT
from morocco.engine.base import ensure_base_image
from morocco.engine.client import connect
from morocco.engine.images import build_model
from morocco.engine.reap import LABEL, OWNER, owner_alive
from morocco.formats.record import RunRecord, read_record
from morocco.tasks.registry import TASKS

IMAGE = "morocco/campaign-calibrated:latest"
SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGKILL)
SEED = 6
PLOTTED = 2  # models whose plots are made, and scaled up to all: a model takes 7 s
_LOOK_SECONDS = 0.5


@dataclass
class Campaign:
    """What a campaign showed."""

    planned: int
    calls: int = 0
    kills: dict[str, int] = field(default_factory=dict)
    lost: list[str] = field(default_factory=list)  # records that changed after they stood
    # MiB of the call's own process, from its first job on: of the call that lived longest
    memory: list[float] = field(default_factory=list)
    job_memory: list[float] = field(default_factory=list)  # MiB, peak of each bench process seen
    plan_seconds: float = 0.0
    no_op_seconds: float = 0.0
    records: list[RunRecord] = field(default_factory=list)
    left: list[str] = field(default_factory=list)
    whole_seconds: float = 0.0


def write_suite(folder: Path, models: int, tasks: list[str], repeats: int) -> None:
    suite = {
        "data": {"root": str(ROOT / "data/sample")},
        "tasks": tasks,
        # Kills make load; what the machine does meanwhile is not what is looked at here.
        "noise": {"foreign_cores": 99, "psi_share": 1, "steal_share": 1, "swap_pages": 10**9},
        "warmup": {"cold_starts": 0},
        "screening": {"rounds": 2},
        "null_runs": 0,
        "repeats": repeats,
        "loads": [{"input_size": 100, "batch_size": 8}],
        "models": [
            {
                "name": f"m{number}",
                "image": IMAGE,
                "args": ["--task", "{task}", "--init", "0.1", "--seconds", f"0.00{number}"],
            }
            for number in range(1, models + 1)
        ],
    }
    (folder / "suite.yaml").write_text(yaml.safe_dump(suite))


def command(folder: Path, *more: str) -> list[str]:
    return [
        *(sys.executable, "-m", "snakemake", "--snakefile", str(ROOT / "Snakefile")),
        *("--configfile", "suite.yaml", "--directory", str(folder), "--quiet", "all", *more),
    ]


def timed_call(folder: Path, *more: str) -> float:
    begin = time.monotonic()
    with open(folder / "calls.log", "a") as log:
        subprocess.run(command(folder, *more), cwd=folder, stdout=log, stderr=log, check=True)
    return time.monotonic() - begin


def run_campaign(folder: Path, models: int, tasks: list[str], repeats: int, kills: int) -> Campaign:
    """Call until the suite is finished; ``kills`` of the calls or jobs are ended on the way."""
    client = connect()
    build_model(
        *(ROOT / "models/calibrated", "terra", ROOT / "data/sample", IMAGE),
        ensure_base_image(client),
        {"MAPPED_MIB": "1"},
        client=client,
    )
    write_suite(folder, models, tasks, repeats)
    shown = Campaign(planned=models * len(tasks) * 2 * repeats)
    shown.plan_seconds = timed_call(folder, "-n")
    draw = random.Random(SEED)
    begin = time.monotonic()

    def next_goal(count: int) -> int | None:
        """Evenly over the first half of the runs; the second half shows a long undisturbed call."""
        left = kills - sum(shown.kills.values())
        return count + max(1, (shown.planned // 2 - count) // left) if left else None

    while True:
        before = standing(folder)
        shown.calls += 1
        finished = one_call(folder, client, shown, draw, next_goal)
        after = standing(folder)
        shown.lost += [name for name, state in before.items() if after.get(name) != state]
        if finished:
            break
        if shown.calls > 3 * kills + 3:
            raise SystemExit(f"the campaign does not come to its end: see {folder}/calls.log")
    shown.whole_seconds = time.monotonic() - begin
    shown.no_op_seconds = timed_call(folder)
    shown.records = [read_record(path) for path in sorted(record_files(folder))]
    shown.left = leftovers(client, folder)
    return shown


def record_files(folder: Path) -> list[Path]:
    return list((folder / "results").glob("logs/*/*/*_*_*.json"))


def standing(folder: Path) -> dict[str, bytes]:
    """Records that stand; for one that Snakemake deleted, its second name until it is taken."""
    results = folder / "results"
    found = {}
    for home in (results / "unconfirmed", results):
        for path in home.glob("logs/*/*/*_*_*.json"):
            with contextlib.suppress(FileNotFoundError):
                found[str(path.relative_to(home))] = path.read_bytes()
    return found


def one_call(
    folder: Path,
    client: Any,
    shown: Campaign,
    draw: random.Random,
    next_goal: Callable[[int], int | None],
) -> bool:
    """One call, struck whenever the next goal of records stands; True where it finished the suite.

    Not every strike ends it: one at a bench job costs that run alone.
    """
    memory: list[float] = []
    begun = len(record_files(folder))
    goal = next_goal(begun)
    with open(folder / "calls.log", "a") as log:
        call = subprocess.Popen(
            command(folder), cwd=folder, stdout=log, stderr=log, start_new_session=True
        )
    try:
        while call.poll() is None:
            time.sleep(_LOOK_SECONDS)
            count = len(record_files(folder))
            if count > begun:  # the plan is made
                memory.append(resident(call.pid, "VmRSS"))
            shown.job_memory += [resident(pid, "VmHWM") for pid in job_pids(client)]
            if goal is not None and count >= goal:
                time.sleep(draw.uniform(0, 2))
                strike(call, client, shown, draw)
                goal = next_goal(count)
    finally:
        if call.poll() is None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(call.pid, signal.SIGKILL)
    memory = [size for size in memory if size]
    if len(memory) > len(shown.memory):
        shown.memory = memory
    deadline = time.monotonic() + 60
    while leftovers(client, folder) and time.monotonic() < deadline:
        time.sleep(0.2)
    return call.returncode == 0


def strike(
    call: subprocess.Popen[bytes], client: Any, shown: Campaign, draw: random.Random
) -> None:
    number, whom = draw.choice(SIGNALS), draw.choice(("call", "group", "job"))
    with contextlib.suppress(ProcessLookupError):
        if whom == "call":
            os.kill(call.pid, number)
        elif whom == "group":
            os.killpg(call.pid, number)
        else:
            pids: list[int] = []
            while call.poll() is None and not (pids := job_pids(client)):
                time.sleep(0.02)
            for pid in pids:
                os.kill(pid, number)
        name = f"{signal.Signals(number).name} to the {whom}"
        shown.kills[name] = shown.kills.get(name, 0) + 1


def job_pids(client: Any) -> list[int]:
    """Bench processes of this campaign whose container is there now."""
    entries = client.api.containers(filters={"label": LABEL, "ancestor": IMAGE})
    return [int(entry["Labels"][OWNER].partition(":")[0]) for entry in entries]


def resident(pid: int, name: str) -> float:
    """MiB; 0 for a process that is gone."""
    with contextlib.suppress(OSError):
        for line in Path(f"/proc/{pid}/status").read_text().splitlines():
            if line.startswith(f"{name}:"):
                return int(line.split()[1]) / 1024
    return 0.0


def leftovers(client: Any, folder: Path) -> list[str]:
    """What no live process owns: containers, half-written files."""
    entries = client.api.containers(all=True, filters={"label": LABEL, "ancestor": IMAGE})
    dead = [e["Names"][0] for e in entries if not owner_alive(e["Labels"].get(OWNER, ""))]
    return dead + [str(path) for path in (folder / "results").rglob(".run-*")]


def share(values: list[float], part: float) -> float:
    return statistics.quantiles(values, n=100)[round(part * 100) - 1]


def make_page(shown: Campaign, analyses: list[AnalysisCost]) -> str:
    valid = [record for record in shown.records if record.verdict.valid and record.clock]
    over = [r.clock.harness_seconds - r.clock.wall_seconds for r in valid if r.clock]
    times = sorted((r.clock.started_at, r.clock.finished_at) for r in valid if r.clock)
    gaps = [b[0] - a[1] for a, b in pairwise(times)]
    tenth = max(1, len(shown.memory) // 10)
    first, last = shown.memory[:tenth], shown.memory[-tenth:]
    struck = ", ".join(f"{count} {name}" for name, count in sorted(shown.kills.items()))
    jobs = [size for size in shown.job_memory if size]
    rows = [
        ("runs planned", f"{shown.planned}"),
        ("records that stand, valid", f"{len(shown.records)}, {len(valid)}"),
        ("calls needed", f"{shown.calls}"),
        ("kills", f"{sum(shown.kills.values())} ({struck})"),
        ("records lost or changed by a kill", f"{len(shown.lost)}"),
        ("containers and files left", f"{len(shown.left)}"),
        ("whole campaign", f"{shown.whole_seconds:.0f} s"),
        ("inside containers, mean of a run", f"{statistics.mean(b - a for a, b in times):.2f} s"),
        (
            "harness over a run's time, median, 95 %",
            f"{share(over, 0.5):.2f}, {share(over, 0.95):.2f} s",
        ),
        ("from one exit to the next start, median", f"{share(gaps, 0.5):.2f} s"),
        (
            "memory of the longest call, first and last tenth, peak",
            f"{statistics.median(first):.0f}, {statistics.median(last):.0f}, "
            f"{max(shown.memory):.0f} MiB ({len(shown.memory)} looks)",
        ),
        (
            "peak memory of a bench job, median, largest",
            f"{share(jobs, 0.5):.0f}, {max(jobs):.0f} MiB",
        ),
        ("`snakemake -n` before the first run", f"{shown.plan_seconds:.1f} s"),
        ("call of the finished suite", f"{shown.no_op_seconds:.1f} s"),
    ]
    analysed = [
        (
            a.runs,
            a.lines,
            *(f"{x:.1f}" for x in (a.screening, a.statistics, a.plots, a.board, a.whole)),
            f"{a.first_method:.1f}",
        )
        for a in analyses
    ]
    header = ("runs", "log lines", "screening", "statistics", "plots", "board", "all",
              "first tool's way")  # fmt: skip
    parts = [
        "# A long campaign",
        f"Made by `make soak` (`python -m benchmarks.campaign`): {shown.planned} runs of tiny "
        "calibrated containers. Over the first half calls and jobs are killed, the second half "
        "ends in one call; then the analysis of made-up records.",
        machine_line(),
        table(("campaign", ""), rows),
        "Analysis, wall seconds; the first tool's way reads the same logs and takes medians, "
        f"without checks, intervals, plots or board. Plots were made for {PLOTTED} models and are "
        "scaled up to all.",
        table(header, analysed),
    ]
    return "\n\n".join(parts)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--short", action="store_true", help="a few minutes: does it work?")
    parser.add_argument("--kills", type=int, help="default 50, short 3")
    parser.add_argument("--out", type=Path, default=ROOT / "docs/soak.md")
    args = parser.parse_args()
    # Started in the background of a shell, we would be deaf to INT, and so would all that we start.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    models, repeats, tasks = (2, 2, ["terra", "rcb"]) if args.short else (6, 5, list(TASKS))
    kills = args.kills if args.kills is not None else 3 if args.short else 50
    with tempfile.TemporaryDirectory(prefix="morocco-campaign-") as name:
        shown = run_campaign(Path(name), models, tasks, repeats, kills)
        sizes = (90, 180) if args.short else (540, 5400)
        analyses = [synthetic_analysis(Path(name, f"made-{n}"), n, PLOTTED) for n in sizes]
    write_page(args.out, make_page(shown, analyses))
    broken = shown.lost + shown.left
    valid = sum(record.verdict.valid for record in shown.records)
    if broken or valid < shown.planned:
        raise SystemExit(f"{valid} of {shown.planned} runs valid; lost or left: {broken}")


if __name__ == "__main__":
    main()
