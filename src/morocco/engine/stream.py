"""The two ends of a run's streams: a thread that feeds its stdin, a thread that reads its output.

Both work over any byte channel: a container's attached socket, a process's pipes.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import itertools
import socket
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Protocol

from morocco.formats.record import Arrivals, Output

_CHUNK = 256 * 1024
_DISK_ERRORS = {errno.ENOSPC, errno.EDQUOT, errno.EIO, errno.EROFS, errno.ENOENT}
_STDERR = 2
# Lines that come within this belong to one flush: the engine may split a flush into frames.
_SAME_TIME_SECONDS = 0.001
_CURVE_POINTS = 200
_TAIL_BYTES = 2000


class Channel(Protocol):
    """Where a run's bytes go in and come out."""

    def write(self, data: bytes) -> None:
        """Write all of ``data`` to stdin; OSError when the other side is gone."""

    def end_input(self) -> None:
        """Close stdin: end of file for the model."""

    def frames(self) -> Iterator[tuple[int, bytes]]:
        """(1, stdout bytes) and (2, stderr bytes) as they come, until both are closed."""

    def shut(self) -> None:
        """Unblock reader and writer for good."""


@dataclass(frozen=True)
class AttachedSocket:
    """Docker's attach stream: 8-byte header (stream, 0, 0, 0, length), then the payload."""

    socket: socket.socket

    def write(self, data: bytes) -> None:
        self.socket.sendall(data)

    def end_input(self) -> None:
        self.socket.shutdown(socket.SHUT_WR)

    def frames(self) -> Iterator[tuple[int, bytes]]:
        stream = self.socket.makefile("rb", buffering=_CHUNK)
        while len(header := stream.read(8)) == 8:
            yield header[0], stream.read(int.from_bytes(header[4:], "big"))

    def shut(self) -> None:
        with contextlib.suppress(OSError):
            self.socket.shutdown(socket.SHUT_RDWR)


@dataclass
class Feeder:
    """Writes a file to the run's stdin, then closes it.

    The run's clock never waits for it. A model that exits early is no error here: its missing
    predictions are.
    """

    path: Path

    def start(self, channel: Channel) -> None:
        threading.Thread(target=self._feed, args=(channel,), name="feeder", daemon=True).start()

    def _feed(self, channel: Channel) -> None:
        with contextlib.suppress(OSError), self.path.open("rb") as file:
            while chunk := file.read(_CHUNK):
                channel.write(chunk)
            channel.end_input()


@dataclass
class Reader:
    """Takes what a run writes: stdout to a file, stderr to a file, both bounded.

    ``overflow`` turns true when a bound is passed; what lies above is thrown away.
    """

    stdout_path: Path
    stderr_path: Path
    max_stdout: int
    max_stderr: int
    overflow: bool = False
    error: OSError | None = None  # writing failed (disk full): the harness's failure
    lines: int = 0
    stdout_bytes: int = 0
    stderr_bytes: int = 0
    _arrivals: list[tuple[float, int]] = field(default_factory=list)
    _hash: hashlib._Hash = field(default_factory=hashlib.sha256)
    _tail: bytes = b""
    _last: bytes = b""
    _thread: threading.Thread | None = None

    def start(self, channel: Channel) -> None:
        self._thread = threading.Thread(
            target=self._run, args=(channel,), name="reader", daemon=True
        )
        self._thread.start()

    def join(self) -> None:
        if self._thread is not None:
            self._thread.join()
        if self.error is not None:
            raise self.error

    def _run(self, channel: Channel) -> None:
        frames = channel.frames()
        try:
            with self.stdout_path.open("wb") as out, self.stderr_path.open("wb") as err:
                for stream, payload in frames:
                    if stream == _STDERR:
                        self._take_stderr(payload, err)
                    else:
                        self._take_stdout(payload, out)
        except OSError as error:
            if error.errno not in _DISK_ERRORS:
                return  # the channel was shut under us: the exit status tells the rest
            self.error = OSError(error.errno, error.strerror, str(self.stdout_path))
            self.overflow = True  # stops the run
            with contextlib.suppress(OSError):
                for _ in frames:  # keep the model from blocking on what we cannot store
                    pass

    def _take_stdout(self, payload: bytes, out: IO[bytes]) -> None:
        now = time.monotonic()
        self.stdout_bytes += len(payload)
        if self.stdout_bytes > self.max_stdout:
            self.overflow = True
            return
        self._hash.update(payload)
        out.write(payload)
        count = payload.count(b"\n")
        if payload:
            self._last = payload[-1:]
        self.lines += count
        if count:
            self._arrivals.append((now, self.lines))

    def _take_stderr(self, payload: bytes, err: IO[bytes]) -> None:
        self.stderr_bytes += len(payload)
        if self.stderr_bytes > self.max_stderr:
            self.overflow = True
            return
        err.write(payload)
        self._tail = (self._tail + payload)[-_TAIL_BYTES:]

    def output(self, start_monotonic: float, predictions_sha256: str | None) -> Output:
        """Counts and arrival times; ``start_monotonic`` is the container's start on our clock."""
        unfinished = 1 if self._last not in {b"", b"\n"} else 0
        return Output(
            lines=self.lines + unfinished,
            bytes=self.stdout_bytes,
            sha256=self._hash.hexdigest(),
            predictions_sha256=predictions_sha256,
            stderr_bytes=self.stderr_bytes,
            arrivals=summarise_arrivals(
                [(moment - start_monotonic, lines) for moment, lines in self._arrivals]
            ),
            stderr_tail=self._tail.decode("utf-8", "replace"),
        )


def summarise_arrivals(arrivals: list[tuple[float, int]]) -> Arrivals:
    """Merge what came at one time, find the largest burst, thin the curve to 200 points."""
    merged: list[tuple[float, int]] = []
    for moment, lines in arrivals:
        if merged and moment - merged[-1][0] < _SAME_TIME_SECONDS:
            merged[-1] = (merged[-1][0], lines)
        else:
            merged.append((moment, lines))
    if not merged:
        return Arrivals(0, None, None, 0.0)
    counts = [merged[0][1], *(b[1] - a[1] for a, b in itertools.pairwise(merged))]
    step = max(1, -(-len(merged) // _CURVE_POINTS))
    curve = merged[::step]
    if curve[-1] != merged[-1]:
        curve = [*curve[: _CURVE_POINTS - 1], merged[-1]]
    return Arrivals(
        distinct_times=len(merged),
        first_seconds=merged[0][0],
        last_seconds=merged[-1][0],
        largest_burst=max(counts) / merged[-1][1],
        curve=tuple((round(moment, 6), lines) for moment, lines in curve),
    )
