"""The submission format: where everything lies in the archive, and the manifest over it.

``logs/<task>/<run>.jsonl`` as in the first MOROCCO's archives, so that its scripts read them;
beside them ``records/<task>/<run>.json``, ``predictions/<task>/<run>.predictions``,
``cold/<task>/<run>.json``, ``cells/round<r>.json``, ``images/``, ``stats/`` and
``scores/<task>.json``, ``machine.json``, ``config.yaml`` and ``manifest.json``.

Digests stand in three layers, so that an edit must be repeated in all of them: SHA-256 of each
member in the manifest; the seal, a digest of those digests, in the manifest and in the archive's
comment, and printed when the archive is made; and a digest of the archive's own bytes, also in the
comment.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass

FORMAT = "morocco-submission/1"
MANIFEST = "manifest.json"
MACHINE = "machine.json"
CONFIG = "config.yaml"
COMMENT = "morocco seal={seal} bytes={digest}"
_COMMENT = re.compile(rb"morocco seal=([0-9a-f]{64}) bytes=([0-9a-f]{64})")


@dataclass(frozen=True)
class MemberDigest:
    sha256: str
    bytes: int


@dataclass(frozen=True)
class CellPlan:
    """One cell of the matrix that was to be measured."""

    task: str
    input_size: int
    batch_size: int
    repeats: int


@dataclass(frozen=True)
class Manifest:
    model: str
    harness: str  # version and commit that packed
    max_relative_half_width: float  # bound on resolved estimates that the stats were made with
    plan: tuple[CellPlan, ...]
    missing: tuple[str, ...]  # what the plan asks for and the archive lacks
    members: dict[str, MemberDigest]  # all but the manifest itself
    seal: str  # seal_of(members)
    format: str = FORMAT


def digest(data: bytes) -> MemberDigest:
    return MemberDigest(hashlib.sha256(data).hexdigest(), len(data))


def seal_of(model: str, members: Mapping[str, MemberDigest]) -> str:
    """Digest of the digests: the submission in 64 characters."""
    lines = [f"{name}\0{member.sha256}\0{member.bytes}\n" for name, member in members.items()]
    return hashlib.sha256("".join([f"{model}\n", *sorted(lines)]).encode()).hexdigest()


def make_comment(seal: str, body_sha256: str) -> bytes:
    return COMMENT.format(seal=seal, digest=body_sha256).encode()


def parse_comment(comment: bytes) -> tuple[str, str] | None:
    """(seal, SHA-256 of all bytes before the end record); None for any other comment."""
    match = _COMMENT.fullmatch(comment)
    return (match[1].decode(), match[2].decode()) if match else None


# Members of a submission: pattern -> kind. Tasks and runs are checked by who reads them.
_NAME = r"[a-z0-9]+"
_RUN = r"\d{1,9}_\d{1,9}_\d{2,3}"
PATTERNS = {
    "log": re.compile(rf"logs/({_NAME})/({_RUN})\.jsonl"),
    "record": re.compile(rf"records/({_NAME})/({_RUN})\.json"),
    "cold": re.compile(rf"cold/({_NAME})/({_RUN})\.json"),
    "predictions": re.compile(rf"predictions/({_NAME})/({_RUN})\.predictions"),
    "cells": re.compile(r"cells/()(round\d{1,3})\.json"),
    "image": re.compile(rf"images/({_NAME})()\.json"),
    "stats": re.compile(rf"stats/({_NAME})()\.json"),
    "score": re.compile(rf"scores/({_NAME})()\.json"),
}


def member_kind(name: str) -> tuple[str, str, str] | None:
    """``records/parus/1_1_01.json`` -> ("record", "parus", "1_1_01"); None for anything else."""
    for kind, pattern in PATTERNS.items():
        if match := pattern.fullmatch(name):
            return kind, match[1], match[2]
    return None
