"""A submission's members as checked values, read with nothing believed."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, TypeVar

import msgspec

from morocco.archive.manifest import (
    CONFIG,
    MACHINE,
    MANIFEST,
    Manifest,
    MemberDigest,
    digest,
    member_kind,
    parse_comment,
    seal_of,
)
from morocco.archive.safe_zip import SafeArchive
from morocco.errors import MoroccoError
from morocco.estimate.results import Score, TaskStats
from morocco.formats.files import decode_json
from morocco.formats.names import CellId
from morocco.formats.record import Image, Machine, RunRecord
from morocco.screen.cell import CellState
from morocco.tasks.registry import TASKS

T = TypeVar("T")

MAX_JSON_BYTES = 8 << 20  # the manifest of 10,000 members is 2 MB, a record 10 kB
MAX_NUMBER = 1e18  # bytes of memory and seconds since the epoch lie far below
MAX_TEXT = 1 << 16


@dataclass(frozen=True)
class Finding:
    """One reason for a verdict."""

    level: str  # error, missing, warning or note
    code: str
    place: str  # member, run, cell or task
    message: str


@dataclass
class Contents:
    """What the members say; logs and predictions stay in the archive."""

    manifest: Manifest
    records: dict[tuple[str, str], RunRecord] = field(default_factory=dict)  # (task, run name)
    cold: list[RunRecord] = field(default_factory=list)
    logs: dict[tuple[str, str], str] = field(default_factory=dict)  # -> member
    predictions: dict[tuple[str, str], str] = field(default_factory=dict)
    cells: dict[int, list[CellState]] = field(default_factory=dict)  # by round
    images: dict[str, Image] = field(default_factory=dict)
    stats: dict[str, TaskStats] = field(default_factory=dict)
    scores: dict[str, Score] = field(default_factory=dict)
    machines: list[Machine] = field(default_factory=list)
    findings: list[Finding] = field(default_factory=list)

    def error(self, code: str, place: str, message: str) -> None:
        self.findings.append(Finding("error", code, place, message))

    @property
    def states(self) -> dict[CellId, CellState]:
        """The state of every cell after the last round."""
        last = self.cells[max(self.cells)] if self.cells else []
        return {state.cell: state for state in last}

    def of_task(self, task: str) -> list[RunRecord]:
        """All records of a task, of every kind."""
        own = [record for (name, _), record in self.records.items() if name == task]
        return own + [record for record in self.cold if record.id.task == task]


def read_contents(archive: SafeArchive) -> Contents:
    """Decode every member but logs and predictions, and compare all digests.

    MoroccoError where there is no readable manifest; everything else becomes a finding.
    """
    manifest = decode_member(archive[MANIFEST], Manifest, archive.place(MANIFEST))
    contents = Contents(manifest)
    for code, message in _check_manifest(archive, manifest):
        contents.error(code, MANIFEST, message)
    for name in archive:
        if name == MANIFEST:
            continue
        try:
            if archive.size(name) > MAX_JSON_BYTES and member_kind(name) is None:
                raise MoroccoError(f"{archive.size(name)} bytes, above {MAX_JSON_BYTES}")
            data = archive[name]
            _compare_digest(contents, name, digest(data))
            _take(contents, name, data)
        except MoroccoError as error:
            contents.error("member", name, error.message)
    return contents


def decode_member(data: bytes, type: type[T], place: str) -> T:
    """Decode JSON of a stranger: bounded size and depth, no endless texts or numbers."""
    if len(data) > MAX_JSON_BYTES:
        raise MoroccoError(f"{len(data)} bytes, above {MAX_JSON_BYTES}", place=place)
    try:
        _check_values(msgspec.json.decode(data))
        return decode_json(data, type, place)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError, ValueError) as error:
        raise MoroccoError(f"not valid JSON: {error}", place=place) from error


def _check_values(value: Any) -> None:
    if isinstance(value, str):
        if len(value) > MAX_TEXT:
            raise ValueError(f"a text of {len(value)} characters")
    elif isinstance(value, int | float):
        if not (math.isfinite(value) and abs(value) <= MAX_NUMBER):
            raise ValueError("a number beyond 1e18")
    elif isinstance(value, list):
        for item in value:
            _check_values(item)
    elif isinstance(value, dict):
        for key, item in value.items():
            _check_values(key)
            _check_values(item)


def _check_manifest(archive: SafeArchive, manifest: Manifest) -> Iterator[tuple[str, str]]:
    seal = seal_of(manifest.model, manifest.members)
    if seal != manifest.seal:
        yield "seal", "the digests of the members do not give the seal"
    comment = parse_comment(archive.comment)
    if comment is None:
        yield "repacked", "not packed by morocco submission: the archive's own digest is gone"
    else:
        if comment[0] != manifest.seal:
            yield "seal", "the seal in the archive's comment is another one"
        if comment[1] != archive.body_sha256():
            yield "bytes", "the archive's bytes were changed after it was packed"
    for name in manifest.members:
        if name not in archive:
            yield "member", f"{name} is gone"


def _compare_digest(contents: Contents, name: str, seen: MemberDigest) -> None:
    said = contents.manifest.members.get(name)
    if said is None:
        contents.error("member", name, "is not in the manifest")
    elif said != seen:
        contents.error("digest", name, "was changed: its SHA-256 is not the manifest's")


def _take(contents: Contents, name: str, data: bytes) -> None:
    if name == MACHINE:
        contents.machines = decode_member(data, list[Machine], name)
        return
    if name == CONFIG:
        return
    found = member_kind(name)
    if found is None or (found[1] not in TASKS and found[0] != "cells"):
        raise MoroccoError("is no member of a submission")
    kind, task, run = found
    if kind in {"log", "predictions"}:
        (contents.logs if kind == "log" else contents.predictions)[task, run] = name
    else:
        _TAKERS[kind](contents, name, data, (task, run))


def _take_record(contents: Contents, name: str, data: bytes, key: tuple[str, str]) -> None:
    record = decode_member(data, RunRecord, name)
    if (record.id.model, record.id.task, record.id.name) != (contents.manifest.model, *key):
        raise MoroccoError(f"is the record of {record.id}")
    if name.startswith("cold/"):
        contents.cold.append(record)
    else:
        contents.records[key] = record


def _take_cells(contents: Contents, name: str, data: bytes, key: tuple[str, str]) -> None:
    states = decode_member(data, list[CellState], name)
    for cell in (state.cell for state in states):
        if cell.model != contents.manifest.model or cell.task not in TASKS:
            raise MoroccoError(f"holds the state of {cell.model}/{cell.task}/{cell.name}")
    if len({state.cell for state in states}) < len(states):
        raise MoroccoError("holds a cell twice")
    contents.cells[int(key[1].removeprefix("round"))] = states


def _take_stats(contents: Contents, name: str, data: bytes, key: tuple[str, str]) -> None:
    stats = decode_member(data, TaskStats, name)
    if (stats.model, stats.task) != (contents.manifest.model, key[0]):
        raise MoroccoError(f"are the estimates of {stats.model}/{stats.task}")
    contents.stats[key[0]] = stats


def _take_image(contents: Contents, name: str, data: bytes, key: tuple[str, str]) -> None:
    contents.images[key[0]] = decode_member(data, Image, name)


def _take_score(contents: Contents, name: str, data: bytes, key: tuple[str, str]) -> None:
    contents.scores[key[0]] = decode_member(data, Score, name)


_TAKERS = {
    "record": _take_record,
    "cold": _take_record,
    "cells": _take_cells,
    "stats": _take_stats,
    "image": _take_image,
    "score": _take_score,
}
