"""Scores with intervals: of one task from predictions or given, and overall."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from morocco.errors import MoroccoError
from morocco.estimate.results import Score
from morocco.tasks.gold import Gold, read_gold
from morocco.tasks.metrics import check_metrics, compute_metrics, query_scores, task_score
from morocco.tasks.predictions import Prediction
from morocco.tasks.registry import TASKS, Task

if TYPE_CHECKING:
    import numpy as np

    Array = np.ndarray[Any, np.dtype[np.float64]]

# 1.959964: the 97.5 % point of the normal distribution.
Z95 = 1.959963984540054
# 2000 resamples place the 2.5 % and 97.5 % points to about 0.07 standard errors of the score
# (Efron & Tibshirani 1993, An Introduction to the Bootstrap, section 13.3 asks for >= 1000).
RESAMPLES = 2000
SEED = 20210101


def score_task(task: Task, labelled_path: Path, predictions: Mapping[int, Prediction]) -> Score:
    """Score ``predictions`` (idx -> label) against the labelled split, every record once.

    The interval is for other records of the same kind: Wilson's for accuracy, else a percentile
    bootstrap over records (MuSeRC: passages). A split without gold answers gives no score and a
    reason; predictions for a part of the split give a score whose ``reason`` says on how many
    records it rests. Raises MoroccoError for an idx that the split does not have.
    """
    gold = read_gold(task, labelled_path)
    if gold is None:
        return absent_score(f"{labelled_path} has no gold answers")
    metrics = compute_metrics(task, gold, predictions)
    low, high = score_interval(task, gold, predictions)
    n = len(predictions)
    part = None if n == len(gold) else f"rests on {n} of the split's {len(gold)} records"
    return Score(metrics, task_score(task, metrics), "measured", n, part, low, high)


def given_score(task: Task, metrics: Mapping[str, float]) -> Score:
    """A score known from elsewhere: the official metrics as published, without an interval.

    Raises MoroccoError where ``metrics`` are not the task's own, or no fractions.
    """
    checked = check_metrics(task, metrics, f"given score of {task.title}")
    return Score(checked, task_score(task, checked), "given")


def absent_score(reason: str) -> Score:
    return Score({}, None, "absent", 0, reason)


def overall_score(scores: Mapping[str, Score]) -> Score:
    """The benchmark's overall score: the plain mean of the nine task scores.

    ``scores``: by task key. Null with a reason where one is missing. The interval combines the
    tasks' distances to their limits as independent ones (MOVER: Zou & Donner 2008, Statistics in
    Medicine 27:1693); null where a task has none. ``source`` is "measured" only if all nine are.
    """
    missing = [
        task.title for key, task in TASKS.items() if key not in scores or scores[key].score is None
    ]
    if missing:
        return absent_score(f"no score for {', '.join(missing)}")
    parts = [scores[key] for key in TASKS]
    values = [cast("float", part.score) for part in parts]
    mean = math.fsum(values) / len(parts)
    records = sum(part.records for part in parts)
    given = [TASKS[key].title for key in TASKS if scores[key].source == "given"]
    partial = [TASKS[key].title for key in TASKS if scores[key].reason]
    notes = []
    if given and len(given) < len(parts):
        notes.append(f"given, not measured: {', '.join(given)}")
    if partial:
        notes.append(f"rests on a part of {', '.join(partial)}")
    low = high = None
    if all(part.low is not None and part.high is not None for part in parts):
        below = math.fsum(
            (v - cast("float", p.low)) ** 2 for v, p in zip(values, parts, strict=True)
        )
        above = math.fsum(
            (cast("float", p.high) - v) ** 2 for v, p in zip(values, parts, strict=True)
        )
        low = mean - math.sqrt(below) / len(parts)
        high = mean + math.sqrt(above) / len(parts)
    source = "given" if given else "measured"
    return Score({}, mean, source, records, "; ".join(notes) or None, low, high)


def wilson_interval(right: int, n: int) -> tuple[float, float]:
    """95 % interval of a proportion (Wilson 1927; recommended for small n by Brown, Cai &
    DasGupta 2001, Statistical Science 16:101)."""
    if not 0 <= right <= n or n < 1:
        raise MoroccoError(f"{right} of {n} is no proportion")
    centre = (right + Z95**2 / 2) / (n + Z95**2)
    half = Z95 / (n + Z95**2) * math.sqrt(right * (n - right) / n + Z95**2 / 4)
    # At the ends the formula leaves rounding errors beyond 0 and 1.
    return (0.0 if right == 0 else centre - half, 1.0 if right == n else centre + half)


def score_interval(
    task: Task, gold: Mapping[int, Gold], predictions: Mapping[int, Prediction]
) -> tuple[float, float]:
    """95 % interval of the task's score over the predicted records."""
    idx = sorted(predictions)
    if task.metrics == ("accuracy",):
        return wilson_interval(sum(gold[i] == predictions[i] for i in idx), len(idx))
    if task.key == "muserc":
        values = _muserc_resamples(gold, predictions, idx)
    elif task.key == "rucos":
        values = _rucos_resamples(gold, predictions, idx)
    else:
        values = _confusion_resamples(task, gold, predictions, idx)
    return _percentiles(task, values, len(idx))


