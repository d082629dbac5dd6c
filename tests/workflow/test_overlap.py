"""Measured runs never overlap on a machine, whatever is started there."""

from __future__ import annotations

import itertools

import pytest
from suite_runs import SuiteFolder, model

pytestmark = [pytest.mark.engine, pytest.mark.workflow]


def assert_apart(records):
    times = sorted((r.clock.started_at, r.clock.finished_at) for r in records)
    for before, after in itertools.pairwise(times):
        assert before[1] <= after[0]


def test_two_calls_on_two_folders_and_many_cores(tmp_path, calibrated_image, engine):
    suites = []
    for name in ("a", "b"):
        folder = tmp_path / name
        folder.mkdir()
        suite = SuiteFolder(folder, {"MOROCCO_LOCK": str(tmp_path / "machine.lock")})
        suite.write(model(name, "--init", "0.5"), tasks=["TERRa", "RCB"])
        suites.append(suite)
    target = "results/cells/{}.round1.json"
    with suites[0].started("--cores", "4", target.format("a")) as other:
        done = suites[1].call("--cores", "4", target.format("b"))
        assert done.returncode == 0, done.stdout
        assert other.wait(timeout=120) == 0, suites[0].log
    records = [record for suite in suites for record in suite.records().values()]
    assert len(records) == 16
    assert all(record.verdict.valid for record in records)
    assert_apart(records)
    # They did take turns: else nothing was tested.
    first, second = (
        [record.clock.started_at for record in suite.records().values()] for suite in suites
    )
    assert min(first) < max(second)
    assert min(second) < max(first)
    assert all(suite.left(engine) == [] for suite in suites)
