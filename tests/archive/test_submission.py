"""Packing: the same bytes from the same results, nothing torn, nothing missing unsaid."""

from __future__ import annotations

import os
import shutil
import zipfile
from pathlib import Path

import pytest
from factories import make_results
from submission_example import Example

from morocco.archive.legacy import read_legacy
from morocco.archive.manifest import CellPlan, digest, parse_comment
from morocco.archive.submission import pack_submission
from morocco.cli.main import main
from morocco.errors import MoroccoError
from morocco.tasks.registry import TASKS


def test_same_results_give_the_same_bytes(example: Example, tmp_path: Path) -> None:
    copy = tmp_path / "elsewhere"
    shutil.copytree(example.results, copy)
    for path in copy.rglob("*"):
        os.utime(path, (1, 1))
    again = pack_submission(copy, "tiny", tmp_path / "again.zip")
    assert again.path.read_bytes() == example.archive.read_bytes()
    assert again.seal == example.manifest.seal


def test_everything_is_in_it(example: Example) -> None:
    names = set(example.members)
    assert sum(name.startswith("logs/") for name in names) == 9 * 2 * 3
    assert sum(name.startswith("records/") for name in names) == 9 * 2 * 3
    assert sum(name.startswith("predictions/") for name in names) == 9 * 2  # a run of each cell
    assert {f"stats/{task}.json" for task in TASKS} <= names
    assert {"machine.json", "cells/round1.json", "manifest.json"} <= names
    for name, said in example.manifest.members.items():
        assert digest(example.members[name]) == said
    assert set(example.manifest.members) == names - {"manifest.json"}


def test_plain_zip_tools_and_readers_of_the_first_layout_read_it(example: Example) -> None:
    with zipfile.ZipFile(example.archive) as archive:
        assert archive.testzip() is None
        assert parse_comment(archive.comment) is not None
        log = archive.read("logs/parus/300_32_01.jsonl")
    assert log == (example.results / "logs/tiny/parus/300_32_01.jsonl").read_bytes()
    runs = read_legacy(example.archive).tasks
    assert {task: len(shapes) for task, shapes in runs.items()} == dict.fromkeys(TASKS, 6)


def test_an_incomplete_matrix_is_refused_by_name(example: Example, tmp_path: Path) -> None:
    results = tmp_path / "results"
    shutil.copytree(example.results, results)
    for path in (results / "logs/tiny/rcb").glob("300_32_02.*"):
        path.unlink()
    shutil.rmtree(results / "logs/tiny/rwsd")
    (results / "scores/tiny/parus.json").unlink()
    with pytest.raises(MoroccoError) as caught:
        pack_submission(results, "tiny", tmp_path / "a.zip")
    assert "rcb: runs 300_32_02" in str(caught.value)
    assert "rwsd: runs 1_1_01, 1_1_02, 1_1_03" in str(caught.value)
    assert "parus: scores/tiny/parus.json" in str(caught.value)
    assert not (tmp_path / "a.zip").exists()
    packed = pack_submission(results, "tiny", tmp_path / "a.zip", incomplete=True)
    assert len(packed.missing) == 4


def test_the_plan_says_what_is_missing(tmp_path: Path) -> None:
    results = make_results(tmp_path / "results", tasks=("parus",), repeats=2)
    plan = [CellPlan("parus", 1, 1, 2), CellPlan("parus", 1000, 32, 3)]
    with pytest.raises(MoroccoError, match="parus: runs 1000_32_03"):
        pack_submission(results, "tiny", tmp_path / "a.zip", plan=plan)
    packed = pack_submission(
        results, "tiny", tmp_path / "a.zip", plan=[plan[0], CellPlan("parus", 1000, 32, 2)]
    )
    assert packed.missing == ()


def test_torn_evidence_is_an_error(example: Example, tmp_path: Path) -> None:
    results = tmp_path / "results"
    shutil.copytree(example.results, results)
    (results / "logs/tiny/rcb/300_32_02.jsonl").unlink()
    with pytest.raises(MoroccoError, match=r"300_32_02\.jsonl.*cannot be read"):
        pack_submission(results, "tiny", tmp_path / "a.zip", incomplete=True)


def test_runs_that_no_round_judged_stay_out(example: Example, tmp_path: Path) -> None:
    results = tmp_path / "results"
    shutil.copytree(example.results, results)
    other = make_results(tmp_path / "more", repeats=4, cells=((1, 1), (300, 32)))
    for suffix in ("json", "jsonl", "predictions"):
        shutil.copy(other / f"logs/tiny/rcb/300_32_04.{suffix}", results / "logs/tiny/rcb")
    packed = pack_submission(results, "tiny", tmp_path / "a.zip")
    assert packed.runs == 54


def test_command(example: Example, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "logs.zip"
    assert main(["submission", str(example.results), "--model", "tiny", "--out", str(out)]) == 0
    assert f"seal {example.manifest.seal}" in capsys.readouterr().out
    assert main(["submission", str(example.results), "--model", "big", "--out", str(out)]) == 2
    assert "models here: tiny" in capsys.readouterr().err
