"""The outlier rule: its false-alarm rate on clean cells, and what it must find."""

import numpy as np
import pytest

from morocco.screen.outliers import CUTOFFS, cutoff, find_outliers


def alarms(cells):
    return sum(bool(find_outliers(cell)) for cell in cells) / len(cells)


def normal_cells(seed, count, n, spread):
    rng = np.random.default_rng(seed)
    return np.maximum(20 * (1 + spread * rng.standard_normal((count, n))), 0.1).tolist()


def found(cell):
    return {outlier.position for outlier in find_outliers(cell)}


@pytest.mark.parametrize("spread", [0.01, 0.03, 0.10])
@pytest.mark.parametrize("n", [3, 5, 8, 20])
def test_at_most_one_clean_cell_in_a_hundred_is_touched(n, spread):
    # standard error 0.08 points at 15,000 cells: 1.2 % would be 2.5 of them above the promise
    assert alarms(normal_cells([n, int(100 * spread)], 15_000, n, spread)) <= 0.012


def test_cutoffs_keep_the_rate_between_tabled_sizes():
    for n in (22, 35, 50):
        assert alarms(normal_cells(n, 4000, n, 0.02)) <= 0.015
    assert cutoff(5) == CUTOFFS[5]
    assert cutoff(22) == pytest.approx(5.4 - 0.2 * 2 / 5)
    assert cutoff(1000) == CUTOFFS[100]


@pytest.mark.parametrize("factor", [1.5, 2.0])
@pytest.mark.parametrize(("spread", "power"), [(0.01, 0.999), (0.02, 0.995), (0.03, 0.98)])
@pytest.mark.parametrize("n", [4, 5, 8])
def test_a_slowed_run_is_found(n, spread, power, factor):
    cells = normal_cells([1, n, int(100 * spread)], 3000, n, spread)
    hits = 0
    for cell in cells:
        cell[0] *= factor
        hits += 0 in found(cell)
    # of four runs only three are left to agree; the range of seven is wider than that of four
    assert hits / len(cells) >= power - (0.02 if n != 5 else 0)


def test_two_cold_runs_of_five_are_found():
    cells = normal_cells(2, 2000, 5, 0.02)
    hits = 0
    for cell in cells:
        cell[0] *= 1.5
        cell[3] *= 2.4
        hits += found(cell) == {0, 3}
    assert hits / len(cells) >= 0.98


def test_truncated_run_is_found():
    assert found([20.1, 20.0, 5.0, 19.9, 20.2]) == {2}


def test_equal_times_do_not_make_a_hair_an_outlier():
    # MAD 0: without a floor, 1 ms would lie infinitely apart
    assert found([20.0, 20.0, 20.0, 20.0, 20.001]) == set()
    assert found([0.5, 0.5, 0.5, 0.5, 0.52]) == set()
    assert found([0.5, 0.5, 0.5, 0.5, 1.0]) == {4}


def test_two_levels_without_a_majority_are_left_alone():
    assert found([10.0, 10.1, 20.0, 20.1]) == set()
    assert found([10.0, 20.0]) == set()
    assert found([]) == set()


def test_an_outlier_says_what_was_seen():
    (outlier,) = find_outliers([10.0, 10.1, 9.9, 10.05, 21.0])
    assert (outlier.position, outlier.seconds, outlier.median_seconds) == (4, 21.0, 10.05)
    assert outlier.score > cutoff(5)
    assert outlier.rule == "spread"
    (step,) = find_outliers([10.0, 10.6, 9.6, 10.05, 16.0])
    assert step.rule == "step"
