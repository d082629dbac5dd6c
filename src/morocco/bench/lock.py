"""One measured run at a time on a machine, whatever starts it."""

from __future__ import annotations

import contextlib
import fcntl
import os
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from morocco.errors import EngineError


def lock_path() -> Path:
    """Machine-wide, shared by all users: no two runs may overlap."""
    return Path(os.environ.get("MOROCCO_LOCK", Path(tempfile.gettempdir()) / "morocco.bench.lock"))


@contextlib.contextmanager
def machine_lock() -> Iterator[None]:
    """Wait for and hold the machine's lock; the kernel frees it if we die."""
    path = lock_path()
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
    except PermissionError:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except OSError as error:
        raise EngineError(f"cannot make the machine lock: {error}", place=str(path)) from error
    try:
        with contextlib.suppress(OSError):
            path.chmod(0o666)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            print(f"another run is measured on this machine ({path}): waiting", file=sys.stderr)
            fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)
