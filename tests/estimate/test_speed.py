"""Speed by difference: unbiased, covered, refused where the data cannot carry it."""

import numpy as np
import pytest

from morocco.errors import MoroccoError
from morocco.estimate.results import ABSENT, NOT_RESOLVED, RESOLVED, Estimate
from morocco.estimate.speed import (
    disagree,
    estimate_per_record,
    estimate_rps,
    linearity_warning,
    needed_input_size,
    round_up,
    streaming_warning,
)

SIMULATIONS = 3000


def simulate(rng, init, per_record, size, sd, *, share=0.0, n=5, count=SIMULATIONS):
    """Wall times of ``count`` campaigns; ``share``: spread that grows with the work."""
    ones = init + per_record + rng.normal(0, sd, (count, n))
    work = per_record * size * (1 + share * rng.standard_normal((count, n)))
    return ones.tolist(), (init + work + rng.normal(0, sd, (count, n))).tolist()


@pytest.mark.parametrize(
    ("init", "per_record", "size", "sd", "share"),
    [
        (0.5, 0.002, 10000, 0.05, 0.0),
        (5.0, 0.010, 2000, 0.2, 0.0),
        (2.0, 0.010, 2000, 0.02, 0.01),
        (0.5, 0.010, 200, 0.01, 0.0),
    ],
)
def test_rps_intervals_hold_the_truth(init, per_record, size, sd, share):
    rng = np.random.default_rng([3, size])
    ones, loads = simulate(rng, init, per_record, size, sd, share=share)
    estimates = [estimate_rps(a, b, 1, size) for a, b in zip(ones, loads, strict=True)]
    truth = 1 / per_record
    resolved = [e for e in estimates if e.status == RESOLVED]
    assert len(resolved) > 0.95 * SIMULATIONS
    inside = sum(e.low <= truth <= e.high for e in resolved) / len(resolved)
    assert 0.93 <= inside <= 0.97
    assert np.median([e.value for e in resolved]) == pytest.approx(truth, rel=0.002)


def test_unresolved_cells_keep_bounds_that_hold():
    rng = np.random.default_rng(5)
    ones, loads = simulate(rng, 2.0, 0.0005, 200, 0.2)
    estimates = [estimate_rps(a, b, 1, 200) for a, b in zip(ones, loads, strict=True)]
    assert all(e.value is None and e.status == NOT_RESOLVED for e in estimates)
    inside = sum(
        (e.low is None or e.low <= 2000) and (e.high is None or e.high >= 2000) for e in estimates
    )
    assert 0.93 <= inside / SIMULATIONS <= 0.97


def test_the_init_record_is_subtracted_as_well():
    # start 1 s, 0.1 s a record: T(1) = 1.1, T(11) = 2.1; N / difference would say 11
    estimate = estimate_rps([1.1, 1.1], [2.1, 2.1], 1, 11)
    assert estimate.value == pytest.approx(10.0)
    assert estimate_rps([2.0, 2.0], [3.0, 3.0], 10, 30).value == pytest.approx(20.0)


def test_cost_per_record_is_the_same_difference():
    estimate = estimate_per_record([1.0, 1.01], [5.0, 5.01], 1, 2001, "CPU-s/record")
    assert estimate.value == pytest.approx(0.002)
    assert estimate.low < 0.002 < estimate.high
    assert (estimate.unit, estimate.n) == ("CPU-s/record", 4)


def test_cost_that_is_not_resolved_is_bounded_by_zero():
    estimate = estimate_per_record([1.0, 1.4, 1.2], [1.1, 1.5, 1.3], 1, 101, "J/record")
    assert (estimate.value, estimate.low) == (None, 0.0)
    assert 0 < estimate.high < 0.1
    assert "J/record" in estimate.reason


def test_a_single_run_resolves_nothing():
    for init, load in (([1.0], [9.0, 9.1]), ([1.0, 1.1], [9.0]), ([], [])):
        estimate = estimate_rps(init, load, 1, 2000)
        assert (estimate.value, estimate.low, estimate.high) == (None, None, None)
        assert estimate.status == NOT_RESOLVED
        assert "at least two" in estimate.reason


def test_negative_difference_has_no_speed():
    estimate = estimate_rps([3.0, 3.1, 3.2], [2.0, 2.1, 2.2], 1, 2000)
    assert (estimate.value, estimate.low, estimate.high) == (None, None, None)
    assert "2000 and 1 records" in estimate.reason


