"""Figures of one model over its tasks: means with intervals, or why there is none."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from morocco.estimate.results import (
    ABSENT,
    NOT_RESOLVED,
    RESOLVED,
    Estimate,
    Score,
    absent,
)

GEOMETRIC = (
    "geometric mean over tasks; the tasks' intervals, taken as independent, added in quadrature"
    " on the log scale, each side by itself"
)
LARGEST = "maximum over tasks: what serving every task needs; bounds are the maxima of the bounds"
SCORE_MEAN = "plain mean of the nine task scores; intervals added in quadrature"


def geometric_mean(estimates: Mapping[str, Estimate | None], unit: str) -> Estimate:
    """Geometric mean of task estimates; ``None`` marks a task that was not measured at all.

    Only complete sets have one: means over different tasks do not compare. With half-widths
    l_t = log(v_t / low_t), the mean's lower half-width is sqrt(sum l_t^2) / k, the upper alike
    (first-order propagation; exact for log-normal errors).
    """
    missing = _incomplete(estimates, unit, GEOMETRIC)
    if missing:
        return missing
    values = [estimate for estimate in estimates.values() if estimate]
    count = len(values)
    logs = [math.log(e.value) for e in values if e.value and e.value > 0]
    if len(logs) < count:
        return absent(unit, "a task's value is not above 0", GEOMETRIC)
    mean = sum(logs) / count
    down = [_log_ratio(e.value, e.low) for e in values]
    up = [_log_ratio(e.high, e.value) for e in values]
    return Estimate(
        math.exp(mean),
        _shifted(mean, down, -1 / count),
        _shifted(mean, up, 1 / count),
        unit,
        sum(e.n for e in values),
        RESOLVED,
        GEOMETRIC,
    )


def largest(estimates: Mapping[str, Estimate | None], unit: str) -> Estimate:
    """Maximum over tasks. Bounds hold for the true maximum: each is the maximum of its side."""
    missing = _incomplete(estimates, unit, LARGEST)
    if missing:
        return missing
    values = [estimate for estimate in estimates.values() if estimate]
    lows = [e.low for e in values if e.low is not None]
    highs = [e.high for e in values if e.high is not None]
    complete = len(lows) == len(highs) == len(values)
    return Estimate(
        max(e.value for e in values if e.value is not None),
        max(lows) if complete else None,
        max(highs) if complete else None,
        unit,
        sum(e.n for e in values),
        RESOLVED,
        LARGEST,
    )


def score_estimate(score: Score | None) -> Estimate:
    """A task's score in the form of every other figure."""
    if score is None:
        return absent("", "predictions were not scored")
    if score.score is None:
        return absent("", score.reason or "no score")
    method = "given in the config" if score.source == "given" else "from the measured runs"
    return Estimate(score.score, score.low, score.high, "", score.records, RESOLVED, method)


def mean_score(scores: Mapping[str, Estimate | None]) -> Estimate:
    """Overall score: the mean of nine, absent where one of the nine is."""
    missing = _incomplete(scores, "", SCORE_MEAN)
    if missing:
        return missing
    values = [estimate for estimate in scores.values() if estimate]
    count = len(values)
    mean = sum(e.value for e in values if e.value is not None) / count
    down = [e.value - e.low for e in values if e.value is not None and e.low is not None]
    up = [e.high - e.value for e in values if e.value is not None and e.high is not None]
    known = len(down) == len(up) == count
    return Estimate(
        mean,
        mean - math.hypot(*down) / count if known else None,
        mean + math.hypot(*up) / count if known else None,
        "",
        sum(e.n for e in values),
        RESOLVED,
        SCORE_MEAN,
    )


def _incomplete(
    estimates: Mapping[str, Estimate | None], unit: str, method: str
) -> Estimate | None:
    """The estimate that says what is wanting, or None where nothing is."""
    if not estimates:
        return absent(unit, "no task was measured", method)
    missing = [name for name, e in estimates.items() if e is None]
    empty = {name: e for name, e in estimates.items() if e and e.status == ABSENT}
    open_ = [name for name, e in estimates.items() if e and e.status == NOT_RESOLVED]
    if not (missing or empty or open_):
        return None
    reasons = {e.reason for e in empty.values()}
    if len(empty) == len(estimates) and len(reasons) == 1:
        return absent(unit, reasons.pop() or "absent on every task", method)
    parts = [
        f"{what} on {_names(names)}"
        for what, names in (
            ("not measured", missing),
            ("absent", list(empty)),
            ("not resolved", open_),
        )
        if names
    ]
    reason = f"incomplete: {'; '.join(parts)} ({len(estimates)} tasks are wanted)"
    if missing or empty:
        return absent(unit, reason, method)
    needed = [e.needed_input_size for e in estimates.values() if e and e.needed_input_size]
    return Estimate(
        None, None, None, unit, 0, NOT_RESOLVED, method, reason, max(needed) if needed else None
    )


def _names(names: Sequence[str]) -> str:
    return ", ".join(names) if len(names) <= 3 else f"{len(names)} tasks"


def _log_ratio(over: float | None, under: float | None) -> float | None:
    return math.log(over / under) if over and under and over > 0 and under > 0 else None


def _shifted(mean: float, widths: list[float | None], factor: float) -> float | None:
    known = [width for width in widths if width is not None]
    return math.exp(mean + factor * math.hypot(*known)) if len(known) == len(widths) else None
