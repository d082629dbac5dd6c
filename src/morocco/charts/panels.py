"""Models side by side in small panels, a panel a task, with one log axis for all of them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import altair as alt

from morocco.charts.scale import Scale, log_scale, log_ticks
from morocco.charts.theme import INK

_COLUMNS = 3
_WIDTH = 205  # px: three of them and the models' names make a README's width
_ROW_HEIGHT = 16


def panel_scale(values: Sequence[float | None]) -> Scale:
    """The axis around all values of all panels; what is absent or 0 has no place on it."""
    return log_scale([value for value in values if value], _WIDTH)


def panel_x(name: str, title: str, scale: Scale) -> Any:
    """The panels' common axis, on the field ``name``."""
    return alt.X(
        f"{name}:Q",
        title=title,
        scale=alt.Scale(type="log", domain=scale.domain, nice=False),
        axis=alt.Axis(format="~s", values=log_ticks(scale)),
    )


def panel_y(models: list[str], place: int) -> Any:
    """A row a model; only the first panel of a row of panels has their names."""
    return alt.Y(
        "model:N",
        title=None,
        scale=alt.Scale(domain=models),
        axis=alt.Axis(
            labels=place % _COLUMNS == 0,
            ticks=False,
            domain=False,
            grid=True,
            labelLimit=200,
            labelPadding=6,
        ),
    )


def as_panel(layers: Any, name: str, models: int, least_height: int = 0) -> Any:
    """``layers`` sized for ``models`` rows, under the panel's name."""
    return layers.properties(
        width=_WIDTH,
        height=max(_ROW_HEIGHT * models, least_height),
        title=alt.Title(name, fontSize=12, color=INK, offset=4),
    )


def panel_grid(panels: Sequence[Any], title: str, notes: Sequence[str]) -> Any:
    """Panels in rows of three under one title."""
    rows = [
        alt.hconcat(*panels[k : k + _COLUMNS], spacing=12) for k in range(0, len(panels), _COLUMNS)
    ]
    return alt.vconcat(*rows, spacing=16).properties(
        title=alt.Title(title, subtitle=list(notes)) if notes else alt.Title(title)
    )
