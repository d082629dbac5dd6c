"""Records a second, CPU-seconds and joules a record: from runs of two sizes, by difference.

A run's time is taken as T(N) = a + b·N: start and load, then b seconds a record. The init runs
process ``init_size`` records themselves (usually one), so T_N − T_init = b·(N − init_size), and

    rps = 1 / b = (N − init_size) / (T_N − T_init).

Dividing N instead by the same difference, as the first MOROCCO did, is too high by
init_size / (N − init_size): 0.5 % at 200 records, 0.05 % at 2000. A bias of the same order stays
where the single record of an init run costs more than its share of a full batch: at most
batch_size / N. The linearity check sees it where a third size was measured.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from dataclasses import replace

from morocco.errors import MoroccoError
from morocco.estimate.intervals import Interval, disjoint, t_quantile, welch_interval
from morocco.estimate.results import NOT_RESOLVED, RESOLVED, Estimate

# A number is published when its 95 % interval is within ±5 %: the archived campaign's own table
# ranks models that lie 5 to 10 % apart, so a wider interval could not tell them from each other.
MAX_RELATIVE_HALF_WIDTH = 0.05
# Start and stop times of the engine's clock repeat to 7 ms on an idle machine. Runs that agree
# better do so by luck; a few lucky ones would pass the bound above where the cell cannot carry it.
TIMING_SPREAD_SECONDS = 0.007
NORMAL_975 = (
    1.959964  # 97.5 % point of the normal distribution: that spread is known, not estimated
)
# The spread is known from a few runs only. With five a side a second spread exceeds the first
# 1.8-fold in 5 % of cases; planning for half the bound resolves nine in ten (see the tests).
PLANNING_MARGIN = 2.0
MAX_GROWTH = 1000.0  # an input this many times longer is no advice any more
# Differences below this are no news: arrival times of steadily flushed lines were right to 0.3 %,
# a cold first batch bends T(N) by as much.
TOLERANCE = 0.01


def estimate_rps(
    init_times: Sequence[float],
    load_times: Sequence[float],
    init_size: int,
    input_size: int,
    *,
    max_relative_half_width: float = MAX_RELATIVE_HALF_WIDTH,
    systematic_seconds: float = 0.0,
) -> Estimate:
    """Records a second of the model at work, start and load not counted.

    ``init_times``, ``load_times``: wall times in s of runs of ``init_size`` and ``input_size``
    records. The interval is Welch's on the difference of means, inverted: as 1/x is monotone it
    covers as often. Not resolved where the difference's lower end is not above zero or its
    half-width exceeds ``max_relative_half_width`` of it; then ``needed_input_size`` would do, and
    low and high still bound the speed as far as the data go. ``systematic_seconds`` bounds an
    error of the difference that all runs share (a late clock); both ends give way by it. No
    interval is narrower than the clock's own spread allows. ``n`` counts the runs of both sizes.

    Resolving by the interval's own width favours cells whose runs agree by luck. That matters
    only where hardly any cell would pass: intervals of resolved cells hold the truth in 94 to 97 %
    where seven in ten or more cells resolve, in 80 % where one in ten does.
    """
    return _estimate(
        init_times,
        load_times,
        init_size,
        input_size,
        "records/s",
        bound=max_relative_half_width,
        systematic=systematic_seconds,
        floor=TIMING_SPREAD_SECONDS,
        invert=True,
    )


def estimate_per_record(
    init_values: Sequence[float],
    load_values: Sequence[float],
    init_size: int,
    input_size: int,
    unit: str,
    *,
    max_relative_half_width: float = MAX_RELATIVE_HALF_WIDTH,
) -> Estimate:
    """Exact totals of whole runs (CPU-seconds, joules) as cost of one more record, same method."""
    return _estimate(
        init_values,
        load_values,
        init_size,
        input_size,
        unit,
        bound=max_relative_half_width,
        systematic=0.0,
        floor=0.0,
        invert=False,
    )


def _estimate(
    init_values: Sequence[float],
    load_values: Sequence[float],
    init_size: int,
    input_size: int,
    unit: str,
    *,
    bound: float,
    systematic: float,
    floor: float,
    invert: bool,
) -> Estimate:
    if not 0 < init_size < input_size:
        raise MoroccoError(
            f"a difference needs two sizes, not {init_size} and {input_size} records",
            hint="give a load whose input_size is larger than init_size",
        )
    records = input_size - init_size
    method = f"Welch interval on the difference of runs of {input_size} and {init_size} records"
    missing = Estimate(
        None, None, None, unit, len(init_values) + len(load_values), NOT_RESOLVED, method
    )
    difference = welch_interval(init_values, load_values)
    if difference is None:
        few = f"{len(init_values)} init and {len(load_values)} load runs"
        return replace(missing, reason=f"{few}: an interval needs at least two of each")
    known = NORMAL_975 * floor * math.sqrt(1 / len(init_values) + 1 / len(load_values))
    half = max(difference.half_width, known) + systematic
    difference = Interval(difference.value, difference.value - half, difference.value + half)
    value, low, high = _per_unit(difference, records, invert)
    if difference.low > 0 and difference.relative_half_width <= bound:
        return replace(missing, value=value, low=low, high=high, status=RESOLVED)
    needed = needed_input_size(
        init_values,
        load_values,
        init_size,
        input_size,
        max_relative_half_width=bound,
        systematic=systematic,
        floor=floor,
    )
    what = "T" if invert else f"the total ({unit})"
    seen = (
        f"{what} differs by {difference.value:.4g} ± {difference.half_width:.2g} between "
        f"{input_size} and {init_size} records, wanted ± {100 * bound:.3g} %"
    )
    if needed:
        advice = f"about {needed} records would resolve it"
    else:
        repeats = _needed_repeats(difference, bound, max(len(init_values), len(load_values)))
        advice = f"the spread grows with the work: repeat more often{repeats}, on a quieter machine"
    return replace(
        missing, low=low, high=high, reason=f"{seen}; {advice}", needed_input_size=needed
    )


def _per_unit(
    difference: Interval, records: int, invert: bool
) -> tuple[float | None, float | None, float | None]:
    """Value, low and high of records/difference or its inverse; null where it has no bound."""
    if not invert:
        # a cost below zero cannot be, so zero bounds it as well
        return (
            difference.value / records,
            max(difference.low, 0.0) / records,
            max(difference.high, 0.0) / records,
        )
    low = records / difference.high if difference.high > 0 else None
    high = records / difference.low if difference.low > 0 else None
    return (records / difference.value if difference.value > 0 else None), low, high


def needed_input_size(
    init_values: Sequence[float],
    load_values: Sequence[float],
    init_size: int,
    input_size: int,
    *,
    max_relative_half_width: float = MAX_RELATIVE_HALF_WIDTH,
    systematic: float = 0.0,
    floor: float = 0.0,
) -> int | None:
    """Smallest round input size at which the difference should be resolved with as many repeats.

    The spread is taken as that of start and load, which more records do not change, unless the
    load runs spread significantly more (F test, 5 %): that excess is taken to grow with the work,
    and no input size outruns it. Where the slope itself is lost in the spread, half the interval's
    half-width stands for it. ``systematic`` and ``floor`` (standard deviation) as in estimate_rps,
    in the values' unit. None where no input up to 1000 times longer would do.
    """
    difference = welch_interval(init_values, load_values)
    if difference is None:
        return None
    records = input_size - init_size
    work = max(difference.value, difference.half_width / 2)
    if work <= 0:
        return None
    n_init, n_load = len(init_values), len(load_values)
    fixed, excess = _spread_parts(init_values, load_values)
    fixed = max(fixed, floor**2)
    t = t_quantile(min(n_init, n_load) - 1) if excess else t_quantile(n_init + n_load - 2)
    start = max(statistics.variance(init_values), floor**2) / n_init
    wanted = max_relative_half_width / PLANNING_MARGIN
    growth = 1.0
    while growth <= MAX_GROWTH:
        error = math.sqrt(start + (fixed + excess * growth**2) / n_load)
        if (t * error + systematic) / (work * growth) <= wanted:
            return max(round_up(init_size + math.ceil(records * growth)), round_up(input_size + 1))
        growth *= 1.02
    return None


def _needed_repeats(difference: Interval, bound: float, n: int) -> str:
    """The interval narrows as 1/√n."""
    if difference.value <= 0:
        return ""
    return f" (about {math.ceil(n * (difference.relative_half_width / bound) ** 2) + 1} runs each)"


def _spread_parts(
    init_values: Sequence[float], load_values: Sequence[float]
) -> tuple[float, float]:
    """Variance of a load run that stays with more records, and the part that grows with them."""
    from scipy.special import fdtri

    init, load = statistics.variance(init_values), statistics.variance(load_values)
    limit = float(fdtri(len(load_values) - 1, len(init_values) - 1, 0.95))
    if load > limit * init:
        return init, load - init
    return max(init, load), 0.0


def round_up(size: int) -> int:
    """The next of 1, 1.5, 2, 3, 4, 5, 6, 8 times a power of ten."""
    scale = 10 ** (len(str(size)) - 1)
    steps = (scale * tenths // 10 for tenths in (10, 15, 20, 30, 40, 50, 60, 80, 100))
    return next(step for step in steps if step >= size)


def linearity_warning(
    small: Estimate, large: Estimate, small_size: int, large_size: int
) -> str | None:
    """Says so where the speeds against the same init runs differ beyond both intervals.

    T(N/2) and T(N) give one speed if T = a + b·N holds. Both share the init runs, which makes them
    agree more than independent figures would: a warning is hardly ever false.
    """
    if not disagree(small, large):
        return None
    return (
        f"time is not linear in the input size: {describe(small)} at {small_size} records, "
        f"{describe(large)} at {large_size}; compare models at equal sizes only, or use larger ones"
    )


def streaming_warning(rps: Estimate, streaming: Estimate) -> str | None:
    """Says so where the rate of arriving predictions differs from rps beyond both intervals."""
    if not disagree(rps, streaming):
        return None
    return (
        f"two estimates of the speed disagree: {describe(rps)} from run times, "
        f"{describe(streaming)} from arriving predictions; the model may warm up over its first "
        f"records, read its input late or work on after its last prediction"
    )


def disagree(first: Estimate, second: Estimate) -> bool:
    """Both resolved, intervals apart, and values apart by more than TOLERANCE."""
    if first.value is None or second.value is None or not disjoint(first, second):
        return False
    return abs(first.value / second.value - 1) > TOLERANCE


def describe(estimate: Estimate) -> str:
    """``103 [101, 105] records/s``"""
    if estimate.value is None:
        return estimate.reason or estimate.status
    return f"{estimate.value:.4g} [{estimate.low:.4g}, {estimate.high:.4g}] {estimate.unit}"
