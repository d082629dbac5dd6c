"""Models side by side, one small panel a task, every value with its interval."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import altair as alt

from morocco.charts.panels import as_panel, panel_grid, panel_scale, panel_x, panel_y
from morocco.charts.scale import Scale
from morocco.charts.theme import CPU, GPU, MUTED, shorten


@dataclass(frozen=True)
class Point:
    """One model's value on one task; ``value`` None: ``note`` stands in its place."""

    model: str
    panel: str  # task title
    value: float | None
    low: float | None = None
    high: float | None = None
    gpu: bool = False
    note: str = ""


def compare_chart(
    points: Sequence[Point],
    title: str,
    notes: Sequence[str] = (),
    value_title: str = "records/s",
) -> Any:
    """Intervals by task, models in the order given, one log axis for all panels."""
    models = list(dict.fromkeys(point.model for point in points))
    panels = list(dict.fromkeys(point.panel for point in points))
    scale = panel_scale([v for p in points for v in (p.value, p.low, p.high)])
    kinds = [
        kind for gpu, kind in ((True, "GPU"), (False, "CPU")) if gpu in {p.gpu for p in points}
    ]
    charts = [
        _panel([p for p in points if p.panel == name], name, models, scale, i, value_title, kinds)
        for i, name in enumerate(panels)
    ]
    return panel_grid(charts, title, notes)


def _panel(
    points: Sequence[Point],
    name: str,
    models: list[str],
    scale: Scale,
    place: int,
    value_title: str,
    kinds: list[str],
) -> Any:
    values = [
        {
            "model": point.model,
            "value": point.value,
            "low": point.value if point.low is None else point.low,
            "high": point.value if point.high is None else point.high,
            "kind": "GPU" if point.gpu else "CPU",
        }
        for point in points
        if point.value is not None
    ]
    notes = [
        {"model": point.model, "note": shorten(point.note, 30), "at": scale.low}
        for point in points
        if point.value is None
    ]
    x, y = panel_x("value", value_title, scale), panel_y(models, place)
    colour = alt.Color(
        "kind:N",
        title="measured on",
        scale=alt.Scale(domain=["GPU", "CPU"], range=[GPU, CPU]),
        legend=alt.Legend(orient="top", values=kinds),
    )
    base = alt.Chart(alt.Data(values=values))
    bars = base.mark_rule(strokeWidth=1.6).encode(x="low:Q", y=y, x2="high:Q", color=colour)
    dots = base.mark_point(filled=True, size=20, opacity=1).encode(
        x=x,
        y=y,
        color=colour,
        tooltip=[
            alt.Tooltip("model:N"),
            alt.Tooltip("value:Q", title=value_title, format=".4~g"),
            alt.Tooltip("low:Q", title="95 % from", format=".4~g"),
            alt.Tooltip("high:Q", title="to", format=".4~g"),
        ],
    )
    words = (
        alt.Chart(alt.Data(values=notes))
        .mark_text(align="left", dx=3, fontSize=10, color=MUTED, fontStyle="italic")
        .encode(x=alt.X("at:Q"), y=y, text="note:N")
    )
    return as_panel(alt.layer(bars, dots, words), name, len(models))
