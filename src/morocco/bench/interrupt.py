"""Why a run should stop early: a signal, or the death of the process that asked for it."""

from __future__ import annotations

import contextlib
import os
import signal
from collections.abc import Callable, Iterator
from types import FrameType

from morocco.engine.reap import owner_alive, owner_mark

# Set by the workflow: its own mark. A killed workflow must not leave a measurement running.
SUPERVISOR = "MOROCCO_SUPERVISOR"


def supervisor_mark() -> str:
    """This process, for its jobs to look for: ``<pid namespace>/<pid>:<start time>:<boot id>``."""
    return f"{_pid_namespace()}/{owner_mark()}"


def supervisor_gone(mark: str) -> bool:
    """Has the workflow of that mark died? Unknown, so False, on another node or in a container.

    Its pid means nothing there, and who sent the job there ends it.
    """
    namespace, _, owner = mark.partition("/")
    boot = owner.rpartition(":")[2]
    if namespace != _pid_namespace() or boot != owner_mark().rpartition(":")[2]:
        return False
    return not owner_alive(owner)


def _pid_namespace() -> str:
    try:
        return os.readlink("/proc/self/ns/pid")
    except OSError:
        return "unknown"


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
        if supervisor and supervisor_gone(supervisor):
            return f"the workflow ({supervisor}) is gone"
        return None

    try:
        yield reason
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
