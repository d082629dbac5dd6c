"""A suite run to its end: what its tables say, and what the next call does."""

from __future__ import annotations

import json

import pytest
from suite_runs import SuiteFolder, model, read_stats

pytestmark = [pytest.mark.engine, pytest.mark.workflow]

GOOD = model("good", "--seconds", "0.01")
BAD = model("bad", "--fail", "exit", "--at", "1")


@pytest.fixture(scope="module")
def finished(tmp_path_factory, calibrated_image):
    suite = SuiteFolder(tmp_path_factory.mktemp("finished"))
    suite.write(GOOD, BAD)
    done = suite.call()
    assert done.returncode == 0, done.stdout
    return suite


def test_a_failing_model_does_not_stop_the_others(finished):
    records = finished.records()
    assert len(records) == 8
    verdicts = {name: record.verdict for name, record in records.items()}
    assert all(v.valid for name, v in verdicts.items() if name.startswith("good/"))
    bad = [v for name, v in verdicts.items() if name.startswith("bad/")]
    assert {reason.code for verdict in bad for reason in verdict.reasons} == {"exit_code"}
    assert finished.whole() == []


def test_its_reason_stands_in_the_tables_and_no_number(finished):
    stats = read_stats(finished, "bad")
    assert stats["invalid_reasons"] == {"exit_code": 4}
    assert (stats["runs_valid"], stats["runs_invalid"]) == (0, 4)
    for name in ("init_seconds", "rps", "ram_bytes", "cpu_seconds_per_record"):
        assert stats[name]["value"] is None
        assert stats[name]["reason"]
    board = finished.results / "board"
    rows = [line for line in (board / "tasks.csv").read_text().splitlines() if "bad" in line]
    assert rows
    assert all("exit_code" in row for row in rows)
    assert "bad" in (board / "leaderboard.md").read_text()
    assert json.loads((board / "leaderboard.json").read_text())


def test_nothing_is_left(finished, engine):
    assert finished.left(engine) == []


def test_a_second_call_does_nothing(finished):
    before = finished.state()
    done = finished.call()
    assert done.returncode == 0
    assert "Nothing to be done" in done.stdout
    assert finished.state() == before


def test_another_config_of_one_model_redoes_that_model_only(finished):
    before = finished.state()
    finished.write(model("good", "--seconds", "0.012"), BAD)
    try:
        done = finished.call("results/stats/good", "results/stats/bad")
        assert done.returncode == 0, done.stdout
        redone = finished.measured_since(before)
        assert redone == {f"good/terra/{name}_0{k}" for name in ("1_1", "20_4") for k in (1, 2)}
    finally:
        finished.write(GOOD, BAD)
        finished.call("results/stats/good", "results/stats/bad")


def test_a_lost_record_is_measured_again_and_no_other(finished):
    before = finished.state()
    lost = "results/logs/good/terra/20_4_02.json"
    (finished.folder / lost).unlink()
    # `rule all` names every record.
    done = finished.call(lost, "results/stats/good")
    assert done.returncode == 0, done.stdout
    assert finished.measured_since(before) == {"good/terra/20_4_02"}
