"""A process's stdin, stdout and stderr as the channel of a Feeder and a Reader."""

from __future__ import annotations

import os
import select
import threading
from collections.abc import Iterator

_CHUNK = 256 * 1024


class Pipes:
    """The model's stdin, stdout and stderr, as Feeder and Reader want them."""

    def __init__(self, stdin: int, stdout: int, stderr: int) -> None:
        self._stdin: int | None = stdin
        self._outputs = {stdout: 1, stderr: 2}
        self._lock = threading.Lock()  # a descriptor closed in mid-write could be another's by then
        self._stop, self._stop_in = os.pipe()

    def write(self, data: bytes) -> None:
        view = memoryview(data)
        while view:
            with self._lock:
                if self._stdin is None:
                    raise BrokenPipeError
                view = view[os.write(self._stdin, view) :]

    def end_input(self) -> None:
        with self._lock:
            if self._stdin is not None:
                os.close(self._stdin)
            self._stdin = None

    def frames(self) -> Iterator[tuple[int, bytes]]:
        waiting = dict(self._outputs)
        while waiting:
            ready, _, _ = select.select([*waiting, self._stop], [], [])
            if self._stop in ready and len(ready) == 1:
                return
            for descriptor in set(ready) - {self._stop}:
                if payload := os.read(descriptor, _CHUNK):
                    yield waiting[descriptor], payload
                else:
                    del waiting[descriptor]

    def shut(self) -> None:
        """Ends ``frames`` once what is there has been read."""
        os.write(self._stop_in, b"x")

    def close(self) -> None:
        self.end_input()
        for descriptor in (*self._outputs, self._stop, self._stop_in):
            os.close(descriptor)
