"""A chart that says in words why there is none."""

from __future__ import annotations

from typing import Any

import altair as alt

from morocco.charts.theme import MUTED, WIDTH

HEIGHT = 80


def empty_chart(text: str, heading: Any = None) -> alt.Chart:
    """One line of text where a chart would be; ``heading`` is an altair title."""
    chart = (
        alt.Chart(alt.Data(values=[{}]), width=WIDTH, height=HEIGHT)
        .mark_text(color=MUTED, fontSize=13)
        .encode(text=alt.value(text))
    )
    return chart.properties(title=heading) if heading is not None else chart
