"""Is a container's output a complete, valid set of predictions for the input it was given?

The output is untrusted: it may be huge, truncated, binary or made to hurt. Every fault is a named
reason with the lines it was seen on; memory stays bounded by the input's size and one line.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

import msgspec

from morocco.errors import MoroccoError
from morocco.formats.record import Reason
from morocco.tasks.labels import (
    ANSWER_LABELS,
    Label,
    allowed_labels,
    parse_choice,
    parse_idx,
    parse_label,
    show_label,
)
from morocco.tasks.records import raw_lines
from morocco.tasks.registry import Task

# A MuSeRC passage with 60 questions of 10 answers is 20 kB of JSON.
MAX_LINE_BYTES = 2**20
SHOWN = 3  # faults of a kind that a detail names; the rest are counted
_SURPLUS_LINES = 1000  # lines beyond the input's count that are still looked at
_MAX_LINES = 1_000_000  # of a predictions file of any origin
_CHUNK = 2**20

# MuSeRC: {question idx: {answer idx: 0 or 1}}
AnswerLabels = dict[int, dict[int, int]]
Prediction = Label | AnswerLabels


@dataclass(frozen=True)
class PredictionCheck:
    """Outcome for one output. Without reasons it is valid."""

    reasons: tuple[Reason, ...]
    predictions_sha256: str | None  # of all (idx, label), whatever their order; null: not valid
    predictions: dict[int, Prediction]  # idx -> label of its first occurrence; empty: not valid
    lines: int  # in the output
    expected: int  # records in the input
    inconsistent: int = 0  # idx that got another label in a later cycle of the same input

    @property
    def valid(self) -> bool:
        return not self.reasons


class _Line(msgspec.Struct):
    idx: int | str
    label: Any = msgspec.UNSET


class _AnswerIn(msgspec.Struct):
    idx: int | str
    label: Any = msgspec.UNSET


class _QuestionIn(msgspec.Struct):
    idx: int | str
    answers: list[_AnswerIn]


class _PassageIn(msgspec.Struct):
    questions: list[_QuestionIn]


class _MusercLine(msgspec.Struct):
    idx: int | str
    passage: _PassageIn


class _InputLine(msgspec.Struct):
    idx: int | str


@dataclass
class _Faults:
    """Counts of each kind of fault, with the first few as text."""

    counts: Counter[str] = field(default_factory=Counter)
    shown: dict[str, list[str]] = field(default_factory=dict)

    def add(self, code: str, text: str, times: int = 1) -> None:
        self.counts[code] += times
        texts = self.shown.setdefault(code, [])
        if len(texts) < SHOWN:
            texts.append(text)

    def reasons(self) -> tuple[Reason, ...]:
        order = ("prediction_count", "prediction_idx", "prediction_format", "prediction_label")
        return tuple(Reason(code, self._detail(code)) for code in order if self.counts[code])

    def _detail(self, code: str) -> str:
        rest = self.counts[code] - len(self.shown[code])
        return "; ".join(self.shown[code]) + (f"; and {rest} more" if rest > 0 else "")


@dataclass(frozen=True)
class _Expected:
    counts: Counter[int]  # idx -> how often it stands in the input
    shapes: dict[int, AnswerLabels]  # MuSeRC: questions and answers of each passage
    records: int


def check_predictions(task: Task, input_path: Path, output_path: Path) -> PredictionCheck:
    """Compare ``output_path`` (the container's stdout) with ``input_path`` (what it was fed).

    Valid: one line a record, in any order, every idx as often as in the input, every label in the
    task's set; in MuSeRC every question and answer of the passage once. RuCoS takes any text, as
    the official evaluation does. Raises MoroccoError only where a file cannot be read or the input
    is no input; whatever the output holds becomes a reason.
    """
    expected = _read_input(task, input_path)
    faults = _Faults()
    got: list[tuple[int, Prediction]] = []
    try:
        with open(output_path, "rb") as file:
            most = expected.records + _SURPLUS_LINES
            lines, bad = _read_output(task, file, expected, faults, got, most=most)
    except OSError as error:
        raise MoroccoError(f"cannot be read: {error.strerror}", place=str(output_path)) from error
    _compare_counts(expected, Counter(idx for idx, _ in got), lines, bad, faults)

    reasons = faults.reasons()
    if reasons:
        return PredictionCheck(reasons, None, {}, lines, expected.records)
    first, inconsistent = _first_of_each(got)
    return PredictionCheck(
        (), predictions_sha256(got), first, lines, expected.records, inconsistent
    )


def read_predictions(
    task: Task, split_path: Path, predictions_path: Path
) -> tuple[dict[int, Prediction], int]:
    """Predictions for a split by idx, and how many idx came again with another label.

    For files of any origin: an idx may be missing or come again (an input cycled beyond the
    split; its first label counts), everything else is held to ``check_predictions``. Raises
    MoroccoError that names the lines and idx at fault.
    """
    expected = _read_input(task, split_path)
    faults = _Faults()
    got: list[tuple[int, Prediction]] = []
    try:
        with open(predictions_path, "rb") as file:
            lines, _ = _read_output(task, file, expected, faults, got, most=_MAX_LINES)
    except OSError as error:
        raise MoroccoError(
            f"cannot be read: {error.strerror}", place=str(predictions_path)
        ) from error
    if lines > _MAX_LINES:
        faults.add("prediction_count", f"{lines} lines, more than {_MAX_LINES}")
    if reasons := faults.reasons():
        raise MoroccoError(
            "; ".join(reason.detail for reason in reasons), place=str(predictions_path)
        )
    return _first_of_each(got)


def _first_of_each(got: list[tuple[int, Prediction]]) -> tuple[dict[int, Prediction], int]:
    first: dict[int, Prediction] = {}
    other = {idx for idx, label in got if first.setdefault(idx, label) != label}
    return first, len(other)


def predictions_sha256(predictions: Sequence[tuple[int, Prediction]]) -> str:
    """SHA-256 of (idx, label) pairs in canonical form; the same for every order of the pairs."""
    times = Counter(map(id, predictions))  # what repeats is mostly one object: see _read_output
    pairs = {id(pair): pair for pair in predictions}
    rows = sorted((idx, _canonical(label), times[key]) for key, (idx, label) in pairs.items())
    digest = hashlib.sha256()
    for idx, label, count in rows:
        digest.update(b"%d\t%s\n" % (idx, label) * count)
    return digest.hexdigest()


def _canonical(label: Prediction) -> bytes:
    if isinstance(label, dict):
        return msgspec.json.encode([[q, sorted(a.items())] for q, a in sorted(label.items())])
    return msgspec.json.encode(label)


def _read_input(task: Task, path: Path) -> _Expected:
    counts: Counter[int] = Counter()
    shapes: dict[int, AnswerLabels] = {}
    known: dict[bytes, int] = {}  # an input repeats its lines: decode each one once
    records = 0
    for number, line in raw_lines(path):
        records += 1
        idx = known.get(line)
        if idx is None:
            idx, shape = _input_line(task, line, f"{path}:{number}")
            known[line] = idx
            if shape is not None:
                shapes[idx] = shape
        counts[idx] += 1
    if not records:
        raise MoroccoError("no records in the input", place=str(path))
    return _Expected(counts, shapes, records)


def _input_line(task: Task, line: bytes, place: str) -> tuple[int, AnswerLabels | None]:
    shape = None
    try:
        if task.key == "muserc":
            nested = msgspec.json.decode(line, type=_MusercLine)
            raw, shape = nested.idx, _shape(nested.passage)
        else:
            raw = msgspec.json.decode(line, type=_InputLine).idx
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise MoroccoError(f"not a {task.title} record: {error}", place=place) from error
    idx = parse_idx(raw)
    if idx is None:
        raise MoroccoError(f"idx {show_label(raw)} is no integer", place=place)
    return idx, shape


def _shape(passage: _PassageIn) -> AnswerLabels:
    return {
        _int(question.idx): {_int(answer.idx): 0 for answer in question.answers}
        for question in passage.questions
    }


def _int(raw: int | str) -> int:
    idx = parse_idx(raw)
    if idx is None:
        raise msgspec.ValidationError(f"idx {show_label(raw)} is no integer")
    return idx


def _read_output(
    task: Task,
    file: IO[bytes],
    expected: _Expected,
    faults: _Faults,
    got: list[tuple[int, Prediction]],
    *,
    most: int,
) -> tuple[int, int]:
    """Parse prediction lines into ``got``; return (lines, lines that were no prediction)."""
    nested = task.key == "muserc"
    decoder: msgspec.json.Decoder[Any] = msgspec.json.Decoder(_MusercLine if nested else _Line)
    # An output repeats as its input does. Of one that differs each time no more is remembered.
    known: dict[bytes, tuple[int, Prediction]] = {}
    lines = bad = 0
    for number, line in _bounded_lines(file, most):
        lines = number
        if line is not None and (seen := known.get(line)) is not None:
            got.append(seen)
            continue
        if line is None:
            faults.add("prediction_format", f"line {number}: longer than {MAX_LINE_BYTES} bytes")
            bad += 1
            continue
        try:
            decoded = decoder.decode(line)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            what = f"{error}" if line.strip() else "empty line"
            faults.add("prediction_format", f"line {number}: {what}")
            bad += 1
            continue
        idx = parse_idx(decoded.idx)
        if idx is None:
            text = f"line {number}: idx {show_label(decoded.idx)} is no integer"
            faults.add("prediction_format", text)
            bad += 1
            continue
        if idx not in expected.counts:
            faults.add("prediction_idx", f"line {number}: idx {idx} is not in the input")
            bad += 1
            continue
        place = f"line {number}, idx {idx}"
        before = faults.counts.total()
        label: Prediction = (
            _answers(decoded.passage, expected.shapes[idx], place, faults)
            if nested
            else _flat_label(task, decoded, place, faults)
        )
        pair = idx, label
        got.append(pair)
        if len(known) < len(expected.counts) and faults.counts.total() == before:
            known[line] = pair
    return lines + _count_rest(file), bad


def _count_rest(file: IO[bytes]) -> int:
    """Lines beyond the last one looked at."""
    lines, last = 0, b"\n"
    while chunk := file.read(_CHUNK):
        lines += chunk.count(b"\n")
        last = chunk[-1:]
    return lines + (last != b"\n")


def _bounded_lines(file: IO[bytes], most: int) -> Iterator[tuple[int, bytes | None]]:
    """Yield (number, line), None for one that is too long, at most ``most`` of them."""
    number = 0
    while number < most and (line := file.readline(MAX_LINE_BYTES + 1)):
        number += 1
        if len(line) <= MAX_LINE_BYTES or line.endswith(b"\n"):
            yield number, line
            continue
        while line and not line.endswith(b"\n"):
            line = file.readline(_CHUNK)
        yield number, None


def _flat_label(task: Task, line: _Line, place: str, faults: _Faults) -> Label:
    if line.label is msgspec.UNSET:
        faults.add("prediction_format", f"{place}: no label")
        return ""
    label = parse_label(task, line.label)
    if label is None:
        text = f"{place}: {show_label(line.label)} is not one of {allowed_labels(task)}"
        faults.add("prediction_label", text)
        return ""
    return label


def _answers(passage: _PassageIn, shape: AnswerLabels, place: str, faults: _Faults) -> AnswerLabels:
    labels: AnswerLabels = {}
    for question in passage.questions:
        q = parse_idx(question.idx)
        if q is None or q not in shape or q in labels:
            what = "twice" if q in labels else "not in the input"
            faults.add("prediction_idx", f"{place}: question {show_label(question.idx)} is {what}")
            continue
        labels[q] = {}
        for answer in question.answers:
            a = parse_idx(answer.idx)
            where = f"{place}, question {q}, answer {show_label(answer.idx)}"
            if a is None or a not in shape[q] or a in labels[q]:
                what = "twice" if a in labels[q] else "not in the input"
                faults.add("prediction_idx", f"{where} is {what}")
                continue
            label = parse_choice(ANSWER_LABELS, answer.label)
            if label is None:
                shown = "missing" if answer.label is msgspec.UNSET else show_label(answer.label)
                faults.add("prediction_label", f"{where}: label {shown} is not one of 0, 1")
            labels[q][a] = int(label or 0)
    for q, answers in shape.items():
        if q not in labels:
            faults.add("prediction_idx", f"{place}: question {q} is missing")
        elif missing := [a for a in answers if a not in labels[q]]:
            shown = f"{place}, question {q}: answer {missing[0]} is missing"
            faults.add("prediction_idx", shown, len(missing))
    return labels


def _compare_counts(
    expected: _Expected, got: Counter[int], lines: int, bad: int, faults: _Faults
) -> None:
    missing = expected.counts - got
    surplus = got - expected.counts
    if lines != expected.records:
        text = f"{lines} predictions for {expected.records} records"
        parts = [text, *_named("missing", missing), *_named("surplus", surplus)]
        faults.add("prediction_count", ", ".join(parts))
    if lines > expected.records + _SURPLUS_LINES:
        return  # not all were looked at
    for idx, times in sorted(surplus.items())[:SHOWN]:
        text = f"idx {idx} comes {expected.counts[idx] + times} times, not {expected.counts[idx]}"
        faults.add("prediction_idx", text)
    if len(surplus) > SHOWN:
        faults.add("prediction_idx", "", len(surplus) - SHOWN)
    # Lines that are no predictions explain as many missing idx.
    if lines == expected.records and missing.total() > bad:
        faults.add("prediction_idx", ", ".join(_named("missing", missing)))


def _named(what: str, counts: Counter[int]) -> list[str]:
    if not counts:
        return []
    shown = ", ".join(map(str, sorted(counts)[:SHOWN]))
    more = f" and {len(counts) - SHOWN} more" if len(counts) > SHOWN else ""
    return [f"{what} idx {shown}{more}"]
