"""Published against corrected speed of imported archives."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import altair as alt

from morocco.charts.panels import as_panel, panel_grid, panel_scale, panel_x, panel_y
from morocco.charts.scale import Scale
from morocco.charts.theme import CPU, GPU, MUTED

KINDS = ("published", "corrected")


@dataclass(frozen=True)
class Correction:
    """One model on one task, records/s. ``corrected`` None: ``note`` says why there is none."""

    model: str
    panel: str  # task title
    published: float
    corrected: float | None
    low: float | None = None
    high: float | None = None
    note: str = ""


def correction_chart(pairs: Sequence[Correction], title: str, notes: Sequence[str] = ()) -> Any:
    """A panel a task: a hollow mark for what was published, a full one with its interval."""
    models = list(dict.fromkeys(pair.model for pair in pairs))
    panels = list(dict.fromkeys(pair.panel for pair in pairs))
    scale = panel_scale([v for p in pairs for v in (p.published, p.corrected, p.low, p.high)])
    charts = [
        _panel([p for p in pairs if p.panel == name], name, models, scale, i)
        for i, name in enumerate(panels)
    ]
    return panel_grid(charts, title, notes)


def _panel(
    pairs: Sequence[Correction], name: str, models: list[str], scale: Scale, place: int
) -> Any:
    values = [_value(pair) for pair in pairs]
    known = [value for value in values if value["corrected"] is not None]
    y = panel_y(models, place)
    colour = alt.Color(
        "kind:N",
        title=None,
        scale=alt.Scale(domain=list(KINDS), range=[CPU, GPU]),
        legend=alt.Legend(orient="top"),
    )
    tooltip = [
        alt.Tooltip("model:N"),
        alt.Tooltip("published:Q", title="published, records/s", format=".4~g"),
        alt.Tooltip("corrected:Q", title="corrected, records/s", format=".4~g"),
        alt.Tooltip("low:Q", title="95 % from", format=".4~g"),
        alt.Tooltip("high:Q", title="to", format=".4~g"),
        alt.Tooltip("note:N"),
    ]
    base = alt.Chart(alt.Data(values=known)).encode(y=y)
    shift = base.mark_rule(color=MUTED, strokeDash=[2, 2]).encode(x="published:Q", x2="corrected:Q")
    bars = base.mark_rule(color=GPU, strokeWidth=2).encode(x="low:Q", x2="high:Q")
    published = (
        alt.Chart(alt.Data(values=[{**value, "kind": KINDS[0]} for value in values]))
        .mark_point(shape="diamond", size=50, opacity=1, strokeWidth=1.6)
        .encode(x=panel_x("published", "records/s", scale), y=y, color=colour, tooltip=tooltip)
    )
    corrected = (
        alt.Chart(alt.Data(values=[{**value, "kind": KINDS[1]} for value in known]))
        .mark_point(filled=True, size=34, opacity=1)
        .encode(x="corrected:Q", y=y, color=colour, tooltip=tooltip)
    )
    layers = alt.layer(shift, bars, published, corrected)
    return as_panel(layers, name, len(models), least_height=60)


def _value(pair: Correction) -> dict[str, Any]:
    return {
        "model": pair.model,
        "published": pair.published,
        "corrected": pair.corrected,
        "low": pair.corrected if pair.low is None else pair.low,
        "high": pair.corrected if pair.high is None else pair.high,
        "note": pair.note,
    }
