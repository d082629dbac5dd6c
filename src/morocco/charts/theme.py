"""One look for every chart: type, colours, sizes at the width of a README."""

from __future__ import annotations

from typing import Any

WIDTH = 820  # px of the plotting area: about 900 with axes, the width of a README
FONT = "Helvetica, Arial, 'Liberation Sans', 'DejaVu Sans', sans-serif"
INK = "#1f2933"
MUTED = "#5f6b7a"  # 5.4 to 1 on white
GRID = "#e4e7eb"
# Okabe and Ito's palette (2008), told apart with every common colour blindness.
PALETTE = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#56b4e9", "#e69f00", "#8a6d00", "#444444")
GPU = PALETTE[0]
CPU = PALETTE[1]

CONFIG: dict[str, Any] = {
    "font": FONT,
    "background": "#ffffff",
    "padding": 12,
    "view": {"stroke": None},
    "axis": {
        "labelColor": INK,
        "titleColor": INK,
        "labelFontSize": 11,
        "titleFontSize": 12,
        "titleFontWeight": "normal",
        "gridColor": GRID,
        "domainColor": MUTED,
        "tickColor": MUTED,
        "labelLimit": 260,
    },
    "legend": {
        "labelColor": INK,
        "titleColor": INK,
        "labelFontSize": 11,
        "titleFontSize": 12,
        "titleFontWeight": "normal",
        "labelLimit": 260,
    },
    "title": {
        "color": INK,
        "fontSize": 15,
        "anchor": "start",
        "subtitleColor": MUTED,
        "subtitleFontSize": 12,
        "offset": 10,
    },
    "header": {"labelColor": INK, "labelFontSize": 12, "labelFontWeight": "bold"},
    "range": {"category": list(PALETTE)},
}


def text_width(text: str, size: float = 11) -> float:
    """Width in px, by Helvetica's letter widths in em, rounded up: never less than is drawn."""
    return sum(_em(letter) for letter in text) * size


def _em(letter: str) -> float:
    if letter in "ijl.,:;'|!()[] /-ft":
        return 0.34
    if letter in "mwMW@%…" or ord(letter) > 0x2E7F:
        return 0.95
    return 0.72 if letter.isupper() else 0.58


def shorten(text: str, limit: int = 32) -> str:
    """At most ``limit`` letters, the middle left out: names differ at both ends."""
    if len(text) <= limit:
        return text
    head = (limit - 1) * 2 // 3
    return f"{text[:head]}…{text[head - limit + 1 :]}"
