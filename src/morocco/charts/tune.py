"""A tuning's curve: speed over batch size, memory beside it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import altair as alt

from morocco.charts.scale import Scale, linear_scale, log_scale
from morocco.charts.theme import CPU, GPU, INK, MUTED, PALETTE

PANEL_WIDTH, HEIGHT = 380, 300
CHOSEN = PALETTE[2]


@dataclass(frozen=True)
class CurvePoint:
    """One batch size. ``rps`` null with ends: not resolved. ``note`` stands where nothing is."""

    batch_size: int
    rps: float | None  # records/s
    low: float | None
    high: float | None
    memory: float | None  # bytes
    memory_low: float | None
    memory_high: float | None
    chosen: bool = False
    note: str = ""  # out of memory, not tried, failed


@dataclass(frozen=True)
class Line:
    """Memory = ``fixed`` + ``slope`` · batch size, bytes."""

    fixed: float
    slope: float


def tune_chart(
    points: Sequence[CurvePoint],
    title: str,
    notes: Sequence[str] = (),
    memory_title: str = "RAM",
    line: Line | None = None,
    gpu: bool = False,
) -> Any:
    """Two panels over batch size (log axis): records/s and memory, both with 95 % intervals."""
    x = _axis(points)
    colour = GPU if gpu else CPU
    heading = alt.Title(title, subtitle=list(notes)) if notes else alt.Title(title)
    return alt.hconcat(
        _speed(points, x, colour), _memory(points, x, colour, memory_title, line), spacing=28
    ).properties(title=heading)


def _axis(points: Sequence[CurvePoint]) -> alt.X:
    batches = sorted(point.batch_size for point in points)
    scale = log_scale([float(batch) for batch in batches], PANEL_WIDTH)
    return alt.X(
        "batch:Q",
        title="batch size (log scale)",
        scale=alt.Scale(type="log", domain=scale.domain, nice=False),
        axis=alt.Axis(values=batches, format="d", grid=False, labelOverlap="greedy"),
    )


def _speed(points: Sequence[CurvePoint], x: alt.X, colour: str) -> Any:
    known = [v for p in points for v in (p.rps, p.low, p.high) if v is not None]
    scale = _from_zero(known)
    y = _y("records/s", scale)
    measured = [_row(p, p.rps, p.low, p.high, 1) for p in points if p.rps is not None]
    bounded = [
        _row(p, None, p.low, p.high if p.high is not None else scale.high, 1)
        for p in points
        if p.rps is None and p.low is not None
    ]
    unknown = [p for p in points if p.rps is None and not p.note]
    bounds = [(p.batch_size, "not resolved") for p in unknown if p.low is not None]
    words = [(p.batch_size, "not resolved") for p in unknown if p.low is None]
    chosen = [row for row in measured if row["chosen"]]
    layers = [
        *_curve(measured, x, y, colour, "records/s"),
        _bars(bounded, x, y, MUTED, dash=True),
        alt.Chart(_data(chosen))
        .mark_point(shape="circle", size=170, strokeWidth=2, color=CHOSEN, opacity=1)
        .encode(x=x, y=y("value")),
        alt.Chart(_data(chosen))
        # above: the curve comes from below
        .mark_text(dy=-17, color=CHOSEN, fontSize=11, fontWeight="bold")
        .encode(x=x, y=y("value"), text=alt.value("chosen")),
        *_words(bounds, x, aside=True),
        *_words([*words, *((p.batch_size, p.note) for p in points if p.note)], x),
    ]
    return alt.layer(*layers).properties(
        width=PANEL_WIDTH, height=HEIGHT, title=alt.Title("speed", fontSize=12, offset=4)
    )


def _memory(
    points: Sequence[CurvePoint], x: alt.X, colour: str, name: str, line: Line | None
) -> Any:
    known = [v for p in points for v in (p.memory, p.memory_low, p.memory_high) if v is not None]
    unit, divisor = ("GiB", 2**30) if max(known, default=0) >= 2**30 else ("MiB", 2**20)
    scale = _from_zero([value / divisor for value in known])
    y = _y(f"{name}, {unit}", scale)
    rows = [
        _row(p, p.memory, p.memory_low, p.memory_high, divisor)
        for p in points
        if p.memory is not None
    ]
    layers = [*_curve(rows, x, y, colour, unit, joined=line is None)]
    if line and rows:
        first, last = rows[0]["batch"], rows[-1]["batch"]
        steps = [first * (last / first) ** (k / 60) for k in range(61)]
        fitted = [{"batch": b, "value": (line.fixed + line.slope * b) / divisor} for b in steps]
        layers.insert(
            0,
            alt.Chart(_data(fitted))
            .mark_line(color=colour, opacity=0.5, strokeWidth=1.4, clip=True)
            .encode(x=x, y=y("value")),
        )
    words = [(p.batch_size, p.note or "not seen") for p in points if p.memory is None]
    heading = "peak memory" + (", line: a + b · batch size" if line else "")
    return alt.layer(*layers, *_words(words, x)).properties(
        width=PANEL_WIDTH, height=HEIGHT, title=alt.Title(heading, fontSize=12, offset=4)
    )


def _from_zero(values: Sequence[float]) -> Scale:
    """From 0, so that lengths compare."""
    top = linear_scale([0.0, *values], HEIGHT, margin=0.12, least=1e-6).high
    return Scale(0.0, top if values else 1.0, HEIGHT)


def _y(title: str, scale: Scale) -> Callable[[str], alt.Y]:
    """The panel's y axis, for any field on it."""

    def axis(field: str) -> alt.Y:
        return alt.Y(
            f"{field}:Q",
            title=title,
            scale=alt.Scale(domain=scale.domain, nice=False),
            axis=alt.Axis(format="~s", tickCount=6),
        )

    return axis


