"""Gold answers of a labelled split, by idx."""

from __future__ import annotations

import os
from typing import Any

from morocco.errors import MoroccoError
from morocco.tasks.labels import ANSWER_LABELS, Label, normalise_label, parse_choice, parse_idx
from morocco.tasks.records import Record, read_records
from morocco.tasks.registry import Task

# Classification: the label. MuSeRC: {question idx: {answer idx: 0 or 1}}. RuCoS: for each query
# of the passage the texts of its right answers.
Gold = Label | dict[int, dict[int, int]] | tuple[tuple[str, ...], ...]


def read_gold(task: Task, path: str | os.PathLike[str]) -> dict[int, Gold] | None:
    """Gold answers by idx; None where no record has any (the official test splits).

    Raises MoroccoError with file, line and idx for a label outside the task's set, a record of
    another task, and a split in which some records have answers and others do not.
    """
    gold: dict[int, Gold] = {}
    bare: Record | None = None
    for record in read_records(path):
        answer = _gold(task, record)
        if answer is None:
            bare = bare or record
        else:
            gold[record.idx] = answer
    if bare is None:
        return gold
    if gold:
        raise MoroccoError(
            f"idx {bare.idx} has no gold answer, other records have one", place=bare.place
        )
    return None


def _gold(task: Task, record: Record) -> Gold | None:
    if task.key == "muserc":
        return _muserc(record)
    if task.key == "rucos":
        return _rucos(record)
    if "label" not in record.fields:
        return None
    return normalise_label(task, record.fields["label"], place=record.place, idx=record.idx)


def _muserc(record: Record) -> Gold | None:
    gold: dict[int, dict[int, int]] = {}
    missing = False
    for question in _list(_dict(record.fields.get("passage"), record), "questions", record):
        labels: dict[int, int] = {}
        for answer in _list(question, "answers", record):
            if "label" not in answer:
                missing = True
                continue
            label = parse_choice(ANSWER_LABELS, answer["label"])
            if label is None:
                raise MoroccoError(
                    f"idx {record.idx}: an answer's label is not 0 or 1", place=record.place
                )
            labels[_idx(answer, labels, record)] = int(label)
        gold[_idx(question, gold, record)] = labels
    if missing and any(gold.values()):
        raise MoroccoError(f"idx {record.idx}: only some answers are labelled", place=record.place)
    return None if missing else gold


def _rucos(record: Record) -> Gold | None:
    gold: list[tuple[str, ...]] = []
    queries = _list(record.fields, "qas", record)
    for query in queries:
        if "answers" in query:
            answers = _list(query, "answers", record)
            texts = [answer["text"] for answer in answers if isinstance(answer.get("text"), str)]
            if len(texts) != len(answers):
                raise MoroccoError(f"idx {record.idx}: an answer has no text", place=record.place)
            gold.append(tuple(dict.fromkeys(texts)))
    if gold and len(gold) != len(queries):
        raise MoroccoError(f"idx {record.idx}: only some queries have answers", place=record.place)
    return tuple(gold) if gold else None


def _dict(value: Any, record: Record) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise MoroccoError(f"idx {record.idx}: not a record of this task", place=record.place)
    return value


def _list(owner: dict[str, Any], field: str, record: Record) -> list[dict[str, Any]]:
    items = owner.get(field)
    if not isinstance(items, list) or not items or not all(isinstance(x, dict) for x in items):
        raise MoroccoError(
            f"idx {record.idx}: {field!r} is missing, empty or no list of objects",
            place=record.place,
            hint="is this the file of another task?",
        )
    return items


def _idx(item: dict[str, Any], taken: dict[int, Any], record: Record) -> int:
    idx = parse_idx(item.get("idx"))
    if idx is None or idx in taken:
        what = "no integer" if idx is None else "used twice"
        raise MoroccoError(
            f"idx {record.idx}: question or answer idx is {what}", place=record.place
        )
    return idx
