"""How many records a run needs: pure arithmetic on times seen so far."""

from __future__ import annotations

import math
import statistics
from collections.abc import Mapping, Sequence

from morocco.estimate.intervals import t_quantile
from morocco.estimate.speed import PLANNING_MARGIN, TIMING_SPREAD_SECONDS, round_up

# T is exact to 10 ms; 10 s of work are resolved to 3 % by five repeats of a spread of 0.2 s.
AIM_SECONDS = 10.0
AIM_SHARE_OF_INIT = 0.5
# The clock alone would be content with 0.2 s; the first batches and the memory sampler are not.
MIN_WORK_SECONDS = 1.0
# A probe sizes the runs to come. Half a second is 70 times the clock's spread.
PROBE_WORK_SECONDS = 0.5
PROBE_SPREADS = 3.0  # and this many standard deviations of the init runs: known to a third
PROBE_RECORDS = 16  # first probe of a model of unknown speed: 8 s at 0.5 s a record
MAX_PROBE_GROWTH = 30.0
MAX_INPUT = 10_000_000  # records: some GB of input
# Shares that leave room for a run slower than the probe, and for replacements.
TIMEOUT_SHARE = 0.7
OUTPUT_SHARE = 0.9
BUDGET_SHARE = 0.8


def spread_seconds(init_times: Sequence[float]) -> float:
    """Standard deviation of the init runs, never below the engine clock's own."""
    seen = statistics.stdev(init_times) if len(init_times) > 1 else 0.0
    return max(seen, TIMING_SPREAD_SECONDS)


def wanted_work(
    init_times: Sequence[float], repeats: int, aim: str, max_relative_half_width: float
) -> float:
    """Seconds by which T_N should exceed T_init.

    "seconds": max(10 s, T_init / 2). "width": so that a Welch interval from runs that spread as
    the init runs do is half as wide as asked; the other half is room for a spread that grows.
    """
    if aim == "seconds":
        return max(AIM_SECONDS, AIM_SHARE_OF_INIT * statistics.fmean(init_times))
    n = min(repeats, len(init_times))
    half = t_quantile(2 * n - 2) * spread_seconds(init_times) * math.sqrt(2 / n)
    return max(MIN_WORK_SECONDS, PLANNING_MARGIN * half / max_relative_half_width)


def whole_batches(records: float, batch_size: int) -> int:
    """Records rounded up to a round number of whole batches, two at least.

    A batch at the end that is not full would cost as much as a full one on some devices.
    """
    return batch_size * max(2, round_up(max(1, math.ceil(records / batch_size))))


def load_size(
    speed: float, work_seconds: float, batch_size: int, max_relative_half_width: float
) -> int:
    """Input size for so much work. One batch is at most ``max_relative_half_width`` of it.

    An init run's single record may cost as much as a whole batch, an error of the speed of up to
    batch_size / N.
    """
    return whole_batches(
        max(speed * work_seconds, batch_size / max_relative_half_width), batch_size
    )


def largest_size(
    *,
    batch_size: int,
    speed: float,
    init_seconds: float,
    timeout_seconds: float,
    output_bytes_per_record: float,
    stdout_limit: int,
) -> int:
    """Largest input size that one run can take: time limit, output bound, size of the input."""
    cap = min(float(MAX_INPUT), speed * (TIMEOUT_SHARE * timeout_seconds - init_seconds))
    if output_bytes_per_record:
        cap = min(cap, OUTPUT_SHARE * stdout_limit / output_bytes_per_record)
    return batch_size * max(2, math.floor(cap / batch_size))


def first_probe(batch_size: int, known_speed: float | None) -> int:
    """Input size to try a batch size with; the speed of a smaller batch is a good guess."""
    guess = known_speed * 2 * PROBE_WORK_SECONDS if known_speed else PROBE_RECORDS
    return whole_batches(min(guess, MAX_INPUT), batch_size)


def next_probe(
    size: int, seconds: float, init_times: Sequence[float], cap: int, batch_size: int
) -> int | None:
    """A larger size where the work done is lost in the spread; None where it shows, or at ``cap``.

    Growth is by what is missing, at most 30 times: what is lost in the spread says little.
    """
    needed = max(PROBE_WORK_SECONDS, PROBE_SPREADS * spread_seconds(init_times))
    work = seconds - statistics.fmean(init_times)
    if work >= needed or size >= cap:
        return None
    growth = min(MAX_PROBE_GROWTH, 1.5 * needed / work) if work > 0 else MAX_PROBE_GROWTH
    return min(cap, whole_batches(size * max(2.0, growth), batch_size))


def within_budget(
    wanted: Mapping[int, int],
    speeds: Mapping[int, float],
    *,
    fixed_seconds: float,
    repeats: int,
    seconds_left: float,
) -> dict[int, int]:
    """Input size by batch size, cut so that ``repeats`` runs of all fit; the longest are cut first.

    ``fixed_seconds``: of each run, whatever its size. Never below two batches.
    """
    work = {batch: size / speeds[batch] for batch, size in wanted.items()}
    share = BUDGET_SHARE * seconds_left / repeats - fixed_seconds * len(wanted)
    if sum(work.values()) <= share:
        return dict(wanted)
    cap = 0.0
    ordered = sorted(work.values())
    for k, seconds in enumerate(ordered):
        cap = share / (len(ordered) - k)  # what is left, evenly among the longer ones
        if seconds > cap:
            break
        share -= seconds
    return {
        batch: size
        if work[batch] <= cap
        else min(size, batch * max(2, math.floor(max(cap, 0.0) * speeds[batch] / batch)))
        for batch, size in wanted.items()
    }
