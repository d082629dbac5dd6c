"""What a measured run costs a Snakemake run beyond its container, against a bare shell job."""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

from morocco.errors import MoroccoError
from morocco.formats.record import RunRecord, read_record

SHELL_JOBS = (20, 120)  # the difference leaves Snakemake's own start out
SHELL_RULE = """
rule all:
    input: [f"out/{k}" for k in range(%d)]

rule shell_job:
    output: "out/{k}"
    shell: "touch {output}"
"""
# Runs of 2 to 3 s, as the default suite's are.
SUITE = """
data: {{root: {root}/data/sample}}
tasks: [TERRa]
results: results
null_runs: 0
noise: {{foreign_cores: 99, psi_share: 1, steal_share: 1}}
warmup: {{cold_starts: 0}}
screening: {{rounds: 1}}
repeats: {repeats}
models:
  - name: calibrated
    build: {root}/models/calibrated
    args: [--init, "1.5", --seconds, "0.0005"]
    loads: [{{input_size: 2000, batch_size: 32}}]
"""


@dataclass(frozen=True)
class WorkflowCost:
    jobs: int
    shell_seconds: float  # one job that touches a file
    between_seconds: float  # from one container's exit to the next one's start, median
    harness_seconds: float  # of it in the harness, median
    run_seconds: float  # inside a container, mean
    inside_share: float  # of the time from the first start to the last exit


def workflow_cost(root: Path, runs: int) -> WorkflowCost:
    """Measure both in a folder of their own; ``runs``: measured runs, half of them init runs."""
    with tempfile.TemporaryDirectory(prefix="morocco-workflow-") as name:
        folder = Path(name)
        shell = shell_job_seconds(folder / "shell")
        records = suite_records(root, folder / "suite", runs // 2)
    clocks = sorted((r.clock for r in records if r.clock), key=lambda c: c.started_at)
    gaps = [b.started_at - a.finished_at for a, b in pairwise(clocks)]
    inside = sum(clock.wall_seconds for clock in clocks)
    return WorkflowCost(
        jobs=len(clocks),
        shell_seconds=shell,
        between_seconds=statistics.median(gaps),
        harness_seconds=statistics.median(c.harness_seconds - c.wall_seconds for c in clocks),
        run_seconds=inside / len(clocks),
        inside_share=inside / (clocks[-1].finished_at - clocks[0].started_at),
    )


def shell_job_seconds(folder: Path) -> float:
    times = []
    for count in SHELL_JOBS:
        place = folder / str(count)
        place.mkdir(parents=True)
        (place / "Snakefile").write_text(SHELL_RULE % count)
        begin = time.perf_counter()
        snakemake(place, "--scheduler", "greedy")
        times.append(time.perf_counter() - begin)
    return (times[1] - times[0]) / (SHELL_JOBS[1] - SHELL_JOBS[0])


def suite_records(root: Path, folder: Path, repeats: int) -> list[RunRecord]:
    """The project's own workflow on a suite of one model; images and inputs come before."""
    folder.mkdir(parents=True)
    config = folder / "suite.yaml"
    config.write_text(SUITE.format(root=root, repeats=repeats))
    options = ("--snakefile", str(root / "Snakefile"), "--configfile", str(config),
               "--workflow-profile", str(root / "profiles" / "default"))  # fmt: skip
    snakemake(folder, *options, "--", "results/images/ready")
    snakemake(folder, *options)
    return [read_record(path) for path in sorted(folder.glob("results/logs/*/*/*_*_*.json"))]


def snakemake(folder: Path, *options: str) -> None:
    command = [sys.executable, "-m", "snakemake", "--cores", "1", "--directory", str(folder)]
    environment = {**os.environ, "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
    done = subprocess.run(
        [*command, *options],
        cwd=folder,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    if done.returncode:
        raise MoroccoError(f"snakemake failed\n{done.stdout[-3000:]}", place=str(folder))
