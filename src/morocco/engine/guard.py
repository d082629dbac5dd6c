"""A guard: a tiny process that cleans up if the harness dies, even by SIGKILL.

It sleeps on a pipe whose other end the harness holds. A clean end is told and the guard leaves;
if the pipe just breaks, the guard removes the container, its cgroup, half-written files.
It is forked before any thread exists and speaks plain HTTP to the engine's socket.
"""

from __future__ import annotations

import contextlib
import http.client
import os
import shutil
import signal
import socket
import time
from collections.abc import Iterator
from pathlib import Path

from morocco.sampling.cgroup import remove_tree

_PATIENCE_SECONDS = 120  # an engine that restarts in mid-run is back within this
_FAILED_SECONDS = 2.0  # that we wait for it where the engine may be gone
_DONE = b"d"


@contextlib.contextmanager
def guarded(
    container: str | None, cgroup_folders: list[Path], scratch: Path | None = None
) -> Iterator[None]:
    """Guard a block; leaving it well tells the guard that we cleaned up.

    An exception does not: the engine may have failed before it could remove the container, and
    the guard then goes on trying for two minutes, beyond our own end. Where all is gone, it leaves
    at once. ``container`` None: there is none, or a keeper ends the processes.
    """
    read_end, write_end = os.pipe()
    pid = os.fork()
    if pid == 0:
        _guard(read_end, write_end, container, cgroup_folders, scratch)
    os.close(read_end)
    done = False
    try:
        yield
        done = True
    finally:
        if done:
            with contextlib.suppress(OSError):
                os.write(write_end, _DONE)
        os.close(write_end)
        _wait(pid, None if done else _FAILED_SECONDS)


def _wait(pid: int, seconds: float | None) -> None:
    """Until the guard has left; at most ``seconds`` for one that has to clean up."""
    deadline = None if seconds is None else time.monotonic() + seconds
    with contextlib.suppress(ChildProcessError):
        while os.waitpid(pid, 0 if deadline is None else os.WNOHANG) == (0, 0):
            if deadline is not None and time.monotonic() > deadline:
                return
            time.sleep(0.02)


def _guard(
    read_end: int,
    write_end: int,
    container: str | None,
    cgroup_folders: list[Path],
    scratch: Path | None,
) -> None:
    """Body of the guard process; never returns."""
    try:
        os.setsid()
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, signal.SIG_IGN)
        null = os.open(os.devnull, os.O_RDWR)
        for descriptor in (0, 1, 2):
            os.dup2(null, descriptor)
        os.close(write_end)
        # Held descriptors would keep the machine lock and the sockets of the dead harness alive.
        os.closerange(3, read_end)
        os.closerange(read_end + 1, 4096)
        if os.read(read_end, 1) != _DONE:
            _clean_up(container, cgroup_folders, scratch)
    finally:
        os._exit(0)


def _clean_up(container: str | None, cgroup_folders: list[Path], scratch: Path | None) -> None:
    deadline = time.monotonic() + _PATIENCE_SECONDS
    while container and not _remove(container) and time.monotonic() < deadline:
        time.sleep(0.5)
    remove_tree(cgroup_folders)
    while any(map(os.path.exists, cgroup_folders)) and time.monotonic() < deadline:
        time.sleep(0.1)  # killed processes take a moment to leave
        remove_tree(cgroup_folders)
    if scratch is not None:
        shutil.rmtree(scratch, ignore_errors=True)


def engine_socket() -> str | None:
    """Path of the engine's unix socket; None where it is reached another way."""
    host = os.environ.get("DOCKER_HOST", "unix:///var/run/docker.sock")
    return host.removeprefix("unix://") if host.startswith("unix://") else None


def _remove(container: str) -> bool:
    """Ask the engine to remove; True when the container is gone."""
    path = engine_socket()
    if path is None:
        return True
    connection = http.client.HTTPConnection("localhost", timeout=30)
    try:
        connection.sock = socket.socket(socket.AF_UNIX)
        connection.sock.settimeout(30)
        connection.sock.connect(path)
        connection.request("DELETE", f"/containers/{container}?force=1&v=1")
        return connection.getresponse().status in {204, 404}
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()
