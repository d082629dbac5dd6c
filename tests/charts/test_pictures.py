"""The board's charts as specifications: what is drawn, what is said, and that altair accepts it."""

import itertools
from typing import Any

import pytest

from morocco.charts.compare import Point, compare_chart
from morocco.charts.correction import Correction, correction_chart
from morocco.charts.disc import LARGEST_AREA, Disc, Interval, area, disc_chart
from morocco.charts.memory import MemoryPoint, memory_chart
from morocco.charts.save import to_spec, to_svg

GIB = 2**30


def disc(label: str, speed: float, score: float, *, gpu: bool = True, front: bool = False) -> Disc:
    return Disc(
        label,
        Interval(speed, speed * 0.9, speed * 1.1),
        Interval(score, score - 0.02, score + 0.02),
        Interval(2 * GIB, None, None),
        gpu,
        front,
    )


def texts(spec: Any) -> list[str]:
    """Every string in a specification."""
    if isinstance(spec, dict):
        return [text for value in spec.values() for text in texts(value)]
    if isinstance(spec, list):
        return [text for value in spec for text in texts(value)]
    return [spec] if isinstance(spec, str) else []


def test_a_disc_chart_names_every_model_and_draws_its_bars() -> None:
    discs = [disc("slow", 10, 0.7, front=True), disc("fast", 1000, 0.4, gpu=False, front=True)]
    spec = disc_chart(discs, "machine").to_dict()
    assert {"slow", "fast"} <= set(texts(spec))
    rules = [layer for layer in spec["layer"] if layer["mark"]["type"] == "rule"]
    bars = rules[0]["data"]["values"]
    assert len(bars) == 4  # two models, two directions
    assert {bar.get("speed2") for bar in bars} >= {11.0, 1100.0}
    line = next(layer for layer in spec["layer"] if layer["mark"]["type"] == "line")
    assert line["mark"]["interpolate"] == "step-before"


def test_unknown_bounds_draw_no_bar() -> None:
    bare = Disc("m", Interval(5, None, None), Interval(0.5, None, None), Interval(GIB, 1, 2), True)
    spec = disc_chart([bare], "machine").to_dict()
    rules = [layer for layer in spec["layer"] if layer["mark"]["type"] == "rule"]
    assert all(rule["data"]["values"] == [] for rule in rules)


def test_disc_area_is_in_proportion_to_memory() -> None:
    assert area(8 * GIB, 8 * GIB) == LARGEST_AREA
    assert area(2 * GIB, 8 * GIB) == pytest.approx(LARGEST_AREA / 4)


def test_without_a_complete_model_the_chart_says_so() -> None:
    spec = disc_chart([], "machine", ["not drawn: a"]).to_dict()
    assert any("no model has" in text for text in texts(spec))


def test_compare_prints_words_where_there_is_no_number() -> None:
    points = [
        Point("a", "TERRa", 100, 90, 110),
        Point("b", "TERRa", None, note="not resolved"),
        Point("a", "RCB", 50, None, None),
        Point("b", "RCB", None, note="— no GPU"),
    ]
    spec = compare_chart(points, "machine").to_dict()
    panels = list(itertools.chain.from_iterable(row["hconcat"] for row in spec["vconcat"]))
    assert [panel["title"]["text"] for panel in panels] == ["TERRa", "RCB"]
    words = [panel["layer"][2]["data"]["values"][0]["note"] for panel in panels]
    assert words == ["not resolved", "— no GPU"]
    bars = panels[1]["layer"][0]["data"]["values"]
    assert [(bar["low"], bar["high"]) for bar in bars] == [(50, 50)]


def test_memory_names_each_line_once_at_its_end() -> None:
    points = [
        MemoryPoint(name, batch, size * GIB, None, None, gpu=name == "a")
        for name, size in (("a", 2), ("b", 3))
        for batch in (1, 8, 32)
    ]
    spec = memory_chart(points, "machine").to_dict()
    names = spec["layer"][-1]["data"]["values"]
    assert [(name["text"], name["batch"]) for name in names] == [("a", 32), ("b", 32)]


def test_correction_keeps_what_was_published_where_nothing_can_be_corrected() -> None:
    pairs = [
        Correction("a", "TERRa", 300, 250, 240, 260),
        Correction("b", "TERRa", 80, None, note="not resolved"),
    ]
    spec = correction_chart(pairs, "archives").to_dict()
    layers = spec["vconcat"][0]["hconcat"][0]["layer"]
    published, corrected = (layer["data"]["values"] for layer in layers[-2:])
    assert [value["published"] for value in published] == [300, 80]
    assert [value["model"] for value in corrected] == ["a"]


HOSTILE = "<img src=x onerror=alert(1)>"


@pytest.mark.parametrize(
    "chart",
    [
        disc_chart([disc(HOSTILE, 10, 0.5)], HOSTILE),
        compare_chart([Point(HOSTILE, "TERRa", 5, 4, 6)], HOSTILE),
        memory_chart([MemoryPoint(HOSTILE, 1, GIB, None, None, gpu=True)], HOSTILE),
        correction_chart([Correction(HOSTILE, "TERRa", 5, 4, 3, 5)], HOSTILE),
    ],
)
def test_names_are_text_in_svg_whatever_they_hold(chart: Any) -> None:
    svg = to_svg(to_spec(chart))
    assert "<img" not in svg
    assert "&lt;img src=x" in svg
