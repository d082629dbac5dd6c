"""The official Russian SuperGLUE metrics (Shavrina et al. 2020, arXiv:2010.15925, section 3).

LiDiRus: Matthews correlation. RCB: macro F1 and accuracy. MuSeRC: F1a and EM. RuCoS: F1 and EM.
Others: accuracy. A task's score is the mean of its official metrics. All values lie in 0..1,
Matthews correlation in -1..1.
"""

from __future__ import annotations

import string
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any, cast

from morocco.errors import MoroccoError
from morocco.tasks.gold import Gold
from morocco.tasks.labels import Label
from morocco.tasks.predictions import AnswerLabels, Prediction
from morocco.tasks.registry import Task

_NO_PUNCTUATION = str.maketrans("", "", string.punctuation)


def compute_metrics(
    task: Task, gold: Mapping[int, Gold], predictions: Mapping[int, Prediction]
) -> dict[str, float]:
    """Metrics over the records that have a prediction, each once.

    LiDiRus has its accuracy beside the official Matthews correlation. Raises MoroccoError for a
    predicted idx without a gold answer, and for no predictions at all.
    """
    if not predictions:
        raise MoroccoError("no predictions to score", place=task.title)
    if strange := [idx for idx in predictions if idx not in gold]:
        raise MoroccoError(
            f"idx {strange[0]} is predicted but not in the labelled split", place=task.title
        )
    rows = [(gold[idx], label) for idx, label in sorted(predictions.items(), key=_by_idx)]
    if task.key == "muserc":
        nested = cast("list[tuple[AnswerLabels, AnswerLabels]]", rows)
        if not all(_same_answers(truth, said) for truth, said in nested):
            raise MoroccoError("predicted answers are not those of the split", place=task.title)
        return muserc_metrics(nested)
    if task.key == "rucos":
        return rucos_metrics(cast("list[tuple[tuple[tuple[str, ...], ...], str]]", rows))
    return label_metrics(task, cast("list[tuple[Label, Label]]", rows))


def task_score(task: Task, metrics: Mapping[str, float]) -> float:
    """Mean of the task's official metrics; one of exactly 0 counts like any other."""
    return sum(metrics[name] for name in task.metrics) / len(task.metrics)


def check_metrics(task: Task, metrics: Any, place: str) -> dict[str, float]:
    """The task's official metrics, all of them and no others, as fractions."""
    if not isinstance(metrics, dict) or set(metrics) != set(task.metrics):
        raise MoroccoError(
            f"{task.title} is scored by {' and '.join(task.metrics)}",
            place=place,
            hint="as {f1: 0.367, accuracy: 0.463}",
        )
    for name, value in metrics.items():
        lowest = -1.0 if name == "mcc" else 0.0
        number = isinstance(value, int | float) and not isinstance(value, bool)
        if not number or not lowest <= value <= 1.0:
            raise MoroccoError(
                f"{name} is {value!r}, not in {lowest:g}..1",
                place=place,
                hint="a fraction as 0.52, not a percentage",
            )
    return {name: float(metrics[name]) for name in task.metrics}


def label_metrics(task: Task, rows: Sequence[tuple[Label, Label]]) -> dict[str, float]:
    """``rows``: (gold, predicted) of each record."""
    from sklearn.metrics import accuracy_score, f1_score, matthews_corrcoef

    # As text: scikit-learn takes True, 1 and "1" for different kinds of target.
    gold = [str(truth) for truth, _ in rows]
    predicted = [str(label) for _, label in rows]
    accuracy = float(accuracy_score(gold, predicted))
    if task.key == "lidirus":
        return {"mcc": float(matthews_corrcoef(gold, predicted)), "accuracy": accuracy}
    if task.key == "rcb":
        # Classes seen neither in gold nor in predictions do not count, as in the official code.
        macro = float(f1_score(gold, predicted, average="macro", zero_division=0.0))
        return {"f1": macro, "accuracy": accuracy}
    return {"accuracy": accuracy}


def muserc_metrics(rows: Sequence[tuple[AnswerLabels, AnswerLabels]]) -> dict[str, float]:
    """``rows``: (gold, predicted) answers of each passage.

    F1a: F1 of the positive class over all answers of the data set (0 where neither gold nor
    predictions have one). EM: share of questions whose answers are all right (Khashabi et al.
    2018, MultiRC, section 5).
    """
    from sklearn.metrics import f1_score

    pairs = [
        [(label, predicted[q][a]) for a, label in answers.items()]
        for gold, predicted in rows
        for q, answers in gold.items()
    ]
    flat = [pair for question in pairs for pair in question]
    gold, predicted = [g for g, _ in flat], [p for _, p in flat]
    f1a = float(f1_score(gold, predicted, pos_label=1, average="binary", zero_division=0.0))
    exact = sum(all(g == p for g, p in question) for question in pairs)
    return {"f1a": f1a, "em": exact / len(pairs)}


def rucos_metrics(rows: Sequence[tuple[tuple[tuple[str, ...], ...], str]]) -> dict[str, float]:
    """``rows``: (right answers of each query, predicted text) of each passage.

    Over all queries the mean of the best token F1, and of the best exact match, against the right
    answers, both after normalisation (Zhang et al. 2018, ReCoRD, section 4). The text of a passage
    counts for each of its queries, as in the official code.
    """
    scores = [query_scores(answers, text) for queries, text in rows for answers in queries]
    f1, exact = zip(*scores, strict=True)
    return {"f1": sum(f1) / len(scores), "em": sum(exact) / len(scores)}


def query_scores(answers: Sequence[str], text: str) -> tuple[float, float]:
    """Best (token F1, exact match) of ``text`` over the right ``answers``; 0 without any."""
    predicted = normalise_answer(text)
    best_f1 = best_exact = 0.0
    for answer in answers:
        truth = normalise_answer(answer)
        best_f1 = max(best_f1, _token_f1(predicted.split(), truth.split()))
        best_exact = max(best_exact, float(predicted == truth))
    return best_f1, best_exact


def normalise_answer(text: str) -> str:
    """Lower case, without ASCII punctuation, words one space apart: RuCoS's own normal form."""
    return " ".join(text.lower().translate(_NO_PUNCTUATION).split())


def _token_f1(predicted: list[str], truth: list[str]) -> float:
    same = (Counter(predicted) & Counter(truth)).total()
    if same == 0:
        return 0.0
    precision, recall = same / len(predicted), same / len(truth)
    return 2 * precision * recall / (precision + recall)


def _same_answers(truth: AnswerLabels, said: AnswerLabels) -> bool:
    return truth.keys() == said.keys() and all(truth[q].keys() == said[q].keys() for q in truth)


def _by_idx(item: tuple[int, Prediction]) -> int:
    return item[0]
