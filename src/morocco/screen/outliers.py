"""Which runs of one cell lie apart from the rest, by wall time.

Two rules; a run that either of them names is an outlier.

1. Modified z-score (Iglewicz & Hoaglin, How to Detect and Handle Outliers, 1993):
   0.6745 · |T − median| / MAD above a cut-off that depends on n. Their 3.5 holds for large n only:
   at n = 5 it names a clean run in 21 % of cells. The cut-offs here keep the chance that a cell of
   clean normal runs loses any run at 0.8 %, whatever its spread. Median and MAD stand up to two
   cold runs of five.
2. Step: the run is off the median by more than 35 % while the other runs, the majority, lie within
   15 % of each other. With five runs rule 1 must allow 30 times the MAD and sees a run at 1.5 × T
   in only a third of cells whose spread is 3 %; rule 2 finds it in 99 %. It adds less than 0.2 %
   false alarms at n = 5 as long as the spread (standard deviation) of clean runs is at most 10 %
   of T. Cells wilder than that are not clean.

Together: at most 1 % of clean normal cells of five runs are touched, at any spread up to 10 %
(1.1 % of cells of four). Skewed or heavy-tailed times pass for outliers more often: at n = 5 still
at most 1 % while their spread is within 3 %, but 4 % at a spread of 10 %, and more with n (15 % of
cells of twenty lognormal times). A false alarm costs one more run. ``benchmarks/screening.py``
prints the simulation.
"""

from __future__ import annotations

import statistics
from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass

# n -> 99.2 % quantile of the largest modified z-score among n normal values; 2,000,000 simulated
# cells each up to n = 8, 500,000 above. Odd and even n differ, so both stand in the table.
CUTOFFS = {
    3: 138.8,
    4: 17.9,
    5: 20.8,
    6: 10.9,
    7: 11.5,
    8: 8.5,
    9: 8.8,
    10: 7.25,
    11: 7.5,
    12: 6.6,
    13: 6.65,
    14: 6.15,
    15: 6.2,
    16: 5.8,
    17: 5.9,
    18: 5.6,
    19: 5.65,
    20: 5.4,
    25: 5.2,
    30: 4.9,
    40: 4.7,
    60: 4.5,
    100: 4.4,
}
# Floor on the MAD. 10 ms: start and stop times repeat to 7 ms on an idle engine, and three equal
# times of five would make the MAD 0. 0.2 % of T: below, differences matter to no estimate here
# (0.2 % times the cut-off is 6 % of T at n = 5, 1.5 % at n = 20).
MAD_FLOOR_SECONDS = 0.010
MAD_FLOOR_SHARE = 0.002
STEP_FAR = 0.35
STEP_NEAR = 0.15
MIN_RUNS = 3  # of two runs nobody can say which one lies apart


@dataclass(frozen=True)
class Outlier:
    position: int  # in the sequence given
    seconds: float
    median_seconds: float  # of the cell
    score: float  # modified z-score
    rule: str  # "spread" or "step"


def cutoff(n: int) -> float:
    """Cut-off on the modified z-score for n runs, interpolated between tabled n."""
    sizes = list(CUTOFFS)
    n = max(n, sizes[0])
    if n >= sizes[-1]:
        # the exact cut-off grows again, to 4.6 at n = 1000: the rule errs by less than 1 % there
        return CUTOFFS[sizes[-1]]
    k = bisect_left(sizes, n)
    if sizes[k] == n:
        return CUTOFFS[n]
    low, high = sizes[k - 1], sizes[k]
    share = (n - low) / (high - low)
    return CUTOFFS[low] + share * (CUTOFFS[high] - CUTOFFS[low])


def find_outliers(seconds: Sequence[float]) -> list[Outlier]:
    """Runs of one cell that lie apart; wall times in s, order kept, none for fewer than 3 runs.

    Never more than half of the runs: the majority is the cell.
    """
    if len(seconds) < MIN_RUNS:
        return []
    median = statistics.median(seconds)
    distances = [abs(value - median) for value in seconds]
    scale = max(statistics.median(distances), MAD_FLOOR_SECONDS, MAD_FLOOR_SHARE * abs(median))
    limit = cutoff(len(seconds))
    stepped = _step(seconds, median)
    found = []
    for position, (value, distance) in enumerate(zip(seconds, distances, strict=True)):
        score = 0.6745 * distance / scale
        if score > limit or position in stepped:
            rule = "spread" if score > limit else "step"
            found.append(Outlier(position, value, median, score, rule))
    return found


def _step(seconds: Sequence[float], median: float) -> frozenset[int]:
    """Positions off the median by more than STEP_FAR, if the majority stays within STEP_NEAR."""
    far = frozenset(k for k, value in enumerate(seconds) if abs(value - median) > STEP_FAR * median)
    near = [value for k, value in enumerate(seconds) if k not in far]
    if not far or 2 * len(far) >= len(seconds) or max(near) - min(near) > STEP_NEAR * median:
        return frozenset()
    return far
