"""Every way the calibrated model can fail, through a real container: the verdict that fits."""

from __future__ import annotations

import pytest
from calibrated_runs import SAMPLE, TAG, leftovers, make_spec, measure_spec

from morocco.estimate.stats import estimate_task
from morocco.screen.settle import settle_cell
from morocco.tasks.registry import TASKS

pytestmark = [pytest.mark.engine, pytest.mark.usefixtures("own_lock", "calibrated_image")]

FAILURES = {
    "exit": (["--at", "2"], ["exit_code"], "exit status 3"),
    "exits-early": (["--at", "2"], ["prediction_count"], "2 predictions for 5 records"),
    # From inside, process 1 cannot be killed: it leaves as one whose init or shell reports it.
    "kill": ([], ["killed"], "exit 137"),
    "hang": ([], ["timeout"], "still running after 1 s"),
    "ignore-term": ([], ["timeout"], "still running after 1 s"),
    "never-reads": ([], ["prediction_count"], "0 predictions for 5 records"),
    "drop-line": (["--at", "3"], ["prediction_count"], "missing idx 2"),
    "repeat-idx": (["--at", "3"], ["prediction_idx"], "idx 1 comes 2 times"),
    "surplus-line": (["--at", "5"], ["prediction_count", "prediction_idx"], "idx 4"),
    "garbage-line": ([], ["prediction_format"], "line 1"),
    "bad-utf8": (["--at", "2"], ["prediction_format"], "line 2"),
    "long-line": (["--flood", "50"], ["prediction_format"], "line 1: longer than"),
    "wrong-label": (["--at", "4"], ["prediction_label"], "line 4, idx 3"),
    "flood-stdout": ([], ["output_limit"], "wrote more than the bound"),
    "flood-stderr": ([], ["output_limit"], "wrote more than the bound"),
    "oom": ([], ["oom_killed"], "memory limit"),
}


@pytest.mark.parametrize("mode", FAILURES)
def test_a_failing_model_is_invalid_for_the_reason_that_fits(engine, tmp_path, mode):
    more, codes, detail = FAILURES[mode]
    limits = {"memory": 100 << 20} if mode == "oom" else {}
    timeout = 1.0 if mode in {"hang", "ignore-term"} else 60.0
    spec = make_spec("--fail", mode, *more, size=5, timeout_seconds=timeout, **limits)
    run = measure_spec(engine, tmp_path, spec)
    assert run.codes == codes
    assert any(detail in reason.detail for reason in run.record.verdict.reasons)
    # The evidence stays, and no number comes of it.
    assert run.files.predictions.stat().st_size <= spec.limits.stdout
    assert run.files.stderr.stat().st_size <= spec.limits.stderr
    assert run.log[-1].timestamp == run.record.clock.finished_at
    state, _ = settle_cell([run.record], None, round=1, max_rounds=1, repeats=1)
    stats = estimate_task([run.record], settled=[state])
    assert stats.init_seconds.value is None
    assert stats.ram_bytes.value is None
    assert (stats.runs_valid, stats.runs_invalid) == (0, 1)
    assert set(codes) <= set(stats.invalid_reasons)
    assert leftovers(engine, tmp_path) == []


def test_labels_that_change_between_runs_are_found_by_comparison(engine, tmp_path):
    spec = make_spec("--fail", "unstable", size=40, batch=8)
    runs = [measure_spec(engine, tmp_path, spec, index).record for index in (1, 2, 3)]
    assert all(record.verdict.valid for record in runs)  # each is well for itself
    state, _ = settle_cell(runs, None, round=1, max_rounds=1, repeats=3)
    assert not any(run.accepted for run in state.runs)
    codes = {reason.code for run in state.runs for reason in run.reasons}
    assert codes == {"prediction_unstable"}


def test_a_fork_bomb_stops_at_the_limit(engine, tmp_path):
    spec = make_spec("--fail", "forks", processes=64)
    run = measure_spec(engine, tmp_path, spec)
    assert run.record.verdict.valid, run.codes
    assert run.events["forked"]["processes"] == 63
    assert run.events["forked"]["refused"]
    assert run.record.totals.processes_peak == 64


def test_an_image_that_cannot_start(engine, tmp_path):
    run = measure_spec(engine, tmp_path, make_spec(), entrypoint=("/no/such/program",))
    assert run.codes == ["start_failed"]
    assert "no/such/program" in run.record.verdict.reasons[0].detail
    assert (run.record.clock, run.record.totals) == (None, None)
    assert leftovers(engine, tmp_path) == []


@pytest.mark.parametrize("task", TASKS)
def test_a_correct_model_is_valid_on_every_task(engine, tmp_path, task):
    split = SAMPLE / TASKS[task].eval_file
    size = len(split.read_text().splitlines()) + 3  # beyond the split: the input is cycled
    run = measure_spec(engine, tmp_path, make_spec(task=task, size=size, batch=4))
    assert run.record.verdict.valid, run.record.verdict
    assert run.record.output.lines == size
    assert run.record.exit.code == 0
    assert run.record.image.name == TAG
    assert leftovers(engine, tmp_path) == []
