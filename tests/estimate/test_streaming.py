"""The rate of arriving predictions: right where it holds, absent where it does not."""

import numpy as np
import pytest

from morocco.estimate.results import ABSENT, NOT_RESOLVED, RESOLVED
from morocco.estimate.streaming import estimate_streaming, gate, seconds_per_line
from morocco.formats.record import Arrivals


def arrivals(rng, *, lines=2000, batch=8, per_line=0.005, jitter=0.05, start=3.0, slow_first=1.0):
    """A model that flushes every batch; ``slow_first`` stretches the first 5 % of batches."""
    batches = lines // batch
    steps = batch * per_line * (1 + jitter * rng.standard_normal(batches))
    steps[: batches // 20] *= slow_first
    times = start + np.cumsum(steps)
    keep = np.unique(np.linspace(0, batches - 1, 200).astype(int))
    curve = tuple((float(times[k]), int((k + 1) * batch)) for k in keep)
    return Arrivals(batches, float(times[0]), float(times[-1]), batch / lines, curve)


def test_slope_does_not_see_start_or_slow_first_batches():
    run = arrivals(np.random.default_rng(1), jitter=0.0, slow_first=10.0)
    assert seconds_per_line(run) == pytest.approx(0.005, rel=1e-9)


def test_interval_over_runs_covers():
    rng = np.random.default_rng(2)
    inside = 0
    for _ in range(1000):
        estimate = estimate_streaming([arrivals(rng) for _ in range(3)])
        assert estimate.status == RESOLVED
        inside += estimate.low <= 200 <= estimate.high
    assert 0.93 <= inside / 1000 <= 0.97


def test_interval_within_one_run_covers():
    # batch means know the blocks' spread; the least-squares slope wastes a fifth of the variance,
    # so a little less than 95 % is right here
    rng = np.random.default_rng(3)
    estimates = [estimate_streaming([arrivals(rng)]) for _ in range(1500)]
    inside = sum(e.low <= 200 <= e.high for e in estimates) / len(estimates)
    assert 0.91 <= inside <= 0.97
    assert "one run" in estimates[0].method


@pytest.mark.parametrize(
    ("options", "why"),
    [({"batch": 100}, "20 distinct"), ({"lines": 100, "batch": 2}, None)],
)
def test_gate_counts_distinct_times(options, why):
    reason = gate(arrivals(np.random.default_rng(4), **options))
    assert (reason is None) if why is None else (why in reason)


def test_gate_refuses_bursts():
    steady = arrivals(np.random.default_rng(5))
    burst = Arrivals(steady.distinct_times, 3.0, 13.0, 0.4, steady.curve)
    assert "40 %" in gate(burst)
    assert estimate_streaming([burst, burst]).status == ABSENT
    assert estimate_streaming([burst, steady, steady]).n == 2


def test_output_at_the_end_is_absent_and_says_why():
    late = Arrivals(1, 13.0, 13.0, 1.0, ((13.0, 2000),))
    estimate = estimate_streaming([late])
    assert (estimate.value, estimate.status) == (None, ABSENT)
    assert "not flushed steadily" in estimate.reason
    assert (
        estimate_streaming([]).reason == "output is not flushed steadily: no run with predictions"
    )


def test_runs_of_different_pace_are_not_resolved():
    rng = np.random.default_rng(6)
    estimate = estimate_streaming([arrivals(rng, per_line=0.005), arrivals(rng, per_line=0.01)])
    assert (estimate.value, estimate.status) == (None, NOT_RESOLVED)
    assert "2 runs" in estimate.reason
