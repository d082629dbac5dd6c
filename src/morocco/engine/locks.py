"""One at a time on this machine: locks that die with their process."""

from __future__ import annotations

import contextlib
import fcntl
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path


@contextlib.contextmanager
def lock(name: str) -> Iterator[None]:
    """Hold ``name`` against every other process of this user; waits for its turn."""
    folder = Path(tempfile.gettempdir(), f"morocco-{os.getuid()}")
    folder.mkdir(mode=0o700, exist_ok=True)
    with (folder / f"{name}.lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
