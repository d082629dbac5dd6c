"""What the Kubernetes plugin would send for our profile, against a checked-in expectation."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from storage_campaign import BUCKET, KEY, ROOT

HERE = Path(__file__).resolve().parent
pytestmark = [pytest.mark.workflow]


def call(folder: Path, s3: Any, *program: str) -> subprocess.CompletedProcess[str]:
    """The call of docs/kubernetes.md."""
    arguments = ["--snakefile", str(ROOT / "workflow" / "campaign.smk")]
    arguments += ["--workflow-profile", str(ROOT / "profiles" / "kubernetes")]
    arguments += ["--configfile", "suite.yaml"]
    arguments += ["--default-storage-prefix", f"s3://{BUCKET}/spring"]
    arguments += ["--container-image", "registry.example.org/team/morocco:1"]
    arguments += ["--storage-s3-endpoint-url", s3.url, "--seconds-between-status-checks", "1"]
    secrets = {
        "SNAKEMAKE_STORAGE_S3_ACCESS_KEY": KEY,
        "SNAKEMAKE_STORAGE_S3_SECRET_KEY": KEY,
        "AWS_DEFAULT_REGION": "us-east-1",
    }
    return subprocess.run(
        [sys.executable, *program, *arguments],
        cwd=folder,
        env={**os.environ, **secrets},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def test_the_plan_stands_without_a_cluster(folder, s3):
    done = call(folder, s3, "-m", "snakemake", "--dry-run")
    assert done.returncode == 0, done.stdout + done.stderr
    assert re.search(r"measure_model\s+2\n", done.stdout + done.stderr)


def test_pods_are_asked_for_as_expected(folder, s3):
    target = folder / "jobs.json"
    done = call(folder, s3, str(HERE / "stub_cluster.py"), str(target))
    asked = json.loads(target.read_text())
    assert len(asked["jobs"]) == 2, done.stdout + done.stderr
    expected = json.loads((HERE / "expected_job.json").read_text())
    for job in asked["jobs"]:
        commands = job["spec"]["template"]["spec"]["containers"][0]["args"]
        assert "measure_model:model=" in commands[1]
        assert KEY not in json.dumps(job)  # credentials go by a secret, never in the specification
        assert without_names(job) == expected
    assert {"create_secret", "delete_secret"} <= set(asked["calls"])
    assert done.returncode != 0  # the stub's jobs all fail, and that is seen


def without_names(job: dict[str, Any]) -> dict[str, Any]:
    """The specification without what differs from call to call."""
    container = job["spec"]["template"]["spec"]["containers"][0]
    container["args"] = [container["args"][0], "<the job's own call of snakemake>"]
    text = json.dumps(job)
    uuid = r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}"
    return json.loads(re.sub(uuid, "<uuid>", text))
