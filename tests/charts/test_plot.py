import json
from dataclasses import replace
from pathlib import Path

import pytest
from factories import make_results

from morocco.charts.plot import load_lines, plot_logs, plot_model
from morocco.cli.main import main
from morocco.errors import MoroccoError
from morocco.formats.files import read_json, write_json
from morocco.formats.record import Reason, Verdict, read_record, write_record
from morocco.screen.cell import CellState

ARCHIVE = (
    Path(__file__).resolve().parents[2] / ".." / "shared" / "reference" / "rubert" / "logs.zip"
)


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_results(tmp_path_factory.mktemp("r"), tasks=("parus", "terra"), repeats=3)


def test_all_tasks_of_a_model_in_one_go(results: Path, tmp_path: Path) -> None:
    paths = plot_model(results, "tiny", out=tmp_path, formats=("json", "svg"))
    assert sorted(path.name for path in paths) == [
        "parus.json",
        "parus.svg",
        "terra.json",
        "terra.svg",
    ]
    spec = json.loads((tmp_path / "terra.json").read_text())
    assert spec["title"]["text"] == "tiny, TERRa"
    assert "PARus" in (tmp_path / "parus.svg").read_text()


def test_plots_lie_with_the_results_by_default(results: Path) -> None:
    (path,) = plot_model(results, "tiny", ["TERRa"], formats=("svg",))
    assert path == results / "plots" / "tiny" / "terra.svg"


def test_invalid_and_screened_out_runs_do_not_count(results: Path, tmp_path: Path) -> None:
    own = make_results(tmp_path / "r", tasks=("terra",), repeats=3)
    invalid = own / "logs/tiny/terra/1_1_02.json"
    record = read_record(invalid)
    write_record(invalid, replace(record, verdict=Verdict(False, (Reason("timeout", "60 s"),))))
    cells = own / "cells/tiny.round1.json"
    states = read_json(cells, list[CellState])
    large = next(state for state in states if state.cell.input_size > 1)
    runs = tuple(replace(run, accepted=run.index != 3) for run in large.runs)
    write_json(
        own / "cells/tiny.round2.json",
        [replace(s, runs=runs, round=2) if s is large else s for s in states],
    )
    lines, notes = load_lines(own, "tiny", "terra")
    dashed = {line.name for line in lines if not line.counted}
    assert dashed == {"1_1_02", f"{large.cell.name}_03"}
    assert notes == ["6 runs"]


def test_runs_without_a_log_are_counted_in_words(tmp_path: Path) -> None:
    own = make_results(tmp_path, tasks=("terra",), repeats=2)
    (own / "logs/tiny/terra/1_1_01.jsonl").unlink()
    lines, notes = load_lines(own, "tiny", "terra")
    assert len(lines) == 3
    assert notes[1].startswith("1 runs left no log")


def test_a_task_without_any_run_still_gets_its_chart(results: Path, tmp_path: Path) -> None:
    (path,) = plot_model(results, "tiny", ["rwsd"], tmp_path, formats=("svg",))
    assert "no run left a log" in path.read_text()


def test_a_model_without_logs_is_named(results: Path) -> None:
    with pytest.raises(MoroccoError, match="no task has logs") as error:
        plot_model(results, "absent")
    assert "absent" in str(error.value)


def test_the_first_tools_command(results: Path, tmp_path: Path) -> None:
    logs = [str(path) for path in (results / "logs/tiny/terra").glob("*.jsonl")]
    for name, start in (("out.png", b"\x89PNG"), ("out.SVG", b"<svg")):
        assert main(["plot", *logs, str(tmp_path / name)]) == 0
        assert (tmp_path / name).read_bytes().startswith(start)


def test_logs_of_any_name_may_be_plotted(results: Path, tmp_path: Path) -> None:
    log = tmp_path / "my run.jsonl"
    log.write_bytes((results / "logs/tiny/terra/1_1_01.jsonl").read_bytes())
    plot_logs([log], tmp_path / "out.json")
    assert "not in the name" in (tmp_path / "out.json").read_text()


def test_bad_suffix_and_bad_log_are_named(
    results: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    log = tmp_path / "1_1_01.jsonl"
    log.write_text('{"timestamp": 1}\n')
    assert main(["plot", str(log), str(tmp_path / "a.gif")]) == 2
    assert ".gif" in capsys.readouterr().err
    assert main(["plot", str(log), str(tmp_path / "a.svg")]) == 2
    assert f"{log}:1" in capsys.readouterr().err


@pytest.mark.skipif(
    not ARCHIVE.exists(), reason="the archived logs of the first MOROCCO are not here"
)
def test_archived_logs_of_the_first_tool(tmp_path: Path) -> None:
    import zipfile

    with zipfile.ZipFile(ARCHIVE) as archive:
        names = [n for n in archive.namelist() if "/parus/" in n and "2000_32" in n]
        archive.extractall(tmp_path, names)
    plot_logs([tmp_path / name for name in names], tmp_path / "plot.json")
    spec = json.loads((tmp_path / "plot.json").read_text())
    assert len(spec["vconcat"]) == 4  # a GPU was used
