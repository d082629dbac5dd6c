"""Suites of 540, 5,400 and 54,000 runs: plan, no-op call, jobs, analysis, against the bare engine.

python -m benchmarks.scale [--runs 540 5400] [--out docs/scale-table.md]
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import yaml

from benchmarks.analysis import AnalysisCost, analysis_cost
from benchmarks.pages import table
from benchmarks.scale_campaign import ROOT, model_names, synthesise, write_bare, write_suite
from morocco.sampling.machine import describe_machine

# Jobs of two calls: their difference leaves Snakemake's own start out.
JOBS = (10, 50)  # measured ones
SHELL_JOBS = (20, 320)  # bare ones, which take so much less
SHELL = """
rule all:
    input: [f"out/{k}" for k in range(JOBS)]
rule shell_job:
    output: "out/{k}"
    shell: "touch {output}"
"""


@dataclass(frozen=True)
class Cost:
    wall_seconds: float
    cpu_seconds: float
    peak_bytes: int


def run(command: Sequence[str], folder: Path, expect: str = "") -> Cost:
    """One call as a process of its own; SystemExit with its output if it fails.

    ``expect``: text its output must hold, so that no call is timed that did something else.
    """
    environment = {k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"}
    environment["MOROCCO_LOCK"] = str(folder / "bench.lock")
    output = folder / "output.txt"
    begin = time.perf_counter()
    with output.open("w") as file:
        process = subprocess.Popen(command, cwd=folder, env=environment, stdout=file, stderr=file)
        _, status, usage = os.wait4(process.pid, 0)
    wall = time.perf_counter() - begin
    text = output.read_text()
    if status or expect not in text:
        raise SystemExit(f"{' '.join(command)}\n{text[-3000:]}")
    return Cost(wall, usage.ru_utime + usage.ru_stime, usage.ru_maxrss * 1024)


def ours(*options: str) -> list[str]:
    command = [sys.executable, "-m", "snakemake", "--snakefile", str(ROOT / "Snakefile")]
    command += ["--workflow-profile", str(ROOT / "profiles" / "default")]
    return [*command, "--configfile", "suite.yaml", *options]


def bare(models: int, *options: str) -> list[str]:
    command = [sys.executable, "-m", "snakemake", "--cores", "1", "--scheduler", "greedy"]
    command += ["--rerun-triggers", "mtime", "params", "input"]
    return [*command, *options, "--config", f"models={models}"]


@dataclass(frozen=True)
class Row:
    runs: int
    plan: Cost
    bare_plan: Cost
    nothing: Cost | None
    bare_nothing: Cost | None
    analysis: AnalysisCost


def measure(folder: Path, runs: int, noop: bool) -> Row:
    """All costs of one size. Everything is removed again."""
    models = model_names(runs)
    ours_at, bare_at = folder / "ours", folder / "bare"
    write_suite(ours_at, runs)
    write_bare(bare_at)
    plan = run(ours("-n", "-q"), ours_at)
    bare_plan = run(bare(len(models), "-n", "-q"), bare_at)
    synthesise(ours_at, runs)
    analysis = analysis_cost(ours_at, plotted=1)
    nothing = bare_nothing = None
    if noop:
        say = "Nothing to be done"
        run(ours("--touch", "--quiet"), ours_at)
        nothing = run(ours(), ours_at, say)
        make_bare_outputs(bare_at, models)
        bare_nothing = run(bare(len(models)), bare_at, say)
    shutil.rmtree(folder)
    return Row(runs, plan, bare_plan, nothing, bare_nothing, analysis)


def make_bare_outputs(folder: Path, models: Sequence[str]) -> None:
    """--touch wants every file to be there."""
    files = [f"inputs/t{t}_{t}_{s}.jsonl" for t in range(9) for s in range(2)]
    for m in models:
        files += [f"images/{m}/t{t}.json" for t in range(9)]
        files += [f"cold/{m}/t{t}.json" for t in range(9)]
        files += [
            f"logs/{m}/t{t}/{t}_{s}_{i}.{suffix}"
            for t in range(9)
            for s in range(2)
            for i in range(5)
            for suffix in ("jsonl", "json", "p", "e")
        ]
        files += [f"cells/{m}.{r}" for r in (1, 2, 3)]
        files += [f"stats/{m}", f"plots/{m}"]
    for name in [*files, "board"]:
        path = folder / "r" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    run(bare(len(models), "--touch", "--quiet"), folder)


def job_seconds(folder: Path) -> tuple[float, float]:
    """(a measured job of ours without its measuring, a bare shell job), seconds each."""
    own, shell = [], []
    for jobs in JOBS:
        at = folder / f"jobs-{jobs}"
        write_suite(at, 90)
        suite = yaml.safe_load((at / "suite.yaml").read_text())
        # A program that reads nothing and ends: what is left is the job around it.
        suite |= {"tasks": ["TERRa"], "repeats": jobs, "warmup": {"cold_starts": 0}}
        suite |= {"loads": [{"input_size": 1, "batch_size": 1}], "null_runs": 0}
        (at / "suite.yaml").write_text(yaml.safe_dump(suite))
        run(ours("--until", "input", "model_image", "--quiet"), at)
        cost = run(ours("--until", "bench", "--quiet"), at)
        records = [json.loads(p.read_text()) for p in at.glob("results/logs/*/*/*_*_*.json")]
        if len(records) != jobs:
            raise SystemExit(f"{len(records)} records of {jobs} jobs")
        own.append(cost.wall_seconds - sum(r["clock"]["harness_seconds"] for r in records))
    for jobs in SHELL_JOBS:
        at = folder / f"shell-{jobs}"
        at.mkdir()
        (at / "Snakefile").write_text(SHELL.replace("JOBS", str(jobs)))
        shell.append(run(bare(1, "--quiet"), at).wall_seconds)
    return (
        (own[1] - own[0]) / (JOBS[1] - JOBS[0]),
        (shell[1] - shell[0]) / (SHELL_JOBS[1] - SHELL_JOBS[0]),
    )


def page(rows: Sequence[Row], job: tuple[float, float] | None) -> str:
    def times(a: Cost, b: Cost) -> str:
        return f"{a.cpu_seconds / b.cpu_seconds:.2f} ×"

    def seconds(cost: Cost | None) -> str:
        return "not run" if cost is None else f"{cost.wall_seconds:.1f} s"

    plan = [
        (
            f"{row.runs:,}",
            seconds(row.plan),
            seconds(row.bare_plan),
            times(row.plan, row.bare_plan),
            f"{row.plan.peak_bytes / 2**20:.0f} MiB",
            f"{row.bare_plan.peak_bytes / 2**20:.0f} MiB",
            seconds(row.nothing),
            seconds(row.bare_nothing),
            times(row.nothing, row.bare_nothing) if row.nothing and row.bare_nothing else "",
        )
        for row in rows
    ]
    analysis = [
        (
            f"{cost.runs:,}",
            *(f"{x:.1f} s" for x in (cost.screening, cost.statistics, cost.board, cost.estimates)),
            f"{cost.estimates / rows[0].analysis.estimates:.1f} ×",
            f"{cost.first_method:.1f} s",
            f"{cost.plots:.0f} s",
        )
        for cost in (row.analysis for row in rows)
    ]
    parts = [
        f"Machine: {describe_machine(None).kind}. Load average before: "
        f"{os.getloadavg()[0]:.1f}. Ratios are of CPU time, which other load shifts less.",
        table(
            ("runs", "`-n`", "bare", "ratio", "memory", "bare", "no-op call", "bare", "ratio"), plan
        ),
        table(
            (
                "runs",
                "screening",
                "statistics",
                "board",
                "analysis",
                f"to {rows[0].runs}",
                "first tool's way",
                "plots",
            ),
            analysis,
        ),
    ]
    if job:
        parts.append(
            f"A measured job without its measuring: {1000 * job[0]:.0f} ms; a bare shell job: "
            f"{1000 * job[1]:.0f} ms; more by {1000 * (job[0] - job[1]):.0f} ms."
        )
    return "\n\n".join(parts) + "\n"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, nargs="+", default=[540, 5400, 54000])
    parser.add_argument("--noop-up-to", type=int, default=5400, help="largest no-op call")
    parser.add_argument("--no-jobs", action="store_true", help="leave the cost of a job out")
    parser.add_argument("--out", type=Path)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="morocco-scale-") as name:
        job = None if args.no_jobs else job_seconds(Path(name))
        rows: list[Row] = []
        for runs in args.runs:  # the page so far stands if a larger size is cut off
            rows.append(measure(Path(name) / str(runs), runs, runs <= args.noop_up_to))
            text = page(rows, job)
            if args.out:
                args.out.write_text(text)
    print(text)


if __name__ == "__main__":
    main()
