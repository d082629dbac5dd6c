import pytest
from synthetic import GIB, unresolved

from morocco.board.numbers import text
from morocco.estimate.results import Estimate, absent


def printed(value: float, low: float | None, high: float | None) -> str:
    return text(Estimate(value, low, high, "records/s", 5, "resolved", "Welch")).line


@pytest.mark.parametrize(
    ("value", "low", "high", "shown"),
    [
        (117.7475, 112.2, 123.3, "118 ± 6"),
        (0.52134, 0.4981, 0.5446, "0.521 ± 0.023"),
        (37012.0, 36400.0, 37600.0, "37 000 ± 600"),
        (0.0000243, 0.0000240, 0.0000246, "0.0000243 ± 0.0000003"),
        (100.0, 80.0, 140.0, "100 [80, 140]"),
        (14.0, 13.99999, 14.00001, "14.00 ± <0.01"),
        (117.7475, None, None, "118 ± ?"),
        (5.0, 5.0, 5.0, "5.00 ± 0"),
        (0.0, -0.2, 0.2, "0.00 ± 0.20"),
    ],
)
def test_as_many_digits_as_the_interval_bears(
    value: float, low: float | None, high: float | None, shown: str
) -> None:
    assert printed(value, low, high).replace("\u202f", " ") == shown


def test_never_a_number_where_there_is_none() -> None:
    found = text(Estimate(None, 3.0, 9.0, "records/s", 5, "not_resolved", "", "too short", 40000))
    assert found.line.replace("\u202f", " ") == "not resolved (needs ≥ 40 000 records)"
    assert found.why == "too short"
    assert text(unresolved("records/s", None)).line == "not resolved"
    missing = text(absent("bytes", "no GPU was used"))
    assert (missing.line, missing.why) == ("—", "no GPU was used")
    assert text(None).line == "—"


def test_scaling_to_gib() -> None:
    found = text(Estimate(2.5 * GIB, 2.4 * GIB, 2.6 * GIB, "bytes", 3, "resolved", "median"), GIB)
    assert found.line == "2.50 ± 0.10"
    assert found.why == "3 runs; median"
