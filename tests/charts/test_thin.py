from hypothesis import given
from hypothesis import strategies as st

from morocco.charts.thin import thin

known = st.floats(0, 1e12, allow_nan=False)


@given(st.lists(known, min_size=1, max_size=2000), st.integers(4, 300))
def test_extremes_and_ends_stay_and_the_limit_holds(values: list[float], limit: int) -> None:
    kept = thin(values, limit)
    assert kept == sorted(set(kept))
    assert len(kept) <= max(limit, 4)
    assert {0, len(values) - 1} <= set(kept)
    assert max(values[i] for i in kept) == max(values)
    assert min(values[i] for i in kept) == min(values)


@given(st.lists(st.one_of(st.none(), known), max_size=300))
def test_a_line_breaks_where_the_log_has_nothing(values: list[float | None]) -> None:
    kept = thin(values, limit=10_000)
    assert [values[i] for i in kept if values[i] is not None] == [
        value for value in values if value is not None
    ]
    gaps = sum(
        value is None and (i == 0 or values[i - 1] is not None) for i, value in enumerate(values)
    )
    assert sum(values[i] is None for i in kept) == gaps


def test_a_spike_of_one_sample_in_thousands_is_kept() -> None:
    values = [1.0] * 5000
    values[3217] = 9.0
    assert 3217 in thin(values, 100)
