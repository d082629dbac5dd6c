"""A hundred random single-byte and single-number edits of a submission, each of them found."""

from __future__ import annotations

import random
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from submission_example import Example

from morocco.archive.manifest import MANIFEST, digest, seal_of
from morocco.archive.submission import zip_bytes
from morocco.archive.verify import verify_archive
from morocco.formats.files import encode_json

EDITS = 100
_NUMBER = re.compile(rb"(?<=[:\[, ])-?\d+(?:\.\d+)?(?=[,\]}\n ])")


def edit_number(data: bytes, chance: random.Random) -> bytes | None:
    """One digit of one JSON number changed, so that its value is another; None without numbers."""
    found = list(_NUMBER.finditer(data))
    while found:
        match = chance.choice(found)
        text = match.group().decode()
        at = chance.choice([k for k, char in enumerate(text) if char.isdigit()])
        new = text[:at] + chance.choice("123456789") + text[at + 1 :]
        if float(new) != float(text):
            return data[: match.start()] + new.encode() + data[match.end() :]
    return None


def edited_members(example: Example, seed: int) -> list[tuple[str, bytes]]:
    chance = random.Random(seed)
    names = sorted(set(example.members) - {MANIFEST})
    edits: list[tuple[str, bytes]] = []
    while len(edits) < EDITS:
        name = chance.choice(names)
        data = edit_number(example.members[name], chance)
        if data is not None:
            edits.append((name, data))
    return edits


def test_every_flipped_byte_is_found(example: Example, tmp_path: Path) -> None:
    chance = random.Random(1)
    whole = example.archive.read_bytes()
    path = tmp_path / "flipped.zip"
    # header, end record and comment are small targets, so they get flips of their own
    places = [chance.randrange(len(whole)) for _ in range(EDITS)]
    for place in [*places, *range(30), *range(len(whole) - 180, len(whole))]:
        data = bytearray(whole)
        data[place] ^= chance.randrange(1, 256)
        path.write_bytes(data)
        assert verify_archive(path).verdict == "rejected", f"byte {place}"


def test_every_edited_number_is_found(example: Example, repack: Callable[..., Path]) -> None:
    for name, data in edited_members(example, 2):
        assert verify_archive(repack(**{name: data})).verdict == "rejected", name


def test_also_with_the_members_digest_put_right(
    example: Example, repack: Callable[..., Path]
) -> None:
    for name, data in edited_members(example, 3):
        digests = {**example.manifest.members, name: digest(data)}
        manifest = encode_json(replace(example.manifest, members=digests))
        result = verify_archive(repack(**{name: data, MANIFEST: manifest}))
        assert result.verdict == "rejected", name


def test_most_also_with_all_digests_put_right(example: Example, tmp_path: Path) -> None:
    """What no other number follows from (load average, bytes of stderr) only the seal protects."""
    found = 0
    path = tmp_path / "forged.zip"
    for name, data in edited_members(example, 4):
        digests = {**example.manifest.members, name: digest(data)}
        seal = seal_of(example.manifest.model, digests)
        manifest = replace(example.manifest, members=digests, seal=seal)
        members = {**example.members, name: data, MANIFEST: encode_json(manifest)}
        path.write_bytes(zip_bytes(members, seal))
        found += verify_archive(path).verdict == "rejected"
        assert seal != example.manifest.seal  # the published one finds every edit
    assert found >= 80, found
