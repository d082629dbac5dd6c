"""95 % intervals of means, medians and differences from a handful of runs."""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass

from morocco.estimate.results import NOT_RESOLVED, RESOLVED, Estimate

CONFIDENCE = 0.95


@dataclass(frozen=True)
class Interval:
    """``value`` and its interval [low, high]; ``half_width`` is that of the symmetric interval."""

    value: float
    low: float
    high: float

    @property
    def half_width(self) -> float:
        return (self.high - self.low) / 2

    @property
    def relative_half_width(self) -> float:
        """Infinite where the value is not positive: nothing is small beside it."""
        return self.half_width / self.value if self.value > 0 else math.inf


def t_quantile(df: float, confidence: float = CONFIDENCE) -> float:
    """Two-sided Student quantile, for any real ``df`` > 0."""
    from scipy.special import stdtrit  # 0.2 s: a measuring job that needs no quantile stays short

    return float(stdtrit(df, (1 + confidence) / 2))


def mean_interval(values: Sequence[float], confidence: float = CONFIDENCE) -> Interval | None:
    """Mean with Student's t interval (Student 1908); None for fewer than two values.

    Exact for normal values; the mean of five runs comes close to it for mild skew.
    """
    if len(values) < 2:
        return None
    mean = statistics.fmean(values)
    half = t_quantile(len(values) - 1, confidence) * _standard_error(values)
    return Interval(mean, mean - half, mean + half)


def median_interval(values: Sequence[float]) -> tuple[Interval, float] | None:
    """Median with a distribution-free interval between order statistics, and its true coverage.

    Takes the narrowest symmetric pair of order statistics that covers at least 95 %
    (David & Nagaraja, Order Statistics, 2003, 7.1). Five values cannot reach that: their range
    covers 93.75 %. Below five the range covers 50 to 87.5 %, so there Student's interval of the
    mean stands around the median (they differ by less than the interval's half-width).
    None for fewer than two values.
    """
    n = len(values)
    if n < 2:
        return None
    ordered = sorted(values)
    median = statistics.median(ordered)
    if n < 5:
        mean = mean_interval(ordered)
        assert mean is not None
        return Interval(median, min(mean.low, median), max(mean.high, median)), CONFIDENCE
    rank, coverage = 0, 1 - 2 * 0.5**n
    while True:
        tail = sum(math.comb(n, k) for k in range(rank + 2)) * 0.5**n
        if 1 - 2 * tail < CONFIDENCE:
            break
        rank, coverage = rank + 1, 1 - 2 * tail
    return Interval(median, ordered[rank], ordered[n - 1 - rank]), coverage


def welch_interval(
    base: Sequence[float], other: Sequence[float], confidence: float = CONFIDENCE
) -> Interval | None:
    """mean(other) − mean(base) with Welch's interval for unequal variances.

    Welch, Biometrika 34 (1947) 28; degrees of freedom after Satterthwaite (1946). Coverage with
    five runs a side is 94 to 96 % whatever the ratio of spreads. None where a side has fewer than
    two values: one run says nothing about its spread.
    """
    return contrast_interval([(-1.0, base), (1.0, other)], confidence)


def contrast_interval(
    terms: Sequence[tuple[float, Sequence[float]]], confidence: float = CONFIDENCE
) -> Interval | None:
    """Σ weight · mean(values) over independent groups, Welch–Satterthwaite interval."""
    if any(len(values) < 2 for _, values in terms):
        return None
    value = sum(weight * statistics.fmean(values) for weight, values in terms)
    parts = [(weight * _standard_error(values)) ** 2 for weight, values in terms]
    variance = sum(parts)
    if variance <= 0:
        return Interval(value, value, value)
    spread = sum(
        part**2 / (len(values) - 1) for part, (_, values) in zip(parts, terms, strict=True)
    )
    half = t_quantile(variance**2 / spread, confidence) * math.sqrt(variance)
    return Interval(value, value - half, value + half)


def disjoint(first: Estimate, second: Estimate) -> bool:
    """Both intervals are known and have no point in common."""
    if None in (first.low, first.high, second.low, second.high):
        return False
    return first.high < second.low or second.high < first.low  # type: ignore[operator]


def mean_estimate(values: Sequence[float], unit: str) -> Estimate:
    """Mean with t interval as an estimate; a single run is not resolved, the reason shows it."""
    method = "mean of runs, Student's t interval"
    interval = mean_interval(values)
    if interval is None:
        return single_run(values, unit, method)
    return Estimate(
        interval.value, interval.low, interval.high, unit, len(values), RESOLVED, method
    )


def median_estimate(values: Sequence[float], unit: str) -> Estimate:
    """Median with its interval as an estimate; ``method`` states the interval's true coverage."""
    found = median_interval(values)
    if found is None:
        return single_run(values, unit, "median of runs")
    interval, coverage = found
    kind = "order statistics" if len(values) >= 5 else "Student's t"
    method = f"median of runs, {kind} interval of {100 * coverage:.4g} %"
    return Estimate(
        interval.value, interval.low, interval.high, unit, len(values), RESOLVED, method
    )


def single_run(values: Sequence[float], unit: str, method: str) -> Estimate:
    """What one run can say: no interval, hence no number; the reason tells what was seen."""
    seen = f": {values[0]:.6g} {unit} seen" if values else ""
    reason = f"one run has no interval{seen}; two or more are needed" if values else "no run"
    return Estimate(None, None, None, unit, len(values), NOT_RESOLVED, method, reason)


def _standard_error(values: Sequence[float]) -> float:
    return statistics.stdev(values) / math.sqrt(len(values))
