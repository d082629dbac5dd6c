"""Disks that are full or read-only: no half result, a message that says which, and on it goes."""

from __future__ import annotations

import contextlib
import os
import subprocess

import pytest
from calibrated_runs import leftovers, make_job, make_spec
from suite_runs import model

from morocco.bench.run import measure
from morocco.bench.warm import note_run
from morocco.errors import EngineError
from morocco.formats.names import run_files

pytestmark = [
    pytest.mark.engine,
    pytest.mark.usefixtures("own_lock", "calibrated_image"),
    pytest.mark.skipif(os.getuid() != 0, reason="needs root that may mount"),
]


@contextlib.contextmanager
def mounted(folder, *options):
    """A mount for the length of the block."""
    folder.mkdir(parents=True, exist_ok=True)
    done = subprocess.run(["mount", *options, str(folder)], capture_output=True, check=False)
    if done.returncode:
        pytest.skip(f"cannot mount: {done.stderr.decode().strip()}")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=False)


@pytest.mark.parametrize(
    ("args", "free"),
    [
        (("--fail", "flood-stdout", "--flood", "20"), 2 << 20),  # while output streams in
        (("--fail", "flood-stderr", "--flood", "3"), 2 << 20),
        (("--init", "0.5"), 4096),  # while log and record are written
    ],
)
def test_a_disk_that_fills_up(engine, tmp_path, args, free):
    job = make_job(engine, tmp_path, make_spec(*args, stdout=30 << 20))
    note_run(job.image.id)
    with mounted(tmp_path / "results", "-t", "tmpfs", "-o", "size=8m", "tmpfs") as results:
        files = run_files(results, job.run)
        files.record.parent.mkdir(parents=True)
        status = os.statvfs(results)
        filler = results / "filler"
        filler.write_bytes(b"\0" * (status.f_bavail * status.f_frsize - free))
        with pytest.raises(EngineError, match="No space left on device") as caught:
            measure(engine, job, files)
        assert str(job.run) in str(caught.value)
        assert "call again" in str(caught.value)
        assert not files.record.exists()
        assert leftovers(engine, results) == []
        assert [path.name for path in files.record.parent.iterdir()] == []
        # Space again: the same run goes well.
        filler.unlink()
        good = make_job(engine, tmp_path, make_spec())
        assert measure(engine, good, files).verdict.valid


@pytest.mark.workflow
def test_a_results_folder_that_becomes_read_only(engine, suite):
    suite.write(model("one"), repeats=1)
    assert suite.call("results/stats/one").returncode == 0
    before = suite.state()
    suite.write(model("one"), repeats=2)
    subprocess.run(["mount", "--bind", str(suite.results), str(suite.results)], check=True)
    try:
        subprocess.run(["mount", "-o", "remount,bind,ro", str(suite.results)], check=True)
        done = suite.call("results/stats/one")
        assert done.returncode != 0
        # Snakemake's own check, before any job; its words name rule and file.
        assert "Write-protected output files" in done.stdout
        assert suite.state() == before
    finally:
        subprocess.run(["umount", "-l", str(suite.results)], check=True)
    assert suite.left(engine) == []
    done = suite.call("results/stats/one")
    assert done.returncode == 0, done.stdout
    assert len(suite.records()) == 4
    assert {name: suite.state()[name] for name in before} == before
