"""JSON-lines files of records: read line by line, errors name file and line."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import msgspec

from morocco.errors import MoroccoError
from morocco.tasks.labels import parse_idx

# The longest official records (RuCoS, MuSeRC passages) stay below 30 kB; beyond this a file is
# something else, and reading it line by line would not bound memory.
MAX_RECORD_BYTES = 16 * 2**20
_BOM = b"\xef\xbb\xbf"


@dataclass(frozen=True, slots=True)
class Record:
    place: str  # file:line
    idx: int
    raw: bytes  # the line as it stands, without line end
    fields: dict[str, Any]


def raw_lines(path: str | os.PathLike[str]) -> Iterator[tuple[int, bytes]]:
    """Yield (line number from 1, bytes without line end) of every line that is not blank.

    A byte order mark and Windows line ends are dropped. Raises MoroccoError where the file cannot
    be read or a line is longer than ``MAX_RECORD_BYTES``.
    """
    try:
        with open(path, "rb") as file:
            number = 0
            while line := file.readline(MAX_RECORD_BYTES + 1):
                number += 1
                if len(line) > MAX_RECORD_BYTES:
                    raise MoroccoError(
                        f"line longer than {MAX_RECORD_BYTES} bytes", place=f"{path}:{number}"
                    )
                if number == 1:
                    line = line.removeprefix(_BOM)
                if line := line.strip():
                    yield number, line
    except OSError as error:
        raise MoroccoError(
            f"cannot be read: {error.strerror}",
            place=str(path),
            hint="a data root has the official layout: <Task>/val.jsonl, LiDiRus/LiDiRus.jsonl",
        ) from error


def decode_record(line: bytes, place: str) -> dict[str, Any]:
    """Decode one line, which must be a JSON object."""
    try:
        record = msgspec.json.decode(line)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise MoroccoError(f"not valid JSON: {error}", place=place) from error
    except RecursionError as error:
        raise MoroccoError("JSON nested too deeply", place=place) from error
    if not isinstance(record, dict):
        raise MoroccoError("not a JSON object", place=place)
    return record


def read_records(path: str | os.PathLike[str]) -> Iterator[Record]:
    """Yield the records of a split whose idx are all there and all different.

    Raises MoroccoError with file and line for a line that is no JSON object, an idx that is
    missing, no integer or used before, and for a file without records.
    """
    seen: dict[int, int] = {}
    for number, raw in raw_lines(path):
        place = f"{path}:{number}"
        fields = decode_record(raw, place)
        idx = parse_idx(fields.get("idx"))
        if idx is None:
            raise MoroccoError(f"idx is {_show(fields.get('idx'))}, not an integer", place=place)
        if idx in seen:
            raise MoroccoError(f"idx {idx} already stands on line {seen[idx]}", place=place)
        seen[idx] = number
        yield Record(place, idx, raw, fields)
    if not seen:
        raise MoroccoError("no records in the file", place=str(path))


def _show(value: object) -> str:
    return "missing" if value is None else f"{str(value)[:40]!r}"
