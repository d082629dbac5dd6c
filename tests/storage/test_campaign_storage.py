"""A campaign whose archives and board lie in storage, by Snakemake's storage plugins."""

from __future__ import annotations

import io
import time
import zipfile
from pathlib import Path

import pytest
from storage_campaign import BUCKET, KEY, S3Server, call_campaign, run_times

pytestmark = [pytest.mark.workflow, pytest.mark.slow]

ARCHIVES = {"results/archives/quick.zip", "results/archives/steady.zip"}


def test_the_filesystem_plugin_holds_archives_and_board(folder):
    store = folder / "shared"
    storage = ["--default-storage-provider", "fs", "--default-storage-prefix", str(store)]
    storage += ["--shared-fs-usage", "persistence", "sources", "source-cache"]
    assert call_campaign(folder, *storage).wait(timeout=120) == 0, (
        folder / "calls.log"
    ).read_text()
    assert all((store / name).is_file() for name in ARCHIVES)
    page = (store / "results/board/leaderboard.html").read_text()
    assert "quick" in page and "steady" in page
    before = run_times(folder)
    assert len(before) == 8
    assert call_campaign(folder, *storage).wait(timeout=60) == 0
    assert "Nothing to be done" in (folder / "calls.log").read_text()
    assert run_times(folder) == before


def test_nothing_is_lost_when_the_connection_breaks_in_mid_run(folder, s3: S3Server):
    storage = ["--default-storage-provider", "s3", "--default-storage-prefix", f"s3://{BUCKET}"]
    storage += ["--storage-s3-endpoint-url", s3.url, "--storage-s3-retries", "1"]
    storage += ["--shared-fs-usage", "persistence", "sources", "source-cache"]
    secrets = {
        "SNAKEMAKE_STORAGE_S3_ACCESS_KEY": KEY,
        "SNAKEMAKE_STORAGE_S3_SECRET_KEY": KEY,
        "AWS_DEFAULT_REGION": "us-east-1",
    }
    first = call_campaign(folder, *storage, env=secrets)
    for _ in range(600):  # until the first record stands
        if run_times(folder) or first.poll() is not None:
            break
        time.sleep(0.1)
    s3.stop()
    assert first.wait(timeout=200) != 0
    measured = run_times(folder)
    assert measured

    s3.start()  # empty: whatever had been there is gone as well
    assert call_campaign(folder, *storage, env=secrets).wait(timeout=200) == 0, read(folder)
    assert s3.names() >= ARCHIVES
    after = run_times(folder)
    assert len(after) == 8
    assert measured.items() <= after.items()  # no run was measured twice
    for name in sorted(ARCHIVES):
        body = s3.client().get_object(Bucket=BUCKET, Key=name)["Body"].read()
        inside = zipfile.ZipFile(io.BytesIO(body)).namelist()
        assert sum(entry.endswith("_01.jsonl") for entry in inside) == 2


def read(folder: Path) -> str:
    return (folder / "calls.log").read_text()[-6000:]
