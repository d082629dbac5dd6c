"""Build contexts: a model's folder, and what is laid beside it, as one reproducible tar."""

from __future__ import annotations

import io
import os
import tarfile
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import IO

from morocco.errors import MoroccoError

# Never part of an image, whatever a .dockerignore says.
IGNORED = ["**/__pycache__", "**/.git", "**/*.pyc", "site", "README.md"]


def folder_files(folder: Path) -> dict[str, Path]:
    """Name in the context -> file, for a model's folder less what its ``.dockerignore`` names."""
    from docker.utils.build import exclude_paths

    ignore = folder / ".dockerignore"
    patterns = list(IGNORED)
    if ignore.is_file():
        lines = (line.strip() for line in ignore.read_text().splitlines())
        patterns += [line for line in lines if line and not line.startswith("#")]
    names = exclude_paths(str(folder), patterns, dockerfile="Dockerfile")
    # The SDK adds the ignore file itself, for builders that read it.
    files = {n: _source(folder, folder / n) for n in names if n != ".dockerignore"}
    return {name: path for name, path in files.items() if path.is_symlink() or path.is_file()}


def _source(folder: Path, path: Path) -> Path:
    """What stands for ``path`` in the context: a link into a sibling folder would dangle in the
    image, so the file it points at; model folders share their modules so."""
    if not path.is_symlink():
        return path
    real, home = path.resolve(), folder.resolve()
    shared = real.is_relative_to(home.parent) and not real.is_relative_to(home)
    return real if shared and real.is_file() else path


def write_context(files: Mapping[str, Path | bytes]) -> IO[bytes]:
    """An open, rewound temporary file with the tar of ``files``; it is gone once closed.

    Owner, time and order are fixed, and everybody may read: containers run as any user, and the
    builder's cache must see the same context for the same contents.
    """
    file = tempfile.TemporaryFile(prefix="morocco-context-")  # noqa: SIM115  # the caller closes it
    try:
        with tarfile.open(fileobj=file, mode="w", format=tarfile.GNU_FORMAT) as tar:
            for name in sorted(files):
                _add(tar, name, files[name])
        file.seek(0)
    except BaseException as error:
        file.close()
        if isinstance(error, OSError):
            raise MoroccoError(
                f"cannot be read: {error.strerror}", place=str(error.filename)
            ) from error
        raise
    return file


def _add(tar: tarfile.TarFile, name: str, source: Path | bytes) -> None:
    info = tarfile.TarInfo(name)
    info.mode = 0o644
    if isinstance(source, bytes):
        info.size = len(source)
        tar.addfile(info, io.BytesIO(source))
    elif source.is_symlink():
        info.type, info.linkname = tarfile.SYMTYPE, os.readlink(source)
        tar.addfile(info)
    else:
        with source.open("rb") as file:
            state = os.fstat(file.fileno())
            info.size = state.st_size
            info.mode = 0o755 if state.st_mode & 0o111 else 0o644
            tar.addfile(info, file)
