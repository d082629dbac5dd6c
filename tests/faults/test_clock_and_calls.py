"""A clock that is stepped in mid-run, and two calls at once on one folder."""

from __future__ import annotations

import time
from types import SimpleNamespace

import pytest
from calibrated_runs import make_spec, measure_spec
from suite_runs import model, running, wait_until

from morocco.bench import observe
from morocco.screen.settle import settle_cell

pytestmark = [pytest.mark.engine, pytest.mark.usefixtures("own_lock", "calibrated_image")]


@pytest.mark.parametrize("step", [+3600.0, -0.2])
def test_a_clock_that_is_stepped_makes_the_run_invalid(engine, tmp_path, monkeypatch, step):
    """The harness's own reading of the wall clock is moved: this machine's clock is others' too."""
    begin = time.monotonic()

    def stepped():
        return time.time() + (step if time.monotonic() - begin > 0.6 else 0.0)

    monkeypatch.setattr(observe, "time", SimpleNamespace(time=stepped, monotonic=time.monotonic))
    run = measure_spec(engine, tmp_path, make_spec("--init", "1.5"))
    assert run.codes == ["clock_stepped"]
    assert f"{step:+.3f} s" in run.record.verdict.reasons[0].detail
    assert run.record.clock.step_seconds == pytest.approx(step, abs=0.05)
    state, again = settle_cell([run.record], None, round=1, max_rounds=2, repeats=1)
    assert again == [2]  # the machine's fault: measured again
    assert not state.runs[0].accepted


@pytest.mark.workflow
def test_a_second_call_on_one_folder_does_not_touch_it(engine, suite):
    suite.write(model("one", "--init", "1"))
    with suite.started("results/stats/one") as first:
        wait_until(lambda: any(running(engine, f"one/terra/{r}") for r in RUNS), 60)
        second = suite.call("results/stats/one")
        assert second.returncode != 0
        assert "cannot be locked" in second.stdout
        assert first.wait(timeout=120) == 0, suite.log
    records = suite.records()
    assert set(records) == {f"one/terra/{run}" for run in RUNS}
    assert all(record.verdict.valid for record in records.values())
    assert suite.whole() == []
    assert suite.left(engine) == []
    assert "Nothing to be done" in suite.call("results/stats/one").stdout


RUNS = ("1_1_01", "1_1_02", "20_4_01", "20_4_02")