def test_bound_decides_and_is_named():
    init, load = [1.0, 1.1, 0.9], [3.0, 3.1, 2.9]
    strict = estimate_rps(init, load, 1, 100)
    assert strict.status == NOT_RESOLVED
    assert "± 5 %" in strict.reason
    assert str(strict.needed_input_size) in strict.reason
    assert estimate_rps(init, load, 1, 100, max_relative_half_width=0.2).status == RESOLVED


def test_luck_does_not_resolve_what_the_clock_cannot():
    # equal to the microsecond, yet 0.1 s is only known to ± 9 % when each time is to 7 ms
    estimate = estimate_rps([1.0] * 5, [1.1] * 5, 1, 201)
    assert estimate.status == NOT_RESOLVED
    half = (200 / estimate.low - 200 / estimate.high) / 2
    assert half == pytest.approx(1.96 * 0.007 * (2 / 5) ** 0.5, rel=1e-3)
    longer = 1 + 0.1 * (estimate.needed_input_size - 1) / 200
    assert estimate_rps([1.0] * 5, [longer] * 5, 1, estimate.needed_input_size).value is not None
    assert 400 <= estimate.needed_input_size <= 2000


def test_systematic_error_widens_both_ends():
    plain = estimate_rps([1.0, 1.01], [11.0, 11.01], 1, 1001)
    wide = estimate_rps([1.0, 1.01], [11.0, 11.01], 1, 1001, systematic_seconds=0.2)
    assert wide.value == plain.value
    assert 1000 / wide.low == pytest.approx(1000 / plain.low + 0.2)
    assert 1000 / wide.high == pytest.approx(1000 / plain.high - 0.2)


@pytest.mark.parametrize("sizes", [(1, 1), (10, 5), (0, 5)])
def test_sizes_that_give_no_difference_are_refused(sizes):
    with pytest.raises(MoroccoError, match="two sizes"):
        estimate_rps([1.0, 1.1], [2.0, 2.1], *sizes)


@pytest.mark.parametrize(("per_record", "size"), [(0.002, 200), (0.0005, 2000), (0.01, 100)])
def test_needed_input_size_resolves(per_record, size):
    rng = np.random.default_rng([9, size])
    count = 400
    ones, loads = simulate(rng, 2.0, per_record, size, 0.2, count=count)
    tried = solved = 0
    for a, b in zip(ones, loads, strict=True):
        first = estimate_rps(a, b, 1, size)
        if first.status == RESOLVED or first.needed_input_size is None:
            continue
        again = simulate(rng, 2.0, per_record, first.needed_input_size, 0.2, count=1)
        tried += 1
        second = estimate_rps(again[0][0], again[1][0], 1, first.needed_input_size)
        solved += second.status == RESOLVED
    assert tried > 0.9 * count
    assert solved / tried > 0.85


def test_needed_input_size_asks_for_more_repeats_where_spread_grows_with_the_work():
    rng = np.random.default_rng(13)
    init = rng.normal(1, 0.001, 5).tolist()
    load = rng.normal(11, 1.0, 5).tolist()
    estimate = estimate_rps(init, load, 1, 2000)
    assert (estimate.status, estimate.needed_input_size) == (NOT_RESOLVED, None)
    assert "repeat more often" in estimate.reason


def test_needed_input_size_is_larger_and_round():
    needed = needed_input_size([1.0, 1.3, 0.8], [1.5, 1.8, 1.2], 1, 2000)
    assert needed > 2000
    assert needed == round_up(needed)


@pytest.mark.parametrize(
    ("size", "rounded"), [(1, 1), (7, 8), (9, 10), (101, 150), (2000, 2000), (2001, 3000)]
)
def test_round_up(size, rounded):
    assert round_up(size) == rounded


def rate(value, half, status=RESOLVED):
    return Estimate(value, value - half, value + half, "records/s", 10, status, "")


def test_disagreement_needs_intervals_apart_and_a_difference_that_matters():
    assert disagree(rate(100, 1), rate(110, 1))
    assert not disagree(rate(100, 6), rate(110, 6))
    assert not disagree(rate(100, 0.1), rate(100.5, 0.1))
    assert not disagree(rate(100, 1), Estimate(None, None, None, "", 0, ABSENT, "", "none"))


def test_warnings_name_both_figures():
    bent = linearity_warning(rate(100, 1), rate(120, 1), 1000, 2000)
    assert "100 [99, 101] records/s at 1000" in bent
    assert "120 [119, 121] records/s at 2000" in bent
    apart = streaming_warning(rate(100, 1), rate(120, 1))
    assert "100 [99, 101]" in apart
    assert "120 [119, 121]" in apart
    assert linearity_warning(rate(100, 1), rate(100, 1), 1000, 2000) is None
