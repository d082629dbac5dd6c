import math
import random

import pytest
from synthetic import resolved, unresolved

from morocco.board.means import geometric_mean, largest, mean_score, score_estimate
from morocco.estimate.results import ABSENT, NOT_RESOLVED, Estimate, Score, absent


def around(value: float, low: float, high: float) -> Estimate:
    return Estimate(value, low, high, "records/s", 5, "resolved", "")


def test_geometric_mean_and_its_interval_by_hand() -> None:
    mean = geometric_mean({"a": around(10, 8, 12), "b": around(1000, 900, 1050)}, "records/s")
    assert mean.value == pytest.approx(100)
    down = math.hypot(math.log(10 / 8), math.log(1000 / 900)) / 2
    up = math.hypot(math.log(12 / 10), math.log(1050 / 1000)) / 2
    assert mean.low == pytest.approx(100 * math.exp(-down))
    assert mean.high == pytest.approx(100 * math.exp(up))
    assert mean.n == 10


def test_the_interval_covers_the_truth_as_often_as_it_says() -> None:
    chance = random.Random(3)
    truth = [3.0, 40.0, 500.0, 70.0, 9.0]
    sigma = [0.02, 0.1, 0.05, 0.01, 0.08]
    target = math.exp(sum(map(math.log, truth)) / len(truth))
    covered = 0
    trials = 2000
    for _ in range(trials):
        seen = {}
        for i, (value, sd) in enumerate(zip(truth, sigma, strict=True)):
            x = value * math.exp(chance.gauss(0, sd))
            seen[str(i)] = around(x, x * math.exp(-1.96 * sd), x * math.exp(1.96 * sd))
        mean = geometric_mean(seen, "")
        assert mean.low is not None and mean.high is not None
        covered += mean.low <= target <= mean.high
    assert 0.935 <= covered / trials <= 0.965  # three standard errors around 95 %


@pytest.mark.parametrize(
    ("extra", "status", "words"),
    [
        (None, ABSENT, "not measured on b"),
        (absent("records/s", "all runs invalid"), ABSENT, "absent on b"),
        (unresolved("records/s", 9000), NOT_RESOLVED, "not resolved on b"),
    ],
)
def test_an_incomplete_set_has_no_mean(extra: Estimate | None, status: str, words: str) -> None:
    mean = geometric_mean({"a": resolved(5, "records/s"), "b": extra}, "records/s")
    assert (mean.value, mean.low, mean.high) == (None, None, None)
    assert mean.status == status
    assert words in (mean.reason or "")
    if status == NOT_RESOLVED:
        assert mean.needed_input_size == 9000


def test_one_reason_for_all_tasks_is_given_as_it_is() -> None:
    none = absent("bytes", "no GPU was used")
    assert largest({"a": none, "b": none}, "bytes").reason == "no GPU was used"


def test_a_bound_that_one_task_lacks_is_lacking_in_the_mean() -> None:
    mean = geometric_mean(
        {"a": resolved(5, ""), "b": Estimate(5, None, None, "", 1, "resolved", "")}, ""
    )
    assert mean.value == pytest.approx(5)
    assert (mean.low, mean.high) == (None, None)


def test_largest_takes_each_bound_from_the_task_that_reaches_it() -> None:
    top = largest({"a": around(10, 9, 11), "b": around(9.5, 5, 20)}, "bytes")
    assert (top.value, top.low, top.high) == (10, 9, 20)


def test_overall_score_is_the_plain_mean() -> None:
    scores = {
        str(i): score_estimate(Score({}, value, "measured", 100, None, value - 0.03, value + 0.03))
        for i, value in enumerate([0.5, 0.7, 0.9])
    }
    mean = mean_score(dict(scores))
    assert mean.value == pytest.approx(0.7)
    assert mean.low == pytest.approx(0.7 - 0.03 * math.sqrt(3) / 3)


def test_a_given_score_has_no_interval_and_an_absent_one_no_value() -> None:
    given = score_estimate(Score({}, 0.5, "given"))
    assert (given.value, given.low, given.method) == (0.5, None, "given in the config")
    assert score_estimate(Score({}, None, "absent", reason="unlabelled")).reason == "unlabelled"
    assert score_estimate(None).value is None
    assert mean_score({"a": given, "b": score_estimate(None)}).value is None
