"""A suite of two small process models, a local S3 server, and the campaign called over them."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]
BUCKET = "campaign"
KEY = "local-test"


@dataclass
class S3Server:
    """moto's server on loopback; what it holds is gone when it stops."""

    port: int = 0
    process: subprocess.Popen[bytes] | None = field(default=None)

    def start(self) -> None:
        if not self.port:
            with socket.socket() as free:
                free.bind(("127.0.0.1", 0))
                self.port = free.getsockname()[1]
        command = [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(self.port)]
        self.process = subprocess.Popen(
            command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        for _ in range(300):
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", self.port)) == 0:
                    break
            time.sleep(0.1)
        self.client().create_bucket(Bucket=BUCKET)

    def stop(self) -> None:
        if self.process:
            self.process.kill()
            self.process.wait()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def client(self) -> Any:
        import boto3

        return boto3.client(
            "s3",
            endpoint_url=self.url,
            aws_access_key_id=KEY,
            aws_secret_access_key=KEY,
            region_name="us-east-1",
        )

    def names(self) -> set[str]:
        listed = self.client().list_objects_v2(Bucket=BUCKET).get("Contents", [])
        return {entry["Key"] for entry in listed}


@pytest.fixture
def s3() -> Iterator[S3Server]:
    pytest.importorskip("moto")
    server = S3Server()
    server.start()
    yield server
    server.stop()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A working directory with its suite."""

    def model(name: str, seconds: str) -> dict[str, Any]:
        infer = str(ROOT / "models" / "calibrated" / "infer.py")
        command = ["python3", "-ESs", infer, "--task", "{task}", "--seconds", seconds]
        return {"name": name, "runtime": "process", "command": command}

    suite = {
        "results": "results",
        "data": {"root": str(ROOT / "data" / "sample")},
        "tasks": ["PARus"],
        "models": [model("quick", "0.001"), model("steady", "0.004")],
        "loads": [{"input_size": 100, "batch_size": 10}],
        "repeats": 2,
        "null_runs": 0,
        "warmup": {"cold_starts": 0},
        "screening": {"rounds": 1},
        "noise": {"foreign_cores": 99, "psi_share": 1, "steal_share": 1},
    }
    (tmp_path / "suite.yaml").write_text(yaml.safe_dump(suite))
    return tmp_path


def call_campaign(folder: Path, *arguments: str, env: dict[str, str] | None = None) -> Any:
    """The call of docs/kubernetes.md, on this machine."""
    environment = {k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"}
    environment |= {"MOROCCO_LOCK": str(folder / "bench.lock"), **(env or {})}
    command: Sequence[str] = [
        *(
            sys.executable,
            "-m",
            "snakemake",
            "--snakefile",
            str(ROOT / "workflow" / "campaign.smk"),
        ),
        *("--configfile", str(folder / "suite.yaml"), "--cores", "1", "--keep-going"),
        *arguments,
    ]
    log = (folder / "calls.log").open("a")
    return subprocess.Popen(command, cwd=folder, env=environment, stdout=log, stderr=log)


def run_times(folder: Path) -> dict[str, int]:
    """Each measured run and when its record was written, ns."""
    logs = (folder / "results" / "models").glob("*/logs/*/*/*_*_*.json")
    return {str(path.relative_to(folder)): path.stat().st_mtime_ns for path in logs}
