"""A run's streams end to end: what goes in and comes out is whole, and no side waits for ever."""

from __future__ import annotations

import hashlib

import pytest
from calibrated_runs import MIB, leftovers, make_spec, measure_spec

from morocco.tasks.predictions import check_predictions
from morocco.tasks.registry import get_task

pytestmark = [pytest.mark.engine, pytest.mark.usefixtures("own_lock", "calibrated_image")]
FLOOD_LINE = b"this line is not a prediction, it is only here to fill the pipe".ljust(1023, b".")


def test_60_megabytes_come_exactly(engine, tmp_path):
    run = measure_spec(engine, tmp_path, make_spec("--fail", "flood-stdout", "--flood", "60"))
    lines = run.files.predictions.read_bytes().splitlines(keepends=True)
    flood = [line for line in lines if not line.startswith(b"{")]
    assert len(flood) == 60 * MIB // 1024
    assert set(flood) == {FLOOD_LINE + b"\n"}
    assert len(lines) - len(flood) == 3
    digest = hashlib.sha256(b"".join(lines)).hexdigest()
    assert run.record.output.sha256 == digest
    assert run.record.output.bytes == sum(map(len, lines))
    assert run.codes == ["prediction_count", "prediction_format"]


@pytest.mark.parametrize("read", ["streams", "all"])
def test_a_model_that_reads_late_is_fed_all_the_same(engine, tmp_path, read):
    spec = make_spec("--read", read, "--read-after", "1", size=15000, batch=500)
    run = measure_spec(engine, tmp_path, spec)
    assert run.record.input.bytes > 3 * MIB
    assert run.record.verdict.valid, run.codes
    assert run.record.output.lines == 15000
    assert run.record.output.arrivals.first_seconds >= 0.99
    assert leftovers(engine, tmp_path) == []


def test_output_before_any_reading_does_not_block(engine, tmp_path):
    """Both pipes are full at once: the model writes 20 MiB while 3 MiB wait for it."""
    options = ("--fail", "flood-stdout", "--at", "0", "--flood", "20")
    run = measure_spec(engine, tmp_path, make_spec(*options, size=15000, batch=500))
    assert run.record.exit.code == 0
    assert run.record.output.bytes > 20 * MIB


def test_arrivals_are_on_the_runs_clock(engine, tmp_path):
    spec = make_spec("--init", "0.5", "--seconds", "0.05", size=20)
    run = measure_spec(engine, tmp_path, spec)
    arrivals, events = run.record.output.arrivals, run.events
    started = run.record.clock.started_at
    assert arrivals.distinct_times >= 10
    assert arrivals.first_seconds == pytest.approx(events["first"]["realtime"] - started, abs=0.1)
    assert arrivals.last_seconds <= run.record.clock.wall_seconds + 0.01
    assert [lines for _, lines in arrivals.curve][-1] == 20
    speed = 19 / (arrivals.last_seconds - arrivals.first_seconds)
    assert speed == pytest.approx(20, rel=0.1)


def test_predictions_have_one_hash_whatever_their_order(engine, tmp_path):
    one = measure_spec(engine, tmp_path, make_spec(size=40, batch=1))
    many = measure_spec(engine, tmp_path, make_spec("--write", "end", size=40, batch=7))
    assert one.record.output.predictions_sha256 == many.record.output.predictions_sha256
    task = get_task("terra")
    path = tmp_path / "inputs/terra/40.jsonl"
    check = check_predictions(task, path, one.files.predictions)
    assert check.predictions_sha256 == one.record.output.predictions_sha256