def _row(
    point: CurvePoint, value: float | None, low: float | None, high: float | None, divisor: float
) -> dict[str, Any]:
    middle = value if value is not None else 0.0
    return {
        "batch": point.batch_size,
        "value": None if value is None else value / divisor,
        "low": (middle if low is None else low) / divisor,
        "high": (middle if high is None else high) / divisor,
        "chosen": point.chosen,
    }


def _data(rows: Sequence[dict[str, Any]]) -> alt.Data:
    return alt.Data(values=list(rows))


def _curve(
    rows: Sequence[dict[str, Any]],
    x: alt.X,
    y: Callable[[str], alt.Y],
    colour: str,
    unit: str,
    joined: bool = True,
) -> list[alt.Chart]:
    tooltip = [
        alt.Tooltip("batch:Q", title="batch size"),
        alt.Tooltip("value:Q", title=unit, format=".4~g"),
        alt.Tooltip("low:Q", title="95 % from", format=".4~g"),
        alt.Tooltip("high:Q", title="to", format=".4~g"),
    ]
    base = alt.Chart(_data(rows))
    line = base.mark_line(color=colour, opacity=0.5, strokeWidth=1.4).encode(x=x, y=y("value"))
    return [
        *([line] if joined else []),
        _bars(rows, x, y, colour),
        base.mark_point(filled=True, size=45, color=colour, opacity=1).encode(
            x=x, y=y("value"), tooltip=tooltip
        ),
    ]


def _bars(
    rows: Sequence[dict[str, Any]],
    x: alt.X,
    y: Callable[[str], alt.Y],
    colour: str,
    dash: bool = False,
) -> alt.Chart:
    """Intervals with ends that show where they are narrow."""
    return (
        alt.Chart(_data(rows))
        .mark_errorbar(
            ticks={"size": 8, "color": colour, "thickness": 1.6},
            rule={"strokeDash": [3, 3] if dash else [1, 0]},
            color=colour,
            thickness=1.6,
        )
        .encode(x=x, y=y("low"), y2="high:Q")
    )


def _words(words: Sequence[tuple[int, str]], x: alt.X, aside: bool = False) -> list[alt.Chart]:
    """Why there is no point, upright at its batch size: a cross below it, or an interval beside."""
    rows = [{"batch": batch, "note": note} for batch, note in words]
    base = alt.Chart(_data(rows))
    text = base.mark_text(
        angle=270,
        align="left",
        baseline="middle",
        dy=10 if aside else 0,  # turned with the text: to the right
        fontSize=11,
        color=MUTED if aside else INK,
    ).encode(x=x, y=alt.value(HEIGHT - 20), text="note:N")
    if aside:
        return [text]
    cross = base.mark_point(shape="cross", angle=45, size=60, filled=True, color=MUTED)
    return [cross.encode(x=x, y=alt.value(HEIGHT - 8)), text]
