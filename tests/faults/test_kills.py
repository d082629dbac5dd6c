"""Killed at random moments, again and again: the next call goes on, nothing is lost or invented."""

from __future__ import annotations

import contextlib
import os
import random
import shutil
import signal
import subprocess
import sys
import time

import pytest
from calibrated_runs import leftovers, make_job, make_spec
from suite_runs import model, own_containers, owner_pid, wait_until

from morocco.bench.warm import note_run
from morocco.formats.files import write_json
from morocco.formats.names import run_files
from morocco.formats.record import read_record

pytestmark = pytest.mark.engine
# Others may run these tests on this engine at the same time: each strikes its own containers.
JOB_MODEL, ONE, TWO = (f"{name}{os.getpid()}" for name in ("job", "one", "two"))
SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGKILL)

JOB = """
import sys
from morocco.stages.bench import bench
from morocco.stages.script import logged
from morocco.suite.model import decode_spec
with logged(sys.argv[5]):
    bench(decode_spec(sys.argv[1]), 1, input_path=sys.argv[2], input_json=sys.argv[3],
          image_json=sys.argv[4], results=sys.argv[6])
"""


# Struck after the container is gone and before the evidence has its names.
JUDGING = """
import morocco.bench.run as run, pathlib, sys, time
def wait(*given):
    pathlib.Path(sys.argv[6], "judging").touch()
    time.sleep(60)
run._judge = wait
"""


def job_command(engine, folder, spec, code=JOB):
    job = make_job(engine, folder, spec)
    write_json(folder / "input.json", job.input)
    write_json(folder / "image.json", job.image)
    note_run(job.image.id)
    command = [
        *(sys.executable, "-c", code, spec.json, str(job.input_path), str(folder / "input.json")),
        *(str(folder / "image.json"), str(folder / "job.log"), str(folder)),
    ]
    return job, command


def test_a_job_killed_while_it_judges_leaves_nothing(engine, calibrated_image, tmp_path, own_lock):
    _, command = job_command(engine, tmp_path, make_spec(model=JOB_MODEL), JUDGING + JOB)
    with subprocess.Popen(command) as process:
        wait_until((tmp_path / "judging").exists, 30)
        assert list(tmp_path.rglob(".run-*"))
        process.kill()
    wait_until(lambda: not leftovers(engine, tmp_path), 10)


def kill_jobs(engine, folder, count, seed):
    """``count`` bench jobs, each killed at a random moment of its life; returns what came of it."""
    draw = random.Random(seed)
    spec = make_spec("--init", "0.2", "--memory", "30", "--children", "1", model=JOB_MODEL)
    job, command = job_command(engine, folder, spec)
    files = run_files(folder, job.run)
    outcomes = {"killed": 0, "finished": 0}
    for _ in range(count):
        note_run(job.image.id)
        files.record.unlink(missing_ok=True)
        shutil.rmtree(folder / "unconfirmed", ignore_errors=True)
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
        number = draw.choice(SIGNALS)
        if draw.random() < 0.7:  # most moments of the start are Python's own
            wait_for_container(engine, process)
            time.sleep(draw.uniform(0, 0.6))
        else:
            time.sleep(draw.uniform(0, 1.0))
        with contextlib.suppress(ProcessLookupError):
            process.send_signal(number)
        process.wait(timeout=30)
        # A dead harness's guard cleans up by itself, without any call.
        wait_until(lambda: not leftovers(engine, folder), 30)
        assert own_containers(engine, JOB_MODEL) == []
        if files.record.exists():
            outcomes["finished"] += 1
            record = read_record(files.record)
            assert record.verdict.valid
            assert files.log.exists()
            assert files.predictions.read_bytes().count(b"\n") == 3
        else:
            outcomes["killed"] += 1
            assert process.returncode != 0
    assert subprocess.run(command, check=False).returncode == 0
    assert read_record(files.record).verdict.valid
    assert leftovers(engine, folder) == []
    return outcomes


def test_bench_jobs_killed_at_random_moments(engine, calibrated_image, tmp_path, own_lock):
    outcomes = kill_jobs(engine, tmp_path, 8, seed=1)
    assert outcomes["killed"] >= 4  # else nothing was tested


@pytest.mark.soak
@pytest.mark.timeout(3600)
def test_bench_jobs_killed_a_hundred_times(engine, calibrated_image, tmp_path, own_lock):
    outcomes = kill_jobs(engine, tmp_path, 100, seed=2)
    assert outcomes["killed"] >= 50


def wait_for_container(engine, process):
    wait_until(lambda: own_containers(engine, JOB_MODEL) or process.poll() is not None, 30)


def kill_calls(engine, suite, count, seed):
    """Snakemake calls, each ended by a signal to it, to its whole group or to its bench job."""
    draw = random.Random(seed)
    repeats = 6 + count  # enough for a quiet machine not to be through before the kills are
    suite.write(
        model(ONE, "--init", "0.3"),
        model(TWO, "--seconds", "0.01"),
        repeats=repeats,
        loads=[{"input_size": 20, "batch_size": 4}],
    )
    targets = (f"results/stats/{ONE}", f"results/stats/{TWO}")
    kills = 0
    while kills < count:
        before = suite.evidence()
        with suite.started(*targets) as process:
            number, whom = draw.choice(SIGNALS), draw.choice(("call", "group", "job"))
            moment = time.monotonic() + draw.uniform(2, 7)
            while process.poll() is None and time.monotonic() < moment:
                time.sleep(0.05)
            if process.poll() is not None:
                assert process.returncode == 0, suite.log
                break  # finished before we struck
            kills += strike(engine, process, number, whom)
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(timeout=3 if whom == "job" else 60)
            if process.poll() is None:  # a job's death does not end the call
                process.terminate()
                process.wait(timeout=60)
        wait_until(lambda: not suite.left(engine), 60)
        wait_until(lambda: not own_containers(engine, ONE) + own_containers(engine, TWO), 60)
        assert suite.whole() == []
        after = suite.evidence()
        lost = {name for name in before if after.get(name) != before[name]}
        assert not lost, f"{number.name} to the {whom} lost {lost}"
    before = suite.evidence()
    done = suite.call(*targets)
    assert done.returncode == 0, done.stdout
    after = suite.evidence()
    assert all(after[name] == record for name, record in before.items())
    assert not (suite.results / "unconfirmed").exists()
    records = suite.records()
    assert len(records) == 2 * 2 * repeats
    assert all(record.verdict.valid for record in records.values())
    assert suite.whole() == []
    assert suite.left(engine) == []
    assert "Nothing to be done" in suite.call(*targets).stdout
    return kills


def strike(engine, process, number, whom):
    """Returns 1 where there was somebody to kill."""
    with contextlib.suppress(ProcessLookupError, AssertionError):
        if whom == "call":
            os.kill(process.pid, number)
        elif whom == "group":
            os.killpg(process.pid, number)
        else:
            entry = wait_until(
                lambda: [e for name in (ONE, TWO) for e in own_containers(engine, name)], 10
            )[0]
            os.kill(owner_pid(entry), number)
        return 1
    return 0


@pytest.mark.workflow
def test_calls_killed_at_random_moments(engine, suite):
    assert kill_calls(engine, suite, 4, seed=3) >= 3


@pytest.mark.soak
@pytest.mark.workflow
@pytest.mark.timeout(3600)
def test_calls_killed_fifty_times(engine, suite):
    assert kill_calls(engine, suite, 50, seed=4) >= 45
