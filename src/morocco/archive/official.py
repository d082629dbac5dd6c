"""The official Russian SuperGLUE archive: fetch, verify, unpack into the layout of a data root."""

from __future__ import annotations

import contextlib
import hashlib
import http.client
import os
import re
import tempfile
import urllib.error
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from morocco.archive.safe_zip import MIB, Limits, SafeArchive, open_archive
from morocco.errors import MoroccoError
from morocco.formats.files import read_json, write_bytes, write_json
from morocco.tasks.records import read_records
from morocco.tasks.registry import TASKS

# Generous: RuCoS's train split, the largest, has some 72,000 passages of about 3 kB.
OFFICIAL_LIMITS = Limits(
    archive_bytes=512 * MIB, members=1000, unpacked_bytes=2048 * MIB, member_bytes=1024 * MIB
)
NOTE = "source.json"  # in the data root: where it came from
_CHUNK = 1 << 18
_BY_HAND = (
    "fetch the archive by hand (see https://github.com/RussianNLP/RussianSuperGLUE) and give "
    "data.official_url as file:///path/to/combined.zip"
)

Progress = Callable[[int, int | None], None]  # bytes so far, bytes in all where known


@dataclass(frozen=True)
class Fetched:
    """What stands in the data root, as its ``source.json``."""

    url: str
    sha256: str  # of the archive
    files: dict[str, str]  # path in the data root -> SHA-256


def fetch_official(
    url: str,
    sha256: str | None,
    target: Path,
    *,
    timeout_seconds: float = 60.0,
    limits: Limits = OFFICIAL_LIMITS,
    progress: Progress | None = None,
) -> Fetched:
    """Fetch the archive from ``url`` (http, https or file) and unpack its splits into ``target``.

    With ``sha256`` the archive must have it, and a ``target`` that came from that very archive is
    left as it is. ``target`` is replaced as a whole or not touched. Raises MoroccoError for no
    network, an HTTP error, a transfer cut short or too large, another SHA-256, an archive that
    ``open_archive`` refuses, a task's split that is missing, twice there or no valid JSON lines.
    """
    if not re.match(r"(https?|file)://", url):
        raise MoroccoError(f"{url!r} is no http, https or file address", place="data.official_url")
    if sha256 and (present := _present(target)) and present.sha256 == sha256:
        return present
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=f".{target.name}.", dir=target.parent) as folder:
        archive = Path(folder) / "archive.zip"
        got = _download(url, archive, timeout_seconds, limits.archive_bytes, progress)
        if sha256 and got != sha256:
            raise MoroccoError(
                f"SHA-256 is {got}, the config says {sha256}",
                place=url,
                hint="the archive was changed or damaged: look at it before you correct "
                "data.official_sha256",
            )
        fresh = Path(folder) / "data"
        with open_archive(archive, limits) as opened:
            files = _unpack(opened, fresh)
        fetched = Fetched(url, got, files)
        write_json(fresh / NOTE, fetched)
        os.chmod(fresh, 0o755)
        if target.exists():
            target.rename(Path(folder) / "old")
        fresh.rename(target)
    return fetched


def _present(target: Path) -> Fetched | None:
    """The note of a data root that is whole, else None."""
    with contextlib.suppress(MoroccoError):
        note = read_json(target / NOTE, Fetched)
        if all((target / name).is_file() for name in note.files):
            return note
    return None


def _download(url: str, path: Path, timeout: float, most: int, progress: Progress | None) -> str:
    try:
        # The scheme was checked: urllib would also read ftp and data addresses.
        with urllib.request.urlopen(url, timeout=timeout) as answer, open(path, "wb") as file:
            length = answer.headers.get("Content-Length")
            size = int(length) if length and length.isdigit() else None
            got, digest = _copy(answer, file, size, most, (url, progress))
    except urllib.error.HTTPError as error:
        raise MoroccoError(f"HTTP {error.code} {error.reason}", place=url, hint=_BY_HAND) from error
    except urllib.error.URLError as error:
        raise MoroccoError(
            f"cannot be reached: {error.reason}",
            place=url,
            hint="is there a network? The sample suite (data.root: data/sample) needs none; else "
            + _BY_HAND,
        ) from error
    except (OSError, http.client.HTTPException) as error:
        raise MoroccoError(
            f"the transfer broke off: {error or type(error).__name__}", place=url, hint="try again"
        ) from error
    if size is not None and got != size:
        raise MoroccoError(
            f"the transfer ended after {got} of {size} bytes", place=url, hint="try again"
        )
    return digest


def _copy(
    source: IO[bytes], file: IO[bytes], size: int | None, most: int, to: tuple[str, Progress | None]
) -> tuple[int, str]:
    url, progress = to
    digest, got = hashlib.sha256(), 0
    while chunk := source.read(_CHUNK):
        got += len(chunk)
        if got > most:
            raise MoroccoError(f"more than {most} bytes", place=url, hint="not the archive")
        digest.update(chunk)
        file.write(chunk)
        if progress:
            progress(got, size)
    return got, digest.hexdigest()


def _unpack(archive: SafeArchive, folder: Path) -> dict[str, str]:
    """Write the splits, checked, and nothing else; return their SHA-256 by path."""
    wanted = {
        f"{task.title}/{split}.jsonl"
        for task in TASKS.values()
        for split in (["LiDiRus"] if task.key == "lidirus" else ["train", "val", "test"])
    }
    members: dict[str, str] = {}
    for name in archive:
        path = "/".join(name.split("/")[-2:])
        if path not in wanted or name.startswith("__MACOSX/"):
            continue
        if path in members:
            raise MoroccoError(f"{path} is there twice", place=archive.place(name))
        members[path] = name
    missing = [task.eval_file for task in TASKS.values() if task.eval_file not in members]
    if missing:
        raise MoroccoError(f"lacks {', '.join(missing)}", place=str(archive.path))
    files: dict[str, str] = {}
    for path, name in sorted(members.items()):
        data = archive[name]
        write_bytes(folder / path, data)
        try:
            for _ in read_records(folder / path):
                pass
        except MoroccoError as error:
            place = (error.place or "").replace(str(folder), str(archive.path))
            raise MoroccoError(error.message, place=place, hint=error.hint) from error
        files[path] = hashlib.sha256(data).hexdigest()
    return files