def _percentiles(task: Task, values: Array, n: int) -> tuple[float, float]:
    import numpy as np

    low, high = (float(value) for value in np.quantile(values, (0.025, 0.975)))
    # All records right or all wrong: resampling sees no spread, but other records would show one.
    worst = -1.0 if task.key == "lidirus" else 0.0
    if values.min() == 1.0:
        low = worst + (1.0 - worst) * wilson_interval(n, n)[0]
    elif values.max() == worst:
        high = worst + (1.0 - worst) * wilson_interval(0, n)[1]
    return low, high


def _confusion_resamples(
    task: Task, gold: Mapping[int, Gold], predictions: Mapping[int, Prediction], idx: list[int]
) -> Array:
    """Resampling records is drawing the cells of the confusion matrix from a multinomial."""
    import numpy as np

    k = len(task.labels)
    place = {label: i for i, label in enumerate(task.labels)}
    table = np.zeros((k, k))
    for i in idx:
        table[place[cast("str", gold[i])], place[cast("str", predictions[i])]] += 1
    draws = np.random.default_rng(SEED).multinomial(len(idx), table.ravel() / len(idx), RESAMPLES)
    tables = draws.reshape(-1, k, k).astype(float)
    right = np.einsum("bii->b", tables)
    truth, said = tables.sum(2), tables.sum(1)  # per class: records of it, predictions of it
    n = len(idx)
    if task.key == "lidirus":
        # Gorodkin 2004: Matthews correlation of a k-class table; 0 where a side is constant.
        cov = right * n - (truth * said).sum(1)
        spread = np.sqrt((n * n - (truth**2).sum(1)) * (n * n - (said**2).sum(1)))
        return np.divide(cov, spread, out=np.zeros_like(cov), where=spread > 0)
    hits = np.einsum("bii->bi", tables)
    seen = truth + said > 0
    f1 = np.divide(2 * hits, truth + said, out=np.zeros_like(hits), where=seen)
    return (f1.sum(1) / seen.sum(1) + right / n) / 2


def _muserc_resamples(
    gold: Mapping[int, Gold], predictions: Mapping[int, Prediction], idx: list[int]
) -> Array:
    """Whole passages are drawn: their questions are not independent."""
    import numpy as np

    counts = np.zeros((len(idx), 4))  # right positives, positives of both sides, exact, questions
    for row, i in enumerate(idx):
        truth, said = cast("dict[int, dict[int, int]]", gold[i]), predictions[i]
        assert isinstance(said, dict)
        for q, answers in truth.items():
            pairs = [(label, said[q][a]) for a, label in answers.items()]
            counts[row] += (
                sum(g and p for g, p in pairs),
                sum(g + p for g, p in pairs),
                all(g == p for g, p in pairs),
                1,
            )
    draws = np.random.default_rng(SEED).multinomial(
        len(idx), np.full(len(idx), 1 / len(idx)), RESAMPLES
    )
    hits, positives, exact, questions = (draws @ counts).T
    f1 = np.divide(2 * hits, positives, out=np.zeros_like(hits), where=positives > 0)
    return (f1 + exact / questions) / 2


def _rucos_resamples(
    gold: Mapping[int, Gold], predictions: Mapping[int, Prediction], idx: list[int]
) -> Array:
    """The score is a mean over queries; records with equal values are drawn together."""
    import numpy as np

    rows = []
    for i in idx:
        queries = cast("tuple[tuple[str, ...], ...]", gold[i])
        scores = [query_scores(answers, cast("str", predictions[i])) for answers in queries]
        rows.append((sum(f1 + exact for f1, exact in scores) / 2, float(len(scores))))
    values, counts = np.unique(np.array(rows), axis=0, return_counts=True)
    draws = np.random.default_rng(SEED).multinomial(len(idx), counts / len(idx), RESAMPLES)
    totals, queries_drawn = (draws @ values).T
    return totals / queries_drawn
