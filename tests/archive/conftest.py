"""One small results folder and its submission, made once."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from factories import make_results
from submission_example import Example

from morocco.archive.manifest import MANIFEST, Manifest
from morocco.archive.safe_zip import open_archive
from morocco.archive.submission import pack_submission, zip_bytes
from morocco.formats.files import decode_json


@pytest.fixture(scope="session")
def example(tmp_path_factory: pytest.TempPathFactory) -> Example:
    """A whole campaign of one model: nine tasks, two cells, three repeats."""
    folder = tmp_path_factory.mktemp("submission")
    results = make_results(folder / "results", repeats=3, cells=((1, 1), (300, 32)))
    archive = folder / "logs.zip"
    pack_submission(results, "tiny", archive)
    with open_archive(archive) as opened:
        members = dict(opened)
    return Example(results, archive, members, decode_json(members[MANIFEST], Manifest, MANIFEST))


@pytest.fixture
def repack(example: Example, tmp_path: Path) -> Callable[..., Path]:
    """An archive with members replaced (None: taken out) and the old manifest, unless replaced."""

    def make(**changes: bytes | None) -> Path:
        members: dict[str, bytes] = dict(example.members)
        for name, data in changes.items():
            if data is None:
                members.pop(name)
            else:
                members[name] = data
        path = tmp_path / "edited.zip"
        path.write_bytes(zip_bytes(members, example.manifest.seal))
        return path

    return make
