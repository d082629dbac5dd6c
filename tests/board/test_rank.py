from hypothesis import given
from hypothesis import strategies as st

from morocco.board.rank import Costs, front_line, pareto, ranks
from morocco.estimate.results import Estimate, absent


def around(value: float, half: float | None = 0.0) -> Estimate:
    low, high = (None, None) if half is None else (value - half, value + half)
    return Estimate(value, low, high, "", 5, "resolved", "")


NONE = absent("", "missing")


def test_overlapping_intervals_share_a_rank_and_the_next_one_is_skipped() -> None:
    estimates = [around(100, 5), around(97, 5), around(80, 5), around(10, 1), NONE]
    assert ranks(estimates, higher=True) == [1, 1, 3, 4, None]
    assert ranks(estimates, higher=False) == [3, 3, 2, 1, None]


def test_touching_intervals_are_a_tie() -> None:
    assert ranks([around(10, 1), around(8, 1)], higher=True) == [1, 1]


def test_an_unknown_bound_counts_as_the_value() -> None:
    assert ranks([around(10, None), around(8, 1)], higher=True) == [1, 2]


@given(st.lists(st.tuples(st.floats(0, 100), st.floats(0, 20)), min_size=1, max_size=20))
def test_some_row_is_first_and_no_better_value_ranks_lower(rows: list[tuple[float, float]]) -> None:
    estimates = [around(value, half) for value, half in rows]
    found = ranks(estimates, higher=True)
    assert 1 in found
    for (value, half), rank in zip(rows, found, strict=True):
        better = sum(other - wide > value + half for other, wide in rows)
        assert rank == 1 + better


def costs(
    score: float, speed: float, memory: float, *, gpu: bool = False, half: float = 0.0
) -> Costs:
    own = around(memory, half)
    return Costs(around(score, half), around(speed, half), own, around(3) if gpu else own, gpu)


def test_the_front_holds_what_nothing_beats_in_all_three() -> None:
    rows = [
        costs(0.9, 10, 8),  # best score
        costs(0.5, 100, 8),  # fastest
        costs(0.5, 10, 1),  # smallest
        costs(0.5, 9, 8),  # beaten by the fastest
    ]
    assert pareto(rows) == [True, True, True, False]


def test_no_row_loses_its_place_to_noise() -> None:
    assert pareto([costs(0.9, 10, 8, half=0.1), costs(0.89, 9.9, 8.1, half=0.1)]) == [True, True]


def test_equal_rows_are_both_on_the_front() -> None:
    assert pareto([costs(0.5, 5, 5), costs(0.5, 5, 5)]) == [True, True]


def test_a_model_without_gpu_is_never_beaten_by_one_that_needs_one() -> None:
    gpu, cpu = costs(0.9, 100, 2, gpu=True), costs(0.5, 50, 2.5)
    assert pareto([gpu, cpu]) == [True, True]
    better = costs(0.95, 200, 2.5)
    assert pareto([gpu, better]) == [False, True]


def test_a_row_with_a_figure_missing_is_neither_on_nor_off() -> None:
    missing = Costs(NONE, around(1e6), around(1e-9), around(1e-9), False)
    assert pareto([missing, costs(0.5, 5, 5)]) == [None, True]


def test_the_line_joins_what_is_not_beaten_in_speed_and_score() -> None:
    points = [(10.0, 0.9), (100.0, 0.5), (50.0, 0.4), (None, 0.99), (100.0, 0.5)]
    assert front_line(points) == [True, True, False, False, True]
