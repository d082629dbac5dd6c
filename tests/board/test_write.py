from dataclasses import replace
from pathlib import Path

import pytest
from factories import make_results
from synthetic import task_stats, write_results

from morocco.board.write import write_board
from morocco.cli.main import main
from morocco.tasks.registry import TASKS

FILES = {
    *(f"leaderboard.{suffix}" for suffix in ("csv", "json", "md", "html")),
    *(f"card.{suffix}" for suffix in ("csv", "json", "md", "html")),
    "tasks.csv",
    *(f"{chart}.svg" for chart in ("disc", "compare", "memory")),
}


def test_a_measured_suite_becomes_a_board(tmp_path: Path) -> None:
    results = make_results(tmp_path / "r", repeats=3)
    board = write_board([results], tmp_path / "out", formats=("svg",))
    assert {path.name for path in (tmp_path / "out").iterdir()} == FILES
    (row,) = board.machines[0].rows
    assert row.rps.value == pytest.approx(200, rel=0.05)
    assert "tiny" in (tmp_path / "out" / "leaderboard.md").read_text()


def test_the_correction_chart_comes_and_goes_with_imported_rows(tmp_path: Path) -> None:
    own = [task_stats("a", task) for task in TASKS]
    imported = [replace(s, origin="imported", extra={"published_rps": "140"}) for s in own]
    out = tmp_path / "out"
    write_board([write_results(tmp_path / "x", imported)], out, formats=("svg",))
    assert (out / "correction.svg").exists()
    write_board([write_results(tmp_path / "y", own)], out, formats=("svg",))
    assert not (out / "correction.svg").exists()


def test_the_same_estimates_give_the_same_bytes(tmp_path: Path) -> None:
    results = write_results(tmp_path / "r", [task_stats("a", task) for task in TASKS])
    for name in ("one", "two"):
        write_board([results], tmp_path / name, formats=("svg",))
    for path in (tmp_path / "one").iterdir():
        again = (tmp_path / "two" / path.name).read_bytes()
        assert path.read_bytes() == again, path.name


def test_a_board_of_nothing_but_simulated_runs(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    fake = [replace(task_stats("fake", task), simulated=True) for task in TASKS]
    results = write_results(tmp_path / "r", fake)
    assert main(["board", str(results), "--out", str(tmp_path / "out")]) == 0
    captured = capsys.readouterr()
    assert captured.err.count("refused: fake") == 9
    assert "fake" in (tmp_path / "out" / "leaderboard.md").read_text()


def test_a_missing_folder_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["board", str(tmp_path / "none"), "--out", str(tmp_path / "out")]) == 2
    assert str(tmp_path / "none") in capsys.readouterr().err
