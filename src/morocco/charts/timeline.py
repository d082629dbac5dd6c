"""CPU, memory and GPU over the time of a run, every run a line."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import altair as alt

from morocco.charts.empty import empty_chart
from morocco.charts.theme import PALETTE, WIDTH
from morocco.charts.thin import thin
from morocco.formats.log import Sample

GIB = 2**30
PANEL_HEIGHT = 110


@dataclass(frozen=True)
class Line:
    """One run's log. ``load`` groups lines by colour, e.g. ``2000 × 32``."""

    name: str
    load: str
    counted: bool  # False: invalid, cold or an outlier; drawn dashed
    samples: tuple[Sample, ...]


@dataclass(frozen=True)
class _Panel:
    field: str
    title: str
    scale: float  # what a logged unit is divided by
    axis_format: str
    interpolate: Literal["linear", "step-before"]


_PANELS = (
    # A CPU sample is the mean since the sample before: a step, not a slope.
    _Panel("cpu_usage", "CPU, cores", 1, "~g", "step-before"),
    _Panel("ram", "RAM, GiB", GIB, "~g", "linear"),
    _Panel("gpu_usage", "GPU use", 1, "~%", "linear"),
    _Panel("gpu_ram", "GPU RAM, GiB", GIB, "~g", "linear"),
)


def timeline_chart(lines: Sequence[Line], title: str, notes: Sequence[str] = ()) -> Any:
    """Panels of cpu_usage, ram, gpu_usage and gpu_ram against seconds since the first sample.

    A panel without one known value is left out, and the subtitle says so.
    """
    drawn = [panel for panel in _PANELS if _known(lines, panel.field)]
    notes = [*notes, *_missing_note(drawn)]
    if any(not line.counted for line in lines):
        notes.append("Dashed: runs that do not count in the estimates.")
    end = max((_seconds(line)[-1] for line in lines if line.samples), default=1.0) or 1.0
    loads = list(dict.fromkeys(line.load for line in lines))
    panels = [_panel(lines, panel, loads, end, last=panel is drawn[-1]) for panel in drawn] or [
        empty_chart("no run left a log with a sample")
    ]
    return (
        alt.vconcat(*panels, spacing=14)
        .resolve_scale(color="shared", strokeDash="shared")
        .properties(title=alt.Title(title, subtitle=notes or [f"{len(lines)} runs"]))
    )


def _panel(
    lines: Sequence[Line], panel: _Panel, loads: list[str], end: float, *, last: bool
) -> alt.Chart:
    values = [
        {
            "s": round(seconds, 3),
            "v": None if value is None else _significant(value / panel.scale),
            "run": line.name,
            "load": line.load,
            "counted": line.counted,
        }
        for line in lines
        for seconds, value in _thinned(line, panel.field)
    ]
    colours = [PALETTE[i % len(PALETTE)] for i in range(len(loads))]
    return (
        alt.Chart(alt.Data(values=values), width=WIDTH, height=PANEL_HEIGHT)
        .mark_line(strokeWidth=1.2, opacity=0.75, interpolate=panel.interpolate, clip=True)
        .encode(
            x=alt.X(
                "s:Q",
                scale=alt.Scale(domain=[0, end], nice=False),
                title="seconds since the first sample" if last else None,
                axis=alt.Axis(labels=last, ticks=last, tickCount=10, format="~g"),
            ),
            y=alt.Y(
                "v:Q",
                title=panel.title,
                axis=alt.Axis(format=panel.axis_format, tickCount=4, titlePadding=8),
            ),
            color=alt.Color(
                "load:N",
                scale=alt.Scale(domain=loads, range=colours),
                legend=alt.Legend(title="input size × batch size", orient="top"),
            ),
            strokeDash=alt.StrokeDash(
                "counted:N",
                scale=alt.Scale(domain=[True, False], range=[[1, 0], [4, 3]]),
                legend=None,
            ),
            detail="run:N",
            tooltip=[
                alt.Tooltip("run:N", title="run"),
                alt.Tooltip("s:Q", title="s", format=".2f"),
                alt.Tooltip("v:Q", title=panel.title, format=".4~g"),
            ],
        )
    )


def _thinned(line: Line, field: str) -> list[tuple[float, float | None]]:
    values = [getattr(sample, field) for sample in line.samples]
    seconds = _seconds(line)
    return [(seconds[i], values[i]) for i in thin(values)]


def _seconds(line: Line) -> list[float]:
    start = line.samples[0].timestamp
    return [sample.timestamp - start for sample in line.samples]


def _known(lines: Sequence[Line], field: str) -> bool:
    return any(getattr(sample, field) is not None for line in lines for sample in line.samples)


def _missing_note(drawn: Sequence[_Panel]) -> list[str]:
    missing = [panel.title.split(",")[0] for panel in _PANELS if panel not in drawn]
    if missing == ["GPU use", "GPU RAM"]:
        return ["No GPU was used or seen in these runs: no GPU panels."]
    return [f"Not in the logs: {', '.join(missing)}."] if missing else []


def _significant(value: float) -> float:
    return float(f"{value:.5g}")
