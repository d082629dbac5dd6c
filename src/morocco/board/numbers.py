"""How estimates are printed: as many digits as the interval bears, never a number without it."""

from __future__ import annotations

import math
from dataclasses import dataclass

from morocco.estimate.results import ABSENT, RESOLVED, Estimate

GIB = 2**30
ABSENT_MARK = "—"


@dataclass(frozen=True)
class Text:
    """An estimate in words: ``value`` and ``interval`` side by side, ``why`` for a tooltip."""

    value: str
    interval: str  # "± 3", "[2, 9]", "± ?" or empty where there is no value
    why: str  # what it rests on, or why there is none

    @property
    def line(self) -> str:
        return f"{self.value} {self.interval}".rstrip()


def text(estimate: Estimate | None, scale: float = 1.0) -> Text:
    """Print an estimate divided by ``scale`` (bytes / GIB).

    Two digits of the interval's half-width are kept (one where its first is 3 or more), but never
    more than four of the value, and three of a value without an interval. ``± x`` stands
    for an interval that is symmetric to a tenth, ``[low, high]`` for others.
    """
    if estimate is None:
        return Text(ABSENT_MARK, "", "not measured")
    if estimate.status == ABSENT:
        return Text(ABSENT_MARK, "", estimate.reason or "absent")
    if estimate.status != RESOLVED or estimate.value is None:
        needed = estimate.needed_input_size
        note = f"not resolved (needs ≥ {needed:,} records)" if needed else "not resolved"
        return Text(note.replace(",", "\u202f"), "", estimate.reason or "not resolved")
    value = estimate.value / scale
    why = f"{estimate.n} runs; {estimate.method}" if estimate.unit else estimate.method
    if estimate.low is None or estimate.high is None:
        return Text(_fixed(value, _decimals(abs(value), 3)), "± ?", f"no interval known; {why}")
    low, high = estimate.low / scale, estimate.high / scale
    half = (high - low) / 2
    if half <= 0:
        return Text(_fixed(value, _decimals(abs(value), 3)), "± 0", why)
    decimals = min(_interval_decimals(half), _decimals(abs(value), 4))
    return Text(_fixed(value, decimals), _interval(value, low, high, decimals), why)


def _interval(value: float, low: float, high: float, decimals: int) -> str:
    half = (high - low) / 2
    if abs((high - value) - (value - low)) > 0.2 * half:
        return f"[{_fixed(low, decimals)}, {_fixed(high, decimals)}]"
    if round(half, decimals) == 0:
        return f"± <{_fixed(10.0**-decimals, decimals)}"
    return f"± {_fixed(half, decimals)}"


def _interval_decimals(half: float) -> int:
    exponent = math.floor(math.log10(half))
    digits = 2 if half / 10**exponent < 3 else 1
    return digits - 1 - exponent


def _decimals(value: float, digits: int) -> int:
    if value == 0 or not math.isfinite(value):
        return digits
    return digits - 1 - math.floor(math.log10(value))


def _fixed(value: float, decimals: int) -> str:
    """Rounded at ``decimals`` (below 0: to tens, hundreds), thousands parted by a thin space."""
    rounded = round(value, decimals)
    return f"{rounded:,.{max(decimals, 0)}f}".replace(",", "\u202f")
