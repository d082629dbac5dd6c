"""Why a run should stop early: a signal, or the death of the process that asked for it."""

from __future__ import annotations

import contextlib
import os
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from types import FrameType

# Set by the workflow: its own pid. A killed workflow must not leave a measurement running.
SUPERVISOR = "MOROCCO_SUPERVISOR_PID"


class Interrupted(Exception):
    """A signal ended the run; nothing of it is kept."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


@contextlib.contextmanager
def interruptible() -> Iterator[Callable[[], str | None]]:
    """Within the block INT, TERM and HUP set a reason instead of ending the process."""
    seen: list[str] = []

    def note(number: int, _frame: FrameType | None) -> None:
        seen.append(f"signal {signal.Signals(number).name}")

    numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    before = {number: signal.signal(number, note) for number in numbers}
    supervisor = os.environ.get(SUPERVISOR)

    def reason() -> str | None:
        if seen:
            return seen[0]
        if supervisor and not Path(f"/proc/{supervisor}").exists():
            return f"the workflow (pid {supervisor}) is gone"
        return None

    try:
        yield reason
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
