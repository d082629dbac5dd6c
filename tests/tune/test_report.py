"""A tuning in words, as config lines and as a chart."""

from __future__ import annotations

import dataclasses

import pytest
import yaml
from fake_machine import SETTINGS, FakeMachine

from morocco.charts.tune import CurvePoint, Line, tune_chart
from morocco.formats.files import encode_json, read_json, write_json
from morocco.stages.tune import curve
from morocco.suite.config import build_suite
from morocco.tune.report import config_lines, markdown, summary
from morocco.tune.results import Tuning


def tuning(machine: FakeMachine, family: str = "mine", **changes) -> Tuning:
    settings = dataclasses.replace(SETTINGS, **changes)
    return Tuning(
        model="mine-s128" if family != "mine" else "mine",
        family=family,
        task="terra",
        image="mine:1",
        image_id="sha256:1",
        machine="Xeon × 8, 96 GiB, no GPU",
        runtime="docker",
        simulated=False,
        settings=settings,
        findings=machine.tune(**changes),
    )


@pytest.fixture(scope="module")
def found() -> Tuning:
    return tuning(FakeMachine(per_record=1e-3, per_batch=0.05, oom_from=128, noise=0.002))


@pytest.fixture(scope="module")
def lost() -> Tuning:
    return tuning(FakeMachine(noise=0.5), batch_sizes=(1, 8), budget_seconds=60.0)


def test_config_lines_are_yaml_that_a_suite_takes(found):
    pasted = yaml.safe_load(config_lines(found))
    load = found.findings.choice.load
    entry = {"name": "mine", "image": "mine:1", "per_task": pasted["models"][0]["per_task"]}
    assert pasted["models"][0]["name"] == "mine"
    suite = build_suite({"models": [entry], "tasks": ["TERRa", "RCB"]})
    assert suite.model_task("mine", "terra").loads == (load,)
    assert suite.model_task("mine", "rcb").loads != (load,)


def test_findings_stand_above_the_lines(found):
    text = config_lines(found)
    assert "# mine on TERRa, mine:1, Xeon" in text
    assert "records/s at batch size 32" in text
    assert "batch size 128: out of memory: killed for memory" in text
    assert "RAM (anonymous) = 100 [100, 100] MiB + 2 [2, 2] MiB · batch size" in text
    assert "GPU RAM against batch size: none: no GPU was used" in text


def test_a_sweep_is_pasted_into_the_entry_it_comes_from():
    made = tuning(FakeMachine(), family="base", batch_sizes=(1,))
    assert yaml.safe_load(config_lines(made))["models"][0]["name"] == "base"
    assert "found with mine-s128" in config_lines(made)


def test_not_resolved_gives_no_load(lost):
    assert lost.findings.choice.load is None
    assert yaml.safe_load(config_lines(lost)) is None
    assert "no load to recommend: not resolved" in config_lines(lost)
    page = markdown(lost)
    assert "**not resolved**" in page
    assert "wanted ± 5 %" in page


def test_every_number_of_the_page_has_its_interval(found):
    rows = [line for line in markdown(found).splitlines() if line.startswith("| ")][1:]
    assert len(rows) == 4
    for row, point in zip(rows, found.findings.points, strict=True):
        cells = [cell.strip() for cell in row.strip("|").split(" | ")]
        assert cells[0] == str(point.batch_size)
        for cell in cells[2:5]:
            assert cell == "–" if point.rps.value is None else "[" in cell
    assert "chosen" in rows[2]
    assert "out of memory" in rows[3]


def test_gpu_columns_only_with_a_gpu(found):
    assert "GPU RAM, GiB" not in markdown(found)
    made = tuning(FakeMachine(gpu=True), device="gpu", batch_sizes=(1, 8, 32))
    assert "GPU RAM, GiB [95 %]" in markdown(made)
    assert "GPU RAM = 0.09766 [0.09766, 0.09766] GiB + 2 [2, 2] MiB" in summary(made)[3]


def test_a_reason_cannot_break_the_comment_or_the_table(found):
    nasty = "first\nmodels: [evil]\n| a | b |"
    findings = found.findings
    points = (
        *findings.points[:3],
        dataclasses.replace(findings.points[3], reason=nasty),
    )
    made = dataclasses.replace(found, findings=dataclasses.replace(findings, points=points))
    assert yaml.safe_load(config_lines(made)) == yaml.safe_load(config_lines(found))
    table = [line for line in markdown(made).splitlines() if line.startswith("| ")]
    assert len(table) == 5
    assert "\\| a \\| b" in table[-1]


def test_a_tuning_reads_back(found, tmp_path):
    write_json(tmp_path / "tuning.json", found)
    again = read_json(tmp_path / "tuning.json", Tuning)
    assert encode_json(again) == encode_json(found)


# --- chart --------------------------------------------------------------------------------------


def words(spec) -> set[str]:
    """Texts that the chart draws from its data."""
    return {
        row["note"]
        for rows in spec.get("datasets", {}).values()
        for row in rows
        if isinstance(row, dict) and "note" in row
    } | {
        row["note"]
        for panel in spec["hconcat"]
        for layer in panel["layer"]
        for row in layer["data"].get("values", [])
        if "note" in row
    }


def values(spec, panel: int, name: str) -> list[float]:
    return [
        row[name]
        for layer in spec["hconcat"][panel]["layer"]
        for row in layer["data"]["values"]
        if name in row
    ]


def test_chart_of_a_tuning_is_valid_and_says_what_is_not_there(found):
    spec = curve(found).to_dict()  # altair checks it against the schema
    assert words(spec) == {"out of memory"}
    assert "chosen: batch size 32" in spec["title"]["subtitle"][0]
    speeds = [p.rps.value for p in found.findings.points if p.rps.value]
    assert set(speeds) <= set(values(spec, 0, "value"))
    assert spec["hconcat"][0]["layer"][0]["encoding"]["x"]["scale"]["type"] == "log"


def test_chart_of_what_is_not_resolved(lost):
    spec = curve(lost).to_dict()
    assert "not resolved" in words(spec)
    assert "no batch size is resolved" in spec["title"]["subtitle"][0]


def test_chart_draws_intervals_and_the_line_of_memory():
    mib = 2**20
    points = [
        CurvePoint(1, 100.0, 95.0, 105.0, 10.0 * mib, 9.0 * mib, 11.0 * mib),
        CurvePoint(8, None, 50.0, None, 24.0 * mib, 23.0 * mib, 25.0 * mib),
    ]
    spec = tune_chart(points, "title", line=Line(8 * mib, 2 * mib)).to_dict()
    assert {95.0, 105.0, 50.0} <= set(values(spec, 0, "low") + values(spec, 0, "high"))
    assert {9.0, 11.0, 23.0, 25.0} <= set(values(spec, 1, "low") + values(spec, 1, "high"))
    fitted = spec["hconcat"][1]["layer"][0]["data"]["values"]
    assert fitted[0]["value"] == pytest.approx(10)
    assert fitted[-1]["value"] == pytest.approx(24)


def test_chart_of_one_batch_size_and_of_nothing_measured():
    alone = CurvePoint(32, None, None, None, None, None, None, note="out of memory")
    spec = tune_chart([alone], "title").to_dict()
    assert words(spec) == {"out of memory"}
    assert values(spec, 0, "value") == []
