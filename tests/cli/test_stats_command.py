"""``morocco stats`` on logs with and without records beside them."""

import json
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from record_factory import make_record

from morocco.cli.main import main
from morocco.formats.log import Sample, write_log
from morocco.formats.record import write_record


@pytest.fixture
def campaign(tmp_path):
    """Start 2 s, 100 records/s; the last load run fell to half its speed. Returns the log paths."""
    folder = tmp_path / "logs" / "tfidf" / "terra"
    paths = []
    for size, batch, walls in (
        (1, 1, [2.0, 2.02, 1.98]),
        (2000, 32, [22.0, 22.02, 21.98, 22.01, 44.0]),
    ):
        for index, wall in enumerate(walls, 1):
            path = folder / f"{size}_{batch}_{index:02d}.jsonl"
            write_log(
                path,
                [
                    Sample(1.7e9, 0.1, 2**28, None, None),
                    Sample(1.7e9 + wall, 0.9, 2**29, 0.5, 2**30),
                ],
            )
            paths.append(path)
    return paths


def write_records(paths):
    for path in paths:
        size, batch, index = map(int, path.stem.split("_"))
        wall = {1: 2.0, 2000: 22.0}[size] + 0.01 * index + (22 if path.stem.endswith("05") else 0)
        record = make_record(index, wall, size=size, batch=batch, gpu_ram=2**30, cpu=1 + size / 250)
        write_record(path.with_suffix(".json"), record)


def stats(capsys, *args):
    assert main(["stats", *map(str, args)]) == 0
    out, err = capsys.readouterr()
    (row,) = map(json.loads, out.splitlines())
    return row, err


def test_logs_alone_give_intervals_and_leave_the_slow_run_out(campaign, capsys):
    row, err = stats(capsys, *campaign)
    assert list(row)[:3] == ["task", "gpu_ram", "rps"]
    assert (row["task"], row["model"], row["gpu_ram"]) == ("terra", "tfidf", 1.0)
    assert row["rps"] == pytest.approx(99.95, rel=1e-3)
    low, high = row["rps_interval"]
    assert low < row["rps"] < high
    assert (row["source"], row["runs_valid"], row["runs_invalid"]) == ("logs", 7, 1)
    assert "2000_32_05 is left out" in err
    assert "morocco import" in err


def test_records_beside_the_logs_are_preferred(campaign, capsys):
    write_records(campaign)
    row, err = stats(capsys, *campaign)
    assert row["source"] == "records"
    assert row["rps"] == pytest.approx(99.9, rel=2e-3)
    assert row["cpu_seconds_per_record"] == pytest.approx(0.004)
    assert row["headline"] == [2000, 32]
    assert row["runs_invalid"] == 1
    assert "outlier" in err
    assert "logs alone" not in err


def test_the_old_estimator_prints_only_what_it_printed(campaign, capsys):
    row, err = stats(capsys, *campaign, "--estimator", "morocco")
    assert list(row) == ["task", "gpu_ram", "rps"]
    assert row["rps"] == pytest.approx(2000 / 20.01)
    assert err == ""


def test_a_selection_of_sizes(campaign, capsys):
    row, _ = stats(capsys, "--only", "1_1", *campaign)
    assert row["rps"] is None
    assert row["rps_reason"] == "no log above 1 records"


def test_two_folders_give_two_lines(campaign, capsys):
    other = campaign[0].parents[2] / "bert" / "terra"
    for path in campaign:
        target = other / path.name
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(path.read_bytes())
    assert main(["stats", *map(str, [*campaign, *sorted(other.iterdir())])]) == 0
    rows = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [row["model"] for row in rows] == ["tfidf", "bert"]


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("1_1_01.jsonl", b"", "empty log"),
        ("1_1_01.jsonl", b'{"timestamp": 1', "1_1_01.jsonl:1"),
        ("notes.jsonl", b"{}", "not a run name"),
        ("logs.zip", b"PK", "logs.zip"),
    ],
)
def test_bad_files_are_named(tmp_path, capsys, name, content, words):
    path = tmp_path / name
    path.write_bytes(content)
    assert main(["stats", str(path)]) == 2
    assert words in capsys.readouterr().err


def test_missing_file_is_named(tmp_path, capsys):
    assert main(["stats", str(tmp_path / "1_1_01.jsonl")]) == 2
    assert "1_1_01.jsonl" in capsys.readouterr().err
