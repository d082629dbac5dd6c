"""A Slurm of two nodes on this machine, and the workflow called through it."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]
LOCAL = ROOT / "scripts" / "slurm-local.sh"


@pytest.fixture(scope="session")
def slurm(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    if os.getuid() != 0:
        pytest.skip("a Slurm of one's own needs root")
    folder = tmp_path_factory.mktemp("slurm")
    subprocess.run([LOCAL, "start", folder, "2"], check=True)
    yield
    subprocess.run([LOCAL, "stop", folder], check=True)


@dataclass(frozen=True)
class Campaign:
    """One working directory with a suite: two models, one task, two cells, two repeats."""

    folder: Path
    results: Path
    suite: Path

    def call(self, *arguments: str) -> subprocess.Popen[str]:
        """The workflow as docs/slurm.md calls it, asking the scheduler more often."""
        environment = {k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"}
        environment["PATH"] = f"{Path(sys.executable).parent}:{environment['PATH']}"
        command = [sys.executable, "-m", "snakemake", "--snakefile", str(ROOT / "Snakefile")]
        command += ["--directory", str(self.folder), "--configfile", str(self.suite), *arguments]
        log = (self.folder / "calls.log").open("a")
        return subprocess.Popen(command, cwd=ROOT, env=environment, stdout=log, stderr=log)

    def through_slurm(self) -> subprocess.Popen[str]:
        quick = ["--slurm-init-seconds-before-status-checks", "1"]
        quick += ["--seconds-between-status-checks", "1", "--latency-wait", "5"]
        return self.call("--workflow-profile", str(ROOT / "profiles" / "slurm"), *quick)

    def locally(self) -> subprocess.Popen[str]:
        return self.call("--workflow-profile", str(ROOT / "profiles" / "default"))

    def log(self) -> str:
        return (self.folder / "calls.log").read_text()


def make_campaign(folder: Path) -> Campaign:
    folder.mkdir()
    suite = {
        "results": "results",
        "data": {"root": str(ROOT / "data" / "sample")},
        "tasks": ["PARus"],
        "models": [
            {"name": "majority", "build": str(ROOT / "models" / "majority")},
            {
                "name": "still",
                "build": str(ROOT / "models" / "calibrated"),
                "args": ["--init", "0.5", "--seconds", "0.02"],
            },
        ],
        "loads": [{"input_size": 200, "batch_size": 32}],
        "repeats": 2,
        "null_runs": 0,
        "warmup": {"cold_starts": 0},
        "screening": {"rounds": 1},
        # Two "nodes" on one machine disturb each other, and nothing here is published.
        "noise": {"foreign_cores": 99, "psi_share": 1, "steal_share": 1},
        "image_archives": True,
    }
    path = folder / "suite.yaml"
    path.write_text(yaml.safe_dump(suite))
    return Campaign(folder, folder / "results", path)


@pytest.fixture(scope="session")
def workspace(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("campaigns")


@dataclass(frozen=True)
class SlurmJob:
    id: str
    rule: str  # as the plugin's comment has it: rule_bench_wildcards_…
    node: str
    state: str
    start: datetime | None
    end: datetime | None

    @property
    def measures(self) -> bool:
        return any(f"rule_{name}" in self.rule for name in ("bench", "cold_start", "settle"))


def slurm_jobs() -> list[SlurmJob]:
    """Every job of the last five minutes (MinJobAge), running ones too."""
    text = subprocess.run(
        ["scontrol", "show", "jobs", "-o"], capture_output=True, text=True, check=True
    ).stdout
    lines = [line for line in text.splitlines() if line.startswith("JobId=")]
    return [_parse(line) for line in lines]


def _parse(line: str) -> SlurmJob:
    fields = dict(re.findall(r"(\w+)=(\S*)", line))

    def time(name: str) -> datetime | None:
        value = fields.get(name, "")
        return datetime.fromisoformat(value) if value[:1].isdigit() else None

    return SlurmJob(
        id=fields["JobId"],
        rule=fields.get("Comment", ""),
        node=fields.get("NodeList", ""),
        state=fields["JobState"],
        start=time("StartTime"),
        end=time("EndTime") if fields["JobState"] != "RUNNING" else None,
    )


def containers() -> list[str]:
    """Run containers of ours on the engine."""
    from morocco.engine.client import connect
    from morocco.engine.reap import LABEL

    listed = connect().api.containers(all=True, filters={"label": LABEL})
    return [entry["Names"][0] for entry in listed if "still" in entry["Names"][0]]
