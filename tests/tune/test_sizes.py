"""How many records a run needs."""

from __future__ import annotations

import math
import statistics

import pytest

from morocco.estimate.intervals import welch_interval
from morocco.tune import sizes

QUIET = [1.0, 1.01, 0.99, 1.0, 1.0]


def test_work_by_seconds_is_the_rule_of_ten_seconds_or_half_the_init():
    assert sizes.wanted_work(QUIET, 5, "seconds", 0.05) == 10.0
    assert sizes.wanted_work([60.0, 61.0, 59.0], 3, "seconds", 0.05) == 30.0


def test_work_by_width_leaves_an_interval_half_as_wide_as_asked():
    init = [10.0, 11.0, 9.0, 10.5, 9.5]
    work = sizes.wanted_work(init, 5, "width", 0.05)
    interval = welch_interval(init, [seconds + work for seconds in init])
    assert interval is not None
    assert interval.relative_half_width == pytest.approx(0.025)


def test_work_never_falls_to_what_only_the_clock_resolves():
    assert sizes.wanted_work([1.0, 1.0, 1.0], 3, "width", 0.5) == sizes.MIN_WORK_SECONDS
    assert sizes.spread_seconds([1.0, 1.0, 1.0]) == 0.007


@pytest.mark.parametrize(
    ("records", "batch", "size"), [(1, 1, 2), (100, 32, 128), (129, 32, 160), (2, 512, 1024)]
)
def test_sizes_are_whole_batches(records, batch, size):
    assert sizes.whole_batches(records, batch) == size


@pytest.mark.parametrize("speed", [0.5, 30.0, 5000.0, 1e6])
@pytest.mark.parametrize("batch", [1, 8, 128])
def test_load_has_the_work_and_one_batch_is_within_the_bound(speed, batch):
    size = sizes.load_size(speed, 2.0, batch, 0.05)
    assert size >= 2.0 * speed
    assert size % batch == 0
    assert batch / size <= 0.05
    # Not idly large: a rounding and the bound, nothing more.
    assert size <= 2 * max(2.0 * speed, batch / 0.05, 2 * batch)


def largest(**changes):
    known = {
        "batch_size": 32,
        "speed": 100.0,
        "init_seconds": 20.0,
        "timeout_seconds": 600.0,
        "output_bytes_per_record": 40.0,
        "stdout_limit": 64 * 2**20,
    }
    return sizes.largest_size(**{**known, **changes})


def test_largest_input_ends_within_the_time_limit():
    size = largest()
    assert 20 + size / 100 <= sizes.TIMEOUT_SHARE * 600
    assert 20 + (size + 32) / 100 > sizes.TIMEOUT_SHARE * 600


def test_largest_input_stays_within_the_output_bound():
    size = largest(speed=1e6)
    assert 0.89 * 64 * 2**20 < size * 40 <= 0.9 * 64 * 2**20
    assert largest(speed=1e9, output_bytes_per_record=0) <= sizes.MAX_INPUT


def test_a_model_slower_than_the_limit_still_gets_two_batches():
    assert largest(speed=0.001) == 64
    assert largest(timeout_seconds=10.0) == 64


def test_probe_grows_until_the_work_shows():
    # 0.1 s of work in 16 records: half a second takes 80, and half as many again for room
    size = sizes.next_probe(16, 1.1, QUIET, 10**6, 1)
    assert size is not None
    assert 16 * 0.5 / 0.1 < size <= 2 * 16 * 0.5 / 0.1
    assert sizes.next_probe(size, 1.0 + 0.1 * size / 16, QUIET, 10**6, 1) is None


def test_probe_lost_in_the_spread_grows_boundedly():
    # faster than init: nothing is known but that it is too short
    assert sizes.next_probe(100, 0.9, QUIET, 10**7, 1) == 3000
    assert sizes.next_probe(100, 1.0001, QUIET, 10**7, 1) == 3000


def test_probe_of_a_noisy_start_needs_more_work():
    noisy = [10.0, 10.5, 9.5, 10.2, 9.8]
    needed = sizes.PROBE_SPREADS * statistics.stdev(noisy)
    assert sizes.next_probe(100, 10.0 + 0.9 * needed, noisy, 10**6, 1) is not None
    assert sizes.next_probe(100, 10.0 + 1.001 * needed, noisy, 10**6, 1) is None


def test_probe_stops_at_the_cap():
    assert sizes.next_probe(100, 1.0, QUIET, 200, 1) == 200
    assert sizes.next_probe(200, 1.0, QUIET, 200, 1) is None


def test_first_probe_follows_the_speed_of_the_batch_before():
    assert sizes.first_probe(1, None) == 20
    assert sizes.first_probe(64, None) == 128
    assert sizes.first_probe(8, 1000.0) == 1200  # 125 batches, rounded to 150


# --- budget -------------------------------------------------------------------------------------

SPEEDS = {1: 10.0, 8: 100.0, 32: 400.0}


def cost(sizes_by_batch, fixed, repeats):
    return repeats * sum(fixed + size / SPEEDS[batch] for batch, size in sizes_by_batch.items())


def test_sizes_within_the_budget_stay():
    wanted = {1: 100, 8: 1000, 32: 4000}
    kept = sizes.within_budget(
        wanted, SPEEDS, fixed_seconds=1.0, repeats=5, seconds_left=cost(wanted, 1.0, 5) / 0.79
    )
    assert kept == wanted


@pytest.mark.parametrize("left", [60.0, 120.0, 180.0])
def test_sizes_above_the_budget_are_cut_to_it(left):
    wanted = {1: 100, 8: 1000, 32: 4000}  # 10 s each
    cut = sizes.within_budget(wanted, SPEEDS, fixed_seconds=1.0, repeats=5, seconds_left=left)
    assert cost(cut, 1.0, 5) <= 0.8 * left
    assert cost(cut, 1.0, 5) > 0.7 * left  # and used
    assert all(size % batch == 0 for batch, size in cut.items())


def test_the_longest_is_cut_first():
    wanted = {1: 1000, 8: 100, 32: 400}  # 100 s, 1 s, 1 s
    cut = sizes.within_budget(wanted, SPEEDS, fixed_seconds=1.0, repeats=2, seconds_left=100.0)
    assert (cut[8], cut[32]) == (100, 400)
    assert cut[1] == math.floor((0.8 * 100 / 2 - 3 - 2) * 10)


def test_no_budget_leaves_two_batches_each():
    wanted = {1: 1000, 8: 1000, 32: 4000}
    cut = sizes.within_budget(wanted, SPEEDS, fixed_seconds=9.0, repeats=5, seconds_left=1.0)
    assert cut == {1: 2, 8: 16, 32: 64}
