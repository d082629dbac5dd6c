"""The keeper of a run without an engine: a small process above the model's whole process tree.

Run as a program with ``<control fd> <report fd>`` and the model's stdin, stdout and stderr.
It reads one JSON line (argv, env, cwd, cgroup files, limits), answers "ready", waits for "go",
starts the command, and ends everything below it when the command exits, when it reads "kill", or
when the harness is gone (end of file). Orphans fall to it (subreaper), so nothing escapes.
Imports nothing but the standard library, so that it is small and starts fast.
"""

from __future__ import annotations

import contextlib
import ctypes
import json
import os
import resource
import select
import signal
import sys
import time
from typing import Any

from morocco.sampling.proc import descendants

# linux/prctl.h
PR_SET_PDEATHSIG, PR_SET_CHILD_SUBREAPER, PR_SET_NO_NEW_PRIVS = 1, 36, 38


def main() -> None:
    control, report = int(sys.argv[1]), int(sys.argv[2])
    libc = ctypes.CDLL(None, use_errno=True)
    libc.prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    wake, wake_in = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
    signal.set_wakeup_fd(wake_in, warn_on_full_buffer=False)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    os.set_inheritable(control, False)
    os.set_inheritable(report, False)
    lines = os.fdopen(control, "rb", buffering=0)
    order = json.loads(lines.readline())
    say(report, ready=True)
    if lines.readline() != b"go\n":
        return
    started = time.time()
    failure, failure_in = os.pipe2(os.O_CLOEXEC)
    child = os.fork()
    if child == 0:
        start(order, failure_in, libc)
    os.close(failure_in)
    say(report, pid=child, started=started)
    devnull = os.open(os.devnull, os.O_RDWR)
    for descriptor in (0, 1, 2):  # else our copies keep the model's pipes open
        os.dup2(devnull, descriptor)
    error = os.read(failure, 4096)  # ends when the command's exec closes it
    finished, status, usage = supervise(child, control, wake)
    say(
        report,
        finished=finished,
        status=status,
        error=error.decode(errors="replace") or None,
        user=usage[0],
        system=usage[1],
    )


def start(order: dict[str, Any], failure: int, libc: ctypes.CDLL) -> None:
    """In the child: enter the cgroup, take the limits, become the command."""
    try:
        libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
        libc.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
        os.setsid()
        for path in order["cgroup_procs"]:
            with open(path, "w") as file:
                file.write("0")
        if order["cpus"]:
            os.sched_setaffinity(0, order["cpus"])
        for name, value in order["rlimits"].items():
            resource.setrlimit(getattr(resource, name), (value, value))
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGPIPE):
            signal.signal(number, signal.SIG_DFL)
        os.chdir(order["cwd"])
        os.execvpe(order["argv"][0], order["argv"], order["env"])
    except OSError as error:
        exec_failed = error.filename is None or isinstance(error.filename, bytes)
        name = order["argv"][0] if exec_failed else error.filename
        os.write(failure, f"{error.strerror}: {name}".encode())
    except ValueError as error:
        os.write(failure, str(error).encode())
    finally:
        os._exit(127)


def supervise(child: int, control: int, wake: int) -> tuple[float, int, tuple[float, float]]:
    """(time of the exit, exit status as os.wait4 gives it, (user, system) CPU seconds of all)."""
    user = system = 0.0
    finished, status, killing = 0.0, 0, False
    while True:
        pid = -1
        with contextlib.suppress(ChildProcessError):
            pid, ended, usage = os.wait4(-1, os.WNOHANG)
        if pid > 0:
            now = time.time()
            user, system = user + usage.ru_utime, system + usage.ru_stime
            if pid == child:
                finished, status, killing = now, ended, True
            continue
        if pid < 0 and killing:  # no child is left
            return finished, status, (user, system)
        if killing:
            for descendant in descendants(os.getpid()):
                with contextlib.suppress(ProcessLookupError):
                    os.kill(descendant, signal.SIGKILL)
        ready, _, _ = select.select([wake, *([] if killing else [control])], [], [], 0.05)
        if wake in ready:
            with contextlib.suppress(BlockingIOError):
                os.read(wake, 4096)
        if control in ready and os.read(control, 64) in (b"", b"kill\n"):
            killing = True


def say(report: int, **fields: object) -> None:
    with contextlib.suppress(BrokenPipeError):  # the harness is gone
        os.write(report, json.dumps(fields).encode() + b"\n")
