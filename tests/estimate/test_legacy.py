"""The first MOROCCO's figures, to the digit, from its own logs."""

import json
import zipfile
from pathlib import Path

import pytest

from morocco.cli.main import main
from morocco.errors import MoroccoError
from morocco.estimate.legacy import legacy_stats
from morocco.formats.log import Sample

REFERENCE = Path(__file__).resolve().parents[2] / ".." / "shared" / "reference"
needs_reference = pytest.mark.skipif(
    not (REFERENCE / "morocco_stats.json").exists(), reason="reference logs are not on this machine"
)


def log(start, seconds, gpu_ram=None):
    return [Sample(start, 0.5, 1, None, None), Sample(start + seconds, 1.0, 2, 0.5, gpu_ram)]


def test_medians_and_gibibytes():
    runs = [(1, log(10, 2, 2**30)), (1, log(20, 4, 3 * 2**30)), (1, log(30, 3))]
    runs += [(100, log(40, 8)), (200, log(50, 13)), (300, log(60, 63))]
    stats = legacy_stats("rcb", runs)
    assert (stats.task, stats.gpu_ram) == ("rcb", 1.0)
    assert stats.rps == pytest.approx(20.0)  # of 20, 20 and 5


@pytest.mark.parametrize(
    ("runs", "words"),
    [
        ([(100, log(1, 1))], "input size 1 "),
        ([(1, log(1, 1))], "above 1"),
        ([(1, log(1, 1)), (5, log(1, 1))], "divides by zero"),
    ],
)
def test_what_it_cannot_do_is_an_error(runs, words):
    with pytest.raises(MoroccoError, match=words):
        legacy_stats("rcb", runs)


@needs_reference
@pytest.mark.parametrize("model", ["rubert", "rugpt3-small"])
def test_archived_logs_give_the_published_figures(model, capsys):
    archive = str(REFERENCE / model / "logs.zip")
    assert main(["stats", "--estimator", "morocco", "--only", "1_1,2000_32", archive]) == 0
    rows = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    expected = json.loads((REFERENCE / "morocco_stats.json").read_text())[model]
    assert len(rows) == len(expected) == 9
    for row in rows:
        assert list(row) == ["task", "gpu_ram", "rps"]
        assert row["rps"] == pytest.approx(expected[row["task"]]["rps"], rel=1e-9)
        assert row["gpu_ram"] == pytest.approx(expected[row["task"]]["gpu_ram"], rel=1e-9)


@needs_reference
def test_extracted_logs_give_the_same_as_the_archive(tmp_path, capsys):
    with zipfile.ZipFile(REFERENCE / "rubert" / "logs.zip") as archive:
        names = [
            name for name in archive.namelist() if "parus/1_1_" in name or "parus/2000_32" in name
        ]
        archive.extractall(tmp_path, names)
    paths = sorted(str(tmp_path / name) for name in names)
    assert main(["stats", "--estimator", "morocco", *paths]) == 0
    row = json.loads(capsys.readouterr().out)
    assert row["rps"] == pytest.approx(1070.2862208467661, rel=1e-9)
