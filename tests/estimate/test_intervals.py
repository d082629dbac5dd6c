"""Intervals cover as often as they say; the functions themselves are run, not a copy of them."""

import math

import numpy as np
import pytest

from morocco.estimate.intervals import (
    contrast_interval,
    disjoint,
    mean_estimate,
    mean_interval,
    median_estimate,
    median_interval,
    t_quantile,
    welch_interval,
)
from morocco.estimate.results import NOT_RESOLVED, RESOLVED, Estimate

SIMULATIONS = 4000  # standard error of a coverage of 95 %: 0.34 points


def coverage(intervals, truth):
    return sum(i.low <= truth <= i.high for i in intervals) / len(intervals)


def test_mean_interval_is_students():
    interval = mean_interval([1.0, 2.0, 3.0, 4.0])
    # scipy.stats.t.interval(0.95, 3, 2.5, sem): 2.5 ± 2.05426
    assert interval.value == 2.5
    assert interval.low == pytest.approx(0.445739743239121, abs=1e-9)
    assert interval.high == pytest.approx(4.554260256760879, abs=1e-9)


def test_t_quantile_agrees_with_the_printed_table():
    assert t_quantile(4) == pytest.approx(2.776445, abs=1e-6)
    assert t_quantile(3) < t_quantile(2.5) < t_quantile(2)  # Welch needs fractions


@pytest.mark.parametrize("ratio", [0.2, 1.0, 5.0])
@pytest.mark.parametrize("sizes", [(5, 5), (3, 5)])
def test_welch_interval_covers(ratio, sizes):
    rng = np.random.default_rng([20210121, int(10 * ratio), *sizes])
    base = rng.normal(3.0, 0.1, (SIMULATIONS, sizes[0])).tolist()
    other = rng.normal(13.0, 0.1 * ratio, (SIMULATIONS, sizes[1])).tolist()
    found = coverage([welch_interval(a, b) for a, b in zip(base, other, strict=True)], 10.0)
    assert 0.93 <= found <= 0.97


def test_welch_interval_of_skewed_times_covers():
    # run times have a lower bound and a tail: start of 3 s plus lognormal delays
    rng = np.random.default_rng(7)
    base = (3 + 0.1 * rng.lognormal(0, 0.5, (SIMULATIONS, 5))).tolist()
    other = (13 + 0.3 * rng.lognormal(0, 0.5, (SIMULATIONS, 5))).tolist()
    truth = 10 + 0.2 * math.exp(0.125)
    found = coverage([welch_interval(a, b) for a, b in zip(base, other, strict=True)], truth)
    assert 0.90 <= found <= 0.97


def test_contrast_of_three_groups_covers():
    rng = np.random.default_rng(11)
    groups = [rng.normal(m, s, (SIMULATIONS, 5)) for m, s in ((3, 0.1), (8, 0.2), (13, 0.3))]
    intervals = [
        contrast_interval([(-0.5, a), (1.0, b), (-0.5, c)])
        for a, b, c in zip(*(g.tolist() for g in groups), strict=True)
    ]
    assert 0.93 <= coverage(intervals, 0.0) <= 0.97


@pytest.mark.parametrize("n", [2, 5, 6, 9, 20])
def test_median_interval_covers_what_it_says(n):
    rng = np.random.default_rng(n)
    values = rng.normal(0, 1, (SIMULATIONS, n)).tolist()
    pairs = [median_interval(row) for row in values]
    stated = pairs[0][1]
    assert stated >= (0.9375 if n >= 5 else 0.95)
    assert coverage([interval for interval, _ in pairs], 0.0) == pytest.approx(stated, abs=0.015)


def test_median_interval_takes_the_narrowest_ranks_that_do():
    # n = 9: second to eighth value cover 96.1 %, third to seventh 82 %
    interval, stated = median_interval([float(k) for k in range(9)])
    assert (interval.low, interval.value, interval.high) == (1, 4, 7)
    assert stated == pytest.approx(0.9609375)


def test_five_runs_say_that_their_range_covers_less_than_95_percent():
    estimate = median_estimate([3.0, 1.0, 2.0, 5.0, 4.0], "bytes")
    assert (estimate.low, estimate.value, estimate.high) == (1, 3, 5)
    assert "93.75 %" in estimate.method


@pytest.mark.parametrize("make", [mean_estimate, median_estimate])
def test_one_run_gives_no_number_but_shows_what_it_saw(make):
    estimate = make([4.25], "s")
    assert (estimate.value, estimate.low, estimate.high) == (None, None, None)
    assert estimate.status == NOT_RESOLVED
    assert "4.25 s" in estimate.reason


@pytest.mark.parametrize("values", [[], [1.0]])
def test_too_few_values_have_no_interval(values):
    assert mean_interval(values) is None
    assert median_interval(values) is None
    assert welch_interval(values, [1.0, 2.0]) is None
    assert welch_interval([1.0, 2.0], values) is None


def test_equal_times_have_an_interval_without_width():
    interval = welch_interval([1.0] * 3, [3.0] * 3)
    assert (interval.value, interval.half_width, interval.relative_half_width) == (2, 0, 0)


def test_relative_half_width_of_a_negative_difference_is_infinite():
    assert welch_interval([3.0, 3.1], [1.0, 1.1]).relative_half_width == math.inf


def test_disjoint_needs_both_intervals():
    def at(low, high):
        return Estimate(1.0, low, high, "s", 5, RESOLVED, "")

    assert disjoint(at(1, 2), at(3, 4))
    assert disjoint(at(3, 4), at(1, 2))
    assert not disjoint(at(1, 3), at(3, 4))
    assert not disjoint(at(None, 2), at(3, 4))
