import math

import pytest

from morocco.charts.scale import linear_scale, log_scale, log_ticks


def test_px_and_value_are_inverse() -> None:
    for scale in (log_scale([0.3, 9000], 820), linear_scale([0.2, 0.8], 430)):
        for px in (0, 17, scale.length):
            assert scale.px(scale.value(px)) == pytest.approx(px)


def test_a_log_axis_spans_its_values_and_at_least_a_factor_of_two() -> None:
    scale = log_scale([100, 101], 800)
    assert scale.high / scale.low >= 2
    assert scale.low < 100
    assert scale.high > 101


def test_an_axis_without_values_still_exists() -> None:
    assert log_scale([], 800).low > 0
    assert linear_scale([], 400).high > linear_scale([], 400).low


@pytest.mark.parametrize("span", [1, 3, 8, 50, 900, 1e6])
def test_ticks_are_round_few_and_on_the_axis(span: float) -> None:
    scale = log_scale([2, 2 * span], 800)
    ticks = log_ticks(scale)
    assert 2 <= len(ticks) <= 10
    assert all(scale.low <= tick <= scale.high for tick in ticks)
    assert {f"{tick:e}"[0] for tick in ticks} <= set("123457")
    assert all(math.isfinite(tick) for tick in ticks)
