from typing import Any

from morocco.charts.timeline import Line, timeline_chart
from morocco.formats.log import Sample


def line(name: str, load: str, *, gpu: bool, counted: bool = True) -> Line:
    samples = tuple(
        Sample(1000.0 + 0.1 * i, 0.5, 2**30, 0.4 if gpu else None, 2**31 if gpu else None)
        for i in range(20)
    )
    return Line(name, load, counted, samples)


def panels(lines: list[Line]) -> tuple[list[str], dict[str, Any]]:
    spec = timeline_chart(lines, "model").to_dict()  # altair checks it against the schema
    return [panel["encoding"]["y"]["title"] for panel in spec["vconcat"]], spec


def test_gpu_panels_stand_only_where_a_gpu_was_seen() -> None:
    with_gpu, _ = panels([line("1_1_01", "1 × 1", gpu=True)])
    without, spec = panels([line("1_1_01", "1 × 1", gpu=False)])
    assert with_gpu == ["CPU, cores", "RAM, GiB", "GPU use", "GPU RAM, GiB"]
    assert without == ["CPU, cores", "RAM, GiB"]
    assert "No GPU was used or seen in these runs: no GPU panels." in spec["title"]["subtitle"]


def test_every_run_is_a_line_in_its_loads_colour() -> None:
    lines = [line(f"{n}_01", n, gpu=False) for n in ("1 × 1", "200 × 8", "2000 × 32")]
    _, spec = panels(lines)
    ram = spec["vconcat"][1]
    assert ram["encoding"]["color"]["scale"]["domain"] == ["1 × 1", "200 × 8", "2000 × 32"]
    values = (
        spec["datasets"][ram["data"]["name"]] if "name" in ram["data"] else ram["data"]["values"]
    )
    assert {value["run"] for value in values} == {one.name for one in lines}
    assert max(value["s"] for value in values) == 1.9
    assert {value["v"] for value in values} == {1.0}  # GiB


def test_runs_that_do_not_count_are_dashed_and_said_to() -> None:
    _, spec = panels(
        [line("1_1_01", "1 × 1", gpu=False), line("1_1_02", "1 × 1", gpu=False, counted=False)]
    )
    assert any("Dashed" in note for note in spec["title"]["subtitle"])


def test_no_log_at_all_is_said_not_drawn() -> None:
    spec = timeline_chart([], "model", ["5 runs left no log"]).to_dict()
    assert spec["vconcat"][0]["encoding"]["text"]["value"] == "no run left a log with a sample"
