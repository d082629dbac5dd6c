"""Memory against batch size, a line a model."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import altair as alt

from morocco.charts.empty import empty_chart
from morocco.charts.labels import spread
from morocco.charts.scale import Scale, log_scale, log_ticks
from morocco.charts.theme import CPU, GPU, INK, MUTED, WIDTH, shorten

GIB = 2**30
HEIGHT = 320
LABEL_SIZE = 11
ROW = LABEL_SIZE + 2  # px: names in a column
PLOT_WIDTH = WIDTH - 210  # the rest is for the models' names
KINDS = ("GPU RAM", "RAM (no GPU used)")


@dataclass(frozen=True)
class MemoryPoint:
    """Memory of one model at one batch size, bytes."""

    model: str
    batch_size: int
    value: float
    low: float | None
    high: float | None
    gpu: bool  # GPU RAM, else RAM of a model that uses no GPU


def memory_chart(points: Sequence[MemoryPoint], title: str, notes: Sequence[str] = ()) -> Any:
    """GiB over batch size, names at the lines' ends."""
    heading = alt.Title(title, subtitle=list(notes)) if notes else alt.Title(title)
    if not points:
        text = "no memory figure at any batch size; the table says why"
        return empty_chart(text, heading)
    last = _last(points)
    height = max(HEIGHT, ROW * len(last))
    ends = [v / GIB for p in points for v in (p.value, p.low, p.high) if v] or [1.0]
    y = _scale(ends, height)
    layers = [*_lines(points, y), *_names(last, y)]
    return alt.layer(*layers).properties(width=PLOT_WIDTH, height=height, title=heading)


def _scale(values: Sequence[float], height: float) -> Scale:
    """From zero, so that heights compare; log where the small would vanish beside the large."""
    if max(values) / min(values) > 10:
        return log_scale(values, height)
    return Scale(0.0, max(values) * 1.06, height)


def _lines(points: Sequence[MemoryPoint], y: Scale) -> list[alt.Chart]:
    values = [
        {
            "model": point.model,
            "batch": point.batch_size,
            "GiB": _gib(point.value),
            "low": _gib(point.value if point.low is None else point.low),
            "high": _gib(point.value if point.high is None else point.high),
            "kind": KINDS[0] if point.gpu else KINDS[1],
        }
        for point in points
    ]
    batches = sorted({point.batch_size for point in points})
    base = alt.Chart(alt.Data(values=values)).encode(
        x=alt.X(
            "batch:O",
            title="batch size",
            scale=alt.Scale(type="point", domain=batches, padding=0.3),
            axis=alt.Axis(labelAngle=0),
        ),
        color=alt.Color(
            "kind:N",
            title=None,
            scale=alt.Scale(domain=list(KINDS), range=[GPU, CPU]),
            legend=alt.Legend(
                orient="top", values=[k for k in KINDS if any(v["kind"] == k for v in values)]
            ),
        ),
    )
    across = alt.Y(
        "GiB:Q",
        title="memory, GiB (log scale)" if y.log else "memory, GiB",
        scale=alt.Scale(type="log" if y.log else "linear", domain=y.domain, nice=False),
        axis=alt.Axis(values=log_ticks(y), format="~g") if y.log else alt.Axis(format="~g"),
    )
    tooltip = [
        alt.Tooltip("model:N"),
        alt.Tooltip("batch:O", title="batch size"),
        alt.Tooltip("GiB:Q", title="memory, GiB", format=".4~g"),
        alt.Tooltip("low:Q", title="95 % from", format=".4~g"),
        alt.Tooltip("high:Q", title="to", format=".4~g"),
    ]
    return [
        base.mark_line(strokeWidth=1.2, opacity=0.6).encode(y=across, detail="model:N"),
        base.mark_rule(strokeWidth=1.6).encode(y="low:Q", y2="high:Q"),
        base.mark_point(filled=True, size=30, opacity=1).encode(y=across, tooltip=tooltip),
    ]


def _names(last: Sequence[MemoryPoint], y: Scale) -> list[alt.Chart]:
    """Names in a column on the right, moved apart, a line from each curve's end to its name."""
    wanted = [y.length - y.px(point.value / GIB) for point in last]
    places = spread(wanted, ROW, ROW / 2, y.length - ROW / 2)
    values = [
        {
            "text": shorten(point.model),
            "batch": point.batch_size,
            "GiB": _gib(point.value),
            "at": y.value(y.length - place),
        }
        for point, place in zip(last, places, strict=True)
    ]
    base = alt.Chart(alt.Data(values=values))
    words = base.mark_text(align="left", baseline="middle", fontSize=LABEL_SIZE, color=INK)
    leaders = base.mark_rule(color=MUTED, strokeWidth=0.6, opacity=0.7)
    return [
        leaders.encode(x="batch:O", x2=alt.value(PLOT_WIDTH - 4), y="GiB:Q", y2="at:Q"),
        words.encode(x=alt.value(PLOT_WIDTH), y="at:Q", text="text:N"),
    ]


def _last(points: Sequence[MemoryPoint]) -> list[MemoryPoint]:
    """The largest batch size of each model."""
    last: dict[str, MemoryPoint] = {}
    for point in points:
        if point.model not in last or point.batch_size > last[point.model].batch_size:
            last[point.model] = point
    return list(last.values())


def _gib(value: float) -> float:
    return float(f"{value / GIB:.5g}")
