"""Files that are whole or not there: write beside, flush to disk, rename."""

from __future__ import annotations

import contextlib
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any, TypeVar

import msgspec

from morocco.errors import MoroccoError

T = TypeVar("T")


@contextlib.contextmanager
def atomic_writer(path: str | os.PathLike[str]) -> Iterator[IO[bytes]]:
    """Open a temporary file beside ``path`` that takes its name when the block ends well.

    A crash, a full disk or an exception leaves the old file (or none), never half a new one.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    fd, name = tempfile.mkstemp(prefix=f".{path.name}.", suffix=".tmp", dir=path.parent)
    try:
        with os.fdopen(fd, "wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        os.chmod(name, 0o644)
        os.replace(name, path)
    except BaseException:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(name)
        raise


def write_bytes(path: str | os.PathLike[str], data: bytes) -> None:
    with atomic_writer(path) as file:
        file.write(data)


def write_text(path: str | os.PathLike[str], text: str) -> None:
    write_bytes(path, text.encode())


def encode_json(value: Any) -> bytes:
    """Stable, indented JSON of dataclasses, dicts, lists: same value, same bytes."""
    return msgspec.json.format(msgspec.json.encode(value), indent=1) + b"\n"


def write_json(path: str | os.PathLike[str], value: Any) -> None:
    write_bytes(path, encode_json(value))


def decode_json(data: bytes, type: type[T], place: str) -> T:
    """Decode and check against ``type``; the error names ``place`` and the wrong JSON path."""
    try:
        return msgspec.json.decode(data, type=type)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise MoroccoError(f"not a valid {type.__name__}: {error}", place=place) from error


def read_json(path: str | os.PathLike[str], type: type[T]) -> T:
    try:
        data = Path(path).read_bytes()
    except OSError as error:
        raise MoroccoError(f"cannot be read: {error.strerror}", place=str(path)) from error
    return decode_json(data, type, str(path))
