"""Axes that are known before drawing, so that labels can be placed to the pixel."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

# Ticks within a decade, for axes of fewer decades than the number before them.
_STEPS: tuple[tuple[float, tuple[float, ...]], ...] = (
    (1, (1, 1.5, 2, 3, 4, 5, 7)),
    (2.5, (1, 2, 5)),
    (4, (1, 3)),
    (math.inf, (1,)),
)


@dataclass(frozen=True)
class Scale:
    """Maps [low, high] to [0, length] px, on a log scale or a linear one."""

    low: float
    high: float
    length: float
    log: bool = False

    def px(self, value: float) -> float:
        low, high, value = self._map(self.low), self._map(self.high), self._map(value)
        return (value - low) / (high - low) * self.length

    def value(self, px: float) -> float:
        low, high = self._map(self.low), self._map(self.high)
        mapped = low + px / self.length * (high - low)
        return 10**mapped if self.log else mapped

    @property
    def domain(self) -> list[float]:
        return [self.low, self.high]

    def _map(self, value: float) -> float:
        return math.log10(value) if self.log else value


def log_scale(values: Sequence[float], length: float, margin: float = 0.06) -> Scale:
    """A log axis around positive values, with a margin as a share of its length."""
    known = [value for value in values if value > 0] or [1.0]
    low, high = math.log10(min(known)), math.log10(max(known))
    if high - low < 0.3:  # at least a factor of two, so that noise does not fill the chart
        middle = (low + high) / 2
        low, high = middle - 0.15, middle + 0.15
    pad = (high - low) * margin
    return Scale(10 ** (low - pad), 10 ** (high + pad), length, log=True)


def linear_scale(
    values: Sequence[float], length: float, margin: float = 0.08, least: float = 0.1
) -> Scale:
    """A linear axis around the values, at least ``least`` wide."""
    known = list(values) or [0.0]
    low, high = min(known), max(known)
    if high - low < least:
        middle = (low + high) / 2
        low, high = middle - least / 2, middle + least / 2
    pad = (high - low) * margin
    return Scale(low - pad, high + pad, length)


def log_ticks(scale: Scale) -> list[float]:
    """Tick values on a log axis: powers of ten, and round values between where there is room."""
    decades = math.log10(scale.high / scale.low)
    steps = next(steps for most, steps in _STEPS if decades < most)
    first, last = math.floor(math.log10(scale.low)), math.ceil(math.log10(scale.high))
    values = [float(f"{step}e{power}") for power in range(first, last + 1) for step in steps]
    return [value for value in values if scale.low <= value <= scale.high]
