"""When an image last ran on this machine: after a pause its files may have left the page cache.

Every slow init run in MOROCCO's archived logs follows a pause (0 of 165 within 5 minutes, 36 of 51
after longer, 46 of 54 first ever): one discarded run warms the image.
"""

from __future__ import annotations

import contextlib
import os
import tempfile
import time
from pathlib import Path


def _mark(image: str) -> Path:
    boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()[:8]
    safe = "".join(c if c.isalnum() else "-" for c in image)
    return Path(tempfile.gettempdir()) / f"morocco-warm-{os.getuid()}" / f"{boot}-{safe}"


def is_warm(image: str, pause_seconds: float) -> bool:
    """Did ``image`` (an id) run here within the last ``pause_seconds``?"""
    try:
        age = time.time() - _mark(image).stat().st_mtime
    except OSError:
        return False
    return 0 <= age <= pause_seconds


def note_run(image: str) -> None:
    """Remember that ``image`` ran just now; failing to is harmless (one more warm-up)."""
    mark = _mark(image)
    with contextlib.suppress(OSError):
        mark.parent.mkdir(mode=0o700, exist_ok=True)
        mark.touch()


def forget(image: str) -> None:
    """The image's files were evicted: the next run is cold."""
    with contextlib.suppress(OSError):
        _mark(image).unlink()
