"""The disc chart: speed to the right, quality upward, a disc's area is memory."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import altair as alt

from morocco.charts.empty import empty_chart
from morocco.charts.labels import Box, Mark, Placed, place_labels
from morocco.charts.scale import Scale, linear_scale, log_scale, log_ticks
from morocco.charts.theme import CPU, GPU, INK, MUTED, WIDTH, shorten, text_width

GIB = 2**30
HEIGHT = 430
LARGEST_AREA = 1600.0  # px²: a radius of 23 px for the most memory
LABEL_SIZE = 11
KINDS = ("GPU RAM", "RAM (no GPU used)")


@dataclass(frozen=True)
class Interval:
    """A value with its 95 % bounds, None where they are not known."""

    value: float
    low: float | None
    high: float | None

    @property
    def ends(self) -> tuple[float, float]:
        return (
            self.value if self.low is None else self.low,
            self.value if self.high is None else self.high,
        )


@dataclass(frozen=True)
class Disc:
    """One model. Speed in records/s, score 0..1, memory in bytes."""

    label: str
    speed: Interval
    score: Interval
    memory: Interval
    gpu: bool
    front: bool = False  # on the line: no other is both faster and better


def disc_chart(
    discs: Sequence[Disc],
    title: str,
    notes: Sequence[str] = (),
    speed_title: str = "speed, records/s (log scale)",
    score_title: str = "overall score",
) -> Any:
    """Discs with error bars in both directions, the Pareto line, and labels that do not collide."""
    heading = alt.Title(title, subtitle=list(notes)) if notes else alt.Title(title)
    if not discs:
        text = "no model has a score, a speed and a memory figure here; the table says why"
        return empty_chart(text, heading)
    x = log_scale([e for d in discs for e in d.speed.ends], WIDTH)
    y = linear_scale([e for d in discs for e in d.score.ends], HEIGHT)
    most = max(disc.memory.value for disc in discs)
    places = _places(discs, x, y, most)
    layers = [
        _bars(discs, x, y, speed_title, score_title),
        _leaders(discs, places, x, y),
        _centres(discs),
        _points(discs, most),  # on top, for the tooltips
        *_labels(discs, places, x, y),
    ]
    if sum(disc.front for disc in discs) > 1:
        layers.insert(0, _front(discs))
    return alt.layer(*layers).properties(width=WIDTH, height=HEIGHT, title=heading)


def area(memory: float, most: float) -> float:
    """Disc area in px², in proportion to memory."""
    return LARGEST_AREA * memory / most if most else 0.0


def _places(discs: Sequence[Disc], x: Scale, y: Scale, most: float) -> list[Placed]:
    marks = [
        Mark(
            x.px(disc.speed.value),
            HEIGHT - y.px(disc.score.value),
            math.sqrt(area(disc.memory.value, most) / math.pi),
            text_width(shorten(disc.label), LABEL_SIZE),
            LABEL_SIZE + 2,
        )
        for disc in discs
    ]
    bars = [bar for disc in discs for bar in _bar_boxes(disc, x, y)]
    line = _front_boxes([mark for mark, disc in zip(marks, discs, strict=True) if disc.front])
    return place_labels(marks, Box(0, 0, WIDTH, HEIGHT), [*bars, *line])


def _bar_boxes(disc: Disc, x: Scale, y: Scale) -> list[Box]:
    """Error bars as thin boxes, which labels should keep off."""
    centre_x, centre_y = x.px(disc.speed.value), HEIGHT - y.px(disc.score.value)
    left, right = (x.px(end) for end in disc.speed.ends)
    bottom, top = (HEIGHT - y.px(end) for end in disc.score.ends)
    return [
        Box(left, centre_y - 1, right, centre_y + 1),
        Box(centre_x - 1, top, centre_x + 1, bottom),
    ]


def _front_boxes(marks: Sequence[Mark]) -> list[Box]:
    """The steps of the Pareto line as thin boxes."""
    steps = sorted(marks, key=lambda mark: mark.x)
    boxes = []
    for left, right in pairwise(steps):
        boxes.append(Box(left.x - 1, left.y, left.x + 1, right.y))
        boxes.append(Box(left.x, right.y - 1, right.x, right.y + 1))
    return boxes


def _axes(x: Scale, y: Scale, speed_title: str, score_title: str) -> dict[str, Any]:
    return {
        "x": alt.X(
            "speed:Q",
            title=speed_title,
            scale=alt.Scale(type="log", domain=x.domain, nice=False),
            axis=alt.Axis(format="~s", values=log_ticks(x)),
        ),
        "y": alt.Y(
            "score:Q",
            title=score_title,
            scale=alt.Scale(domain=y.domain, nice=False, zero=False),
            axis=alt.Axis(format=".2~f"),
        ),
    }


def _bars(
    discs: Sequence[Disc], x: Scale, y: Scale, speed_title: str, score_title: str
) -> alt.Chart:
    """One rule for each known interval; this layer carries the axes."""
    values = []
    for disc in discs:
        here = {"speed": disc.speed.value, "score": disc.score.value, "kind": _kind(disc)}
        if disc.speed.low is not None or disc.speed.high is not None:
            low, high = disc.speed.ends
            values.append({**here, "speed": low, "speed2": high, "score2": here["score"]})
        if disc.score.low is not None or disc.score.high is not None:
            low, high = disc.score.ends
            values.append({**here, "score": low, "score2": high, "speed2": here["speed"]})
    return (
        alt.Chart(alt.Data(values=values))
        .mark_rule(strokeWidth=1.2, opacity=0.7)
        .encode(
            **_axes(x, y, speed_title, score_title),
            x2="speed2:Q",
            y2="score2:Q",
            color=_colour(discs),
        )
    )


def _points(discs: Sequence[Disc], most: float) -> alt.Chart:
    values = [
        {
            "model": disc.label,
            "speed": disc.speed.value,
            "score": disc.score.value,
            "memory": round(disc.memory.value / GIB, 4),
            "kind": _kind(disc),
        }
        for disc in sorted(discs, key=lambda disc: -disc.memory.value)  # small discs on top
    ]
    largest = most / GIB
    return (
        alt.Chart(alt.Data(values=values))
        .mark_circle(opacity=0.55)
        .encode(
            x="speed:Q",
            y="score:Q",
            size=alt.Size(
                "memory:Q",
                title="memory, GiB (disc area)",
                scale=alt.Scale(domain=[0, largest], range=[0, LARGEST_AREA], zero=True),
                legend=alt.Legend(
                    orient="bottom",
                    values=_legend_values(largest),
                    format=".2~g",
                    symbolFillColor="#c3c9d0",
                ),
            ),
            color=_colour(discs),
            tooltip=[
                alt.Tooltip("model:N"),
                alt.Tooltip("speed:Q", title="records/s", format=".4~g"),
                alt.Tooltip("score:Q", format=".3f"),
                alt.Tooltip("memory:Q", title="memory, GiB", format=".3~g"),
                alt.Tooltip("kind:N", title="memory is"),
            ],
        )
    )


def _centres(discs: Sequence[Disc]) -> alt.Chart:
    """A dot in each disc: a model of little memory would not be seen otherwise."""
    values = [
        {"speed": disc.speed.value, "score": disc.score.value, "kind": _kind(disc)}
        for disc in discs
    ]
    return (
        alt.Chart(alt.Data(values=values))
        .mark_circle(size=12, opacity=1)
        .encode(x="speed:Q", y="score:Q", color=_colour(discs))
    )


def _labels(discs: Sequence[Disc], places: Sequence[Placed], x: Scale, y: Scale) -> list[alt.Chart]:
    """Names over a white outline, so that a line behind them does not strike them out."""
    layers = []
    for align in ("left", "center", "right"):
        values = [
            {
                "text": shorten(disc.label),
                "speed": x.value(place.anchor[0]),
                "score": y.value(HEIGHT - place.anchor[1]),
            }
            for disc, place in zip(discs, places, strict=True)
            if place.align == align
        ]
        base = alt.Chart(alt.Data(values=values)).encode(x="speed:Q", y="score:Q", text="text:N")
        style: dict[str, Any] = {"fontSize": LABEL_SIZE, "align": align, "baseline": "middle"}
        layers += [
            base.mark_text(**style, stroke="white", strokeWidth=3, strokeJoin="round"),
            base.mark_text(**style, color=INK),
        ]
    return layers


def _leaders(discs: Sequence[Disc], places: Sequence[Placed], x: Scale, y: Scale) -> alt.Chart:
    """Thin lines from discs to labels that stand apart from them."""
    values = []
    for disc, place in zip(discs, places, strict=True):
        if place.leader:
            to_x, to_y = _nearest(
                place.box, x.px(disc.speed.value), HEIGHT - y.px(disc.score.value)
            )
            values.append(
                {
                    "speed": disc.speed.value,
                    "score": disc.score.value,
                    "speed2": x.value(to_x),
                    "score2": y.value(HEIGHT - to_y),
                }
            )
    return (
        alt.Chart(alt.Data(values=values))
        .mark_rule(color=MUTED, strokeWidth=0.7, opacity=0.8)
        .encode(x="speed:Q", y="score:Q", x2="speed2:Q", y2="score2:Q")
    )


def _front(discs: Sequence[Disc]) -> alt.Chart:
    values = [
        {"speed": disc.speed.value, "score": disc.score.value} for disc in discs if disc.front
    ]
    return (
        alt.Chart(alt.Data(values=values))
        # Between two models on the front, the slower one's score is not to be had at more speed.
        .mark_line(color=MUTED, strokeDash=[5, 4], strokeWidth=1.2, interpolate="step-before")
        .encode(x="speed:Q", y="score:Q", order="speed:Q")
    )


def _colour(discs: Sequence[Disc]) -> alt.Color:
    return alt.Color(
        "kind:N",
        scale=alt.Scale(domain=list(KINDS), range=[GPU, CPU]),
        legend=alt.Legend(
            orient="bottom",
            title="disc area is",
            symbolType="circle",
            values=[kind for kind in KINDS if kind in {_kind(disc) for disc in discs}],
        ),
    )


def _kind(disc: Disc) -> str:
    return KINDS[0] if disc.gpu else KINDS[1]


def _legend_values(largest: float) -> list[float]:
    """Three round sizes up to the largest."""
    return [float(f"{largest * share:.1g}") for share in (0.1, 0.4, 0.9)]


def _nearest(box: Box, x: float, y: float) -> tuple[float, float]:
    return min(max(x, box.left), box.right), min(max(y, box.top), box.bottom)
