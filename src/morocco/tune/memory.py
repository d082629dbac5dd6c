"""Peak memory against batch size: a straight line with intervals."""

from __future__ import annotations

import math
import statistics
from collections.abc import Mapping, Sequence

from morocco.estimate.intervals import t_quantile
from morocco.estimate.results import NOT_RESOLVED, RESOLVED, Estimate, absent
from morocco.tune.results import MemoryLine

METHOD = "least squares over the medians of each batch size, Student's t interval"
FIXED, SLOPE = "bytes", "bytes/batch item"


def memory_line(
    quantity: str, peaks: Mapping[int, Sequence[float]], reason: str = "no run of any batch size"
) -> MemoryLine:
    """Peak memory = a + b · batch size, from the peaks (bytes) of the runs at each batch size.

    The points are medians: runs of one batch size repeat each other, so what tells how well the
    line holds is the distance of batch sizes from it. Two batch sizes give a line without a
    residual, hence nothing is resolved below three. Where the medians lie closer to the line than
    the runs to their medians, the spread of runs counts. ``reason``: why there are no peaks.
    """
    known = {batch: list(values) for batch, values in sorted(peaks.items()) if values}
    runs = sum(map(len, known.values()))
    if not known:
        return MemoryLine(quantity, absent(FIXED, reason, METHOD), absent(SLOPE, reason, METHOD))
    if len(known) < 3:
        sizes = ", ".join(map(str, known))
        why = f"batch size {sizes} alone: a line with an interval needs three"
        return MemoryLine(
            quantity,
            *(
                Estimate(None, None, None, unit, runs, NOT_RESOLVED, METHOD, why)
                for unit in (FIXED, SLOPE)
            ),
        )
    x = [float(batch) for batch in known]
    y = [statistics.median(values) for values in known.values()]
    slope, fixed = statistics.linear_regression(x, y)
    centre = statistics.fmean(x)
    square = sum((value - centre) ** 2 for value in x)
    off = sum((b - fixed - slope * a) ** 2 for a, b in zip(x, y, strict=True)) / (len(x) - 2)
    sigma = math.sqrt(max(off, _variance_of_medians(list(known.values()))))
    t = t_quantile(len(x) - 2)
    half_slope = t * sigma / math.sqrt(square)
    half_fixed = t * sigma * math.sqrt(1 / len(x) + centre**2 / square)
    return MemoryLine(
        quantity,
        Estimate(fixed, fixed - half_fixed, fixed + half_fixed, FIXED, runs, RESOLVED, METHOD),
        Estimate(slope, slope - half_slope, slope + half_slope, SLOPE, runs, RESOLVED, METHOD),
    )


def _variance_of_medians(groups: Sequence[Sequence[float]]) -> float:
    """From the runs' own spread; a median's variance is about π/2 times a mean's."""
    several = [values for values in groups if len(values) > 1]
    if not several:
        return 0.0
    parts = [math.pi / 2 * statistics.variance(values) / len(values) for values in several]
    return statistics.fmean(parts)
