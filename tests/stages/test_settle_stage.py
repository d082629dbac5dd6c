"""Rounds over files: what is measured again, what is kept, what an interrupted call left."""

import dataclasses

import pytest
from record_factory import make_record

from morocco.errors import EngineError, MoroccoError
from morocco.formats.files import read_json
from morocco.formats.names import RunId, run_files
from morocco.formats.record import Reason, Verdict, write_record
from morocco.screen.cell import CellState
from morocco.stages.retry import put_aside_invalid
from morocco.stages.settle import CellJob, settle_model
from morocco.suite.config import build_suite
from morocco.suite.model import Load, Screening

SUITE = build_suite({"models": [{"name": "m", "image": "x"}], "tasks": ["terra"]})
SPEC = SUITE.spec("m", "terra", Load(2000, 32))
CELL = CellJob(SPEC, 5, "input", "input.json", "image.json")
DISTURBED = Verdict(False, (Reason("foreign_load", "1.2 cores"),))


def write(results, index, wall=10.0, verdict=None, round=1):
    run = RunId("m", "terra", 2000, 32, index)
    record = make_record(wall=wall)
    record = dataclasses.replace(
        record, id=run, round=round, spec_sha256=SPEC.sha256, verdict=verdict or record.verdict
    )
    files = run_files(results, run)
    files.record.parent.mkdir(parents=True, exist_ok=True)
    write_record(files.record, record)
    files.log.write_text("log")
    return record


@pytest.fixture
def results(tmp_path):
    for index, wall in enumerate((10.0, 10.1, 9.9, 10.05, 9.95), 1):
        write(tmp_path, index, wall)
    return tmp_path


def settle(results, round, measure_run=None, rounds=3, kind=None):
    return settle_model(
        [CELL],
        Screening(rounds=rounds),
        round,
        results=str(results),
        previous=str(results / f"round{round - 1}.json") if round > 1 else None,
        out=str(results / f"round{round}.json"),
        measure_run=measure_run,
        machine_kind=kind,
    )


def never(*_):
    raise AssertionError("nothing was to be measured")


def test_a_clean_cell_is_handed_on(results):
    assert settle(results, 1)[0].settled
    assert settle(results, 2, never) == settle(results, 3, never)
    assert read_json(results / "round3.json", list[CellState])[0].round == 1


def test_a_settled_cell_is_not_looked_at_again(results):
    state = settle(results, 1)
    for path in (results / "logs" / "m" / "terra").iterdir():
        path.unlink()
    assert settle(results, 2, never) == state


def test_a_cell_is_never_mixed_from_two_kinds_of_machine(results):
    record = write(results, 3, verdict=DISTURBED)
    settle(results, 1)
    with pytest.raises(EngineError, match="of another kind") as error:
        settle(results, 2, never, kind=lambda: "another CPU × 2, 4 GiB, no GPU")
    assert record.machine.hostname in str(error.value)
    measured = []

    def measure_run(cell, index, round):
        measured.append(index)
        return write(results, index, 10.02, round=round)

    settle(results, 2, measure_run, kind=lambda: record.machine.kind)
    assert measured == [6]


def test_only_the_disturbed_run_is_measured_again(results):
    write(results, 3, verdict=DISTURBED)
    settle(results, 1)
    measured = []

    def measure_run(cell, index, round):
        measured.append((index, round))
        return write(results, index, 10.02, round=round)

    state = settle(results, 2, measure_run)[0]
    assert measured == [(6, 2)]
    assert state.settled
    assert [run.index for run in state.runs if run.accepted] == [1, 2, 4, 5, 6]
    assert settle(results, 3, never) == [state]


def test_a_whole_replacement_of_an_interrupted_call_is_kept(results):
    write(results, 3, verdict=DISTURBED)
    settle(results, 1)
    write(results, 6, 10.02, round=2)
    assert settle(results, 2, never)[0].settled


def test_a_replacement_of_another_config_is_measured_anew(results):
    write(results, 3, verdict=DISTURBED)
    settle(results, 1)
    old = write(results, 6, 99.0, round=2)
    path = run_files(results, old.id).record
    write_record(path, dataclasses.replace(old, spec_sha256="0" * 64))
    measured = []

    def measure_run(cell, index, round):
        measured.append(index)
        return write(results, index, 10.02, round=round)

    settle(results, 2, measure_run)
    assert measured == [6]


def test_lost_evidence_is_named(results):
    settle(results, 1)
    run_files(results, RunId("m", "terra", 2000, 32, 4)).record.unlink()
    with pytest.raises(MoroccoError, match=r"2000_32_04"):
        settle(results, 1)


def test_retry_puts_invalid_runs_aside_and_nothing_else(results):
    write(results, 2, verdict=DISTURBED)
    (results / "cells").mkdir()
    (results / "cells" / "m.round1.json").write_text("[]")
    assert [run.index for run in put_aside_invalid(str(results))] == [2]
    assert not run_files(results, RunId("m", "terra", 2000, 32, 2)).record.exists()
    assert run_files(results, RunId("m", "terra", 2000, 32, 1)).record.exists()
    kept = sorted(path.name for path in (results / "superseded").rglob("*") if path.is_file())
    assert kept == ["2000_32_02.json", "2000_32_02.jsonl", "m.round1.json"]
    assert put_aside_invalid(str(results)) == []
