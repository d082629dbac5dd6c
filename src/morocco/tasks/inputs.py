"""What a container gets on stdin: a split without its answers, cycled to the wanted size.

The gold answers are taken out, so that a container cannot read them off: the input then has the
form of the official unlabelled test split. Everything else stays as the official line has it, and
a line without answers stays byte for byte. Scores join predictions and labelled split on idx.
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

from morocco.errors import MoroccoError
from morocco.formats.files import atomic_writer
from morocco.formats.record import Input
from morocco.tasks.records import read_records

# RUSSE's label is whether the two gold senses are equal: they would give it away.
GOLD_FIELDS = ("label", "gold_sense1", "gold_sense2")


def without_gold(record: dict[str, Any]) -> dict[str, Any]:
    """The record as the official test split has it.

    Drops ``label`` and RUSSE's ``gold_sense1/2``; in MuSeRC the ``label`` of each answer; in RuCoS
    the ``answers`` of each query. Key order stays.
    """
    bare = {key: value for key, value in record.items() if key not in GOLD_FIELDS}
    passage = bare.get("passage")
    if isinstance(passage, dict) and isinstance(passage.get("questions"), list):
        questions = [_without_answer_labels(question) for question in passage["questions"]]
        bare["passage"] = {**passage, "questions": questions}
    if isinstance(bare.get("qas"), list):
        bare["qas"] = [_drop(query, "answers") for query in bare["qas"]]
    return bare


def make_input(source: Path, size: int, target: Path) -> Input:
    """Write exactly ``size`` records of ``source``, over and over in its order, to ``target``.

    ``source``: JSON lines with distinct integer idx. ``target`` is written whole or not at all.
    Raises MoroccoError with file and line for a missing, empty or invalid source.
    """
    if size < 1:
        raise MoroccoError(f"input size {size}", place=str(target), hint="at least 1 record")
    lines, source_sha256 = _bare_lines(source)
    cycle = b"".join(lines)
    rounds, rest = divmod(size, len(lines))
    tail = b"".join(lines[:rest])
    digest = hashlib.sha256()
    with atomic_writer(target) as file:
        for block in (*(cycle for _ in range(rounds)), tail):
            file.write(block)
            digest.update(block)
    return Input(
        sha256=digest.hexdigest(),
        records=size,
        bytes=rounds * len(cycle) + len(tail),
        source_sha256=source_sha256,
        source_records=len(lines),
        path=str(target),
    )


def _bare_lines(source: Path) -> tuple[list[bytes], str]:
    lines: list[bytes] = []
    for record in read_records(source):
        bare = without_gold(record.fields)
        # json.dumps spaces and escapes as the official files do.
        changed = bare != record.fields
        text = json.dumps(bare, ensure_ascii=False).encode() if changed else record.raw
        lines.append(text + b"\n")
    with open(source, "rb") as file:
        return lines, hashlib.file_digest(file, "sha256").hexdigest()


def _without_answer_labels(question: Any) -> Any:
    if not isinstance(question, dict) or not isinstance(question.get("answers"), list):
        return question
    return {**question, "answers": [_drop(answer, "label") for answer in question["answers"]]}


def _drop(value: Any, field: str) -> Any:
    if not isinstance(value, dict):
        return value
    return {key: item for key, item in value.items() if key != field}
