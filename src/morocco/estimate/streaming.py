"""Speed within one run: the slope of prediction lines over their arrival times.

A check on rps that needs no second run size. It holds only where the model flushes its output
steadily; the gate below keeps everything else out.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from itertools import pairwise

from morocco.estimate.intervals import Interval, mean_interval
from morocco.estimate.results import NOT_RESOLVED, RESOLVED, Estimate, absent
from morocco.estimate.speed import MAX_RELATIVE_HALF_WIDTH
from morocco.formats.record import Arrivals

UNIT = "records/s"
MIN_DISTINCT_TIMES = 30  # fewer arrivals are bursts of a buffer, not the pace of the work
MAX_BURST = 0.1  # as soon as a tenth of the lines comes at once
WARM_UP_SHARE = 0.1  # first lines: first batches run with cold caches
BLOCKS = 10  # 10 to 20 batches make a sound interval (Schmeiser, Operations Research 30, 1982, 556)


def gate(arrivals: Arrivals) -> str | None:
    """Why these arrival times cannot carry a rate; None where they can."""
    if arrivals.distinct_times < MIN_DISTINCT_TIMES:
        return f"{arrivals.distinct_times} distinct arrival times, {MIN_DISTINCT_TIMES} are needed"
    if arrivals.largest_burst > MAX_BURST:
        return f"{100 * arrivals.largest_burst:.0f} % of the lines came at once"
    if len(_steady(arrivals)) < MIN_DISTINCT_TIMES // 2:
        return "the arrival curve has too few points after its first tenth"
    return None


def seconds_per_line(arrivals: Arrivals) -> float:
    """Least-squares slope of arrival time over line count: the errors are in the times."""
    points = _steady(arrivals)
    return statistics.linear_regression(
        [lines for _, lines in points], [seconds for seconds, _ in points]
    ).slope


def block_seconds_per_line(arrivals: Arrivals) -> list[float]:
    """Seconds a line in BLOCKS consecutive stretches of the curve."""
    points = _steady(arrivals)
    edges = [round(k * (len(points) - 1) / BLOCKS) for k in range(BLOCKS + 1)]
    values = []
    for start, end in pairwise(edges):
        (t0, k0), (t1, k1) = points[start], points[end]
        if k1 > k0:
            values.append((t1 - t0) / (k1 - k0))
    return values


def estimate_streaming(
    runs: Sequence[Arrivals], *, max_relative_half_width: float = MAX_RELATIVE_HALF_WIDTH
) -> Estimate:
    """Records a second from arrival times, over the runs that pass the gate.

    Two or more runs: t interval on their seconds a line, inverted. One run: t interval over the
    batch means of its consecutive blocks (Schmeiser 1982). Absent where no run passes.
    """
    steady = [arrivals for arrivals in runs if gate(arrivals) is None]
    if not steady:
        reason = (gate(runs[0]) or "") if runs else "no run with predictions"
        return absent(UNIT, f"output is not flushed steadily: {reason}", "arrival times")
    if len(steady) == 1:
        method = f"slope of lines over arrival times, {BLOCKS} batch means of one run"
        slope = seconds_per_line(steady[0])
        blocks = mean_interval(block_seconds_per_line(steady[0]))
        half = blocks.half_width if blocks else math.inf
        interval = Interval(slope, slope - half, slope + half)
    else:
        method = "slope of lines over arrival times, t interval over runs"
        found = mean_interval([seconds_per_line(arrivals) for arrivals in steady])
        assert found is not None  # two or more
        interval = found
    n = len(steady)
    low = 1 / interval.high if interval.high > 0 else None
    high = 1 / interval.low if interval.low > 0 else None
    if interval.low <= 0 or interval.relative_half_width > max_relative_half_width:
        width = interval.relative_half_width
        reason = (
            f"arrival rates of {n} runs spread by ± {100 * width:.2g} %, "
            f"wanted ± {100 * max_relative_half_width:.3g} %"
        )
        return Estimate(None, low, high, UNIT, n, NOT_RESOLVED, method, reason)
    return Estimate(1 / interval.value, low, high, UNIT, n, RESOLVED, method)


def _steady(arrivals: Arrivals) -> list[tuple[float, int]]:
    """The curve without its first tenth of lines."""
    if not arrivals.curve:
        return []
    cut = WARM_UP_SHARE * arrivals.curve[-1][1]
    return [point for point in arrivals.curve if point[1] >= cut]
