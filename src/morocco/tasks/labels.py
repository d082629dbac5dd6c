"""Label and idx spellings of real containers, brought to one form.

Containers write booleans as ``true``, ``"true"`` or ``"True"``, classes 0 and 1 as number or
string, and an idx as number or string (LiDiRus has strings in the official file itself). All of
these mean the same; anything else is an error, never a guess.
"""

from __future__ import annotations

import re
from functools import cache

from morocco.errors import MoroccoError
from morocco.tasks.registry import Task

Label = str | bool | int
# 18 digits fit 64 bits with room; longer ones are hostile or broken.
_IDX = re.compile(r"-?(?:0|[1-9][0-9]{0,17})")
_MAX_IDX = 10**18
# RuCoS answers are entities of a passage, a few words; the bound keeps a score computable.
MAX_ANSWER_CHARS = 10_000
# MuSeRC's answers carry 1 where they are right.
ANSWER_LABELS: tuple[Label, ...] = (0, 1)


def parse_idx(value: object) -> int | None:
    """7, "7" -> 7; None for everything else (booleans, fractions, text, over 18 digits)."""
    if isinstance(value, int) and not isinstance(value, bool):
        return value if -_MAX_IDX < value < _MAX_IDX else None
    if isinstance(value, str) and _IDX.fullmatch(value):
        return int(value)
    return None


@cache
def _spellings(labels: tuple[Label, ...]) -> dict[tuple[type, object], Label]:
    # By type and value: in Python True == 1 and both hash alike, in JSON they differ.
    spellings: dict[tuple[type, object], Label] = {}
    for label in labels:
        texts = [str(label), str(label).lower()] if isinstance(label, bool) else [str(label)]
        for value in (label, *texts):
            spellings[type(value), value] = label
    return spellings


def parse_choice(labels: tuple[Label, ...], value: object) -> Label | None:
    """The one of ``labels`` that ``value`` spells, or None."""
    try:
        return _spellings(labels).get((type(value), value))
    except TypeError:  # a list or an object cannot be looked up
        return None


def parse_label(task: Task, value: object) -> Label | None:
    """The canonical label of ``task`` that ``value`` spells, or None. Not for MuSeRC (nested)."""
    if task.key == "rucos":
        return value if isinstance(value, str) and len(value) <= MAX_ANSWER_CHARS else None
    return parse_choice(task.labels, value)


def normalise_label(task: Task, value: object, *, place: str, idx: int) -> Label:
    """As ``parse_label``; MoroccoError names ``place``, idx and the labels that are allowed."""
    label = parse_label(task, value)
    if label is None:
        raise MoroccoError(
            f"idx {idx}: label {show_label(value)} is not one of {task.title}'s",
            place=place,
            hint=f"allowed: {allowed_labels(task)}",
        )
    return label


def allowed_labels(task: Task) -> str:
    if task.key == "rucos":
        return f"text of at most {MAX_ANSWER_CHARS} characters"
    labels = task.labels or ANSWER_LABELS
    return ", ".join(str(x).lower() if isinstance(x, bool) else str(x) for x in labels)


def show_label(value: object) -> str:
    """A label as it stands in a message: JSON-like, cut short."""
    if isinstance(value, bool) or value is None:
        return {True: "true", False: "false", None: "null"}[value]
    if isinstance(value, list | dict):
        return "[…]" if isinstance(value, list) else "{…}"
    text = repr(value) if isinstance(value, str) else str(value)
    return text if len(text) <= 60 else f"{text[:60]}… ({len(text)} characters)"
