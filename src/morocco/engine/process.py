"""One execution without an engine: a command under a keeper, in a cgroup of its own or by /proc.

The contract is the container's: JSON lines in, predictions out, ``--batch-size``, bounds, a kill of
the whole tree. What an engine would add is not there: it runs as the calling user, with that
user's files and network. Such runs are marked, and only commands that are trusted belong here.
"""

from __future__ import annotations

import contextlib
import json
import os
import select
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import morocco
from morocco.engine.bounds import (
    GRACE_SECONDS,
    affinity,
    enter_limits,
    kill_left,
    oom_kills,
    rlimits,
)
from morocco.engine.container import Outcome
from morocco.engine.pipes import Pipes
from morocco.engine.stream import Feeder, Reader
from morocco.errors import EngineError
from morocco.formats.record import Exit
from morocco.sampling.cgroup import CgroupParent
from morocco.suite.model import RunSpec

_POLL_SECONDS = 0.1
# What a command needs of the caller's surroundings; all else it gets by `env` in the config,
# so that a run does not hang on who calls it.
_KEPT = ("HOME", "LANG", "LC_ALL", "LD_LIBRARY_PATH", "LOGNAME", "PATH", "TZ", "USER")


@dataclass(frozen=True)
class Usage:
    """CPU time of every process of the tree that was waited for, seconds."""

    user_seconds: float
    system_seconds: float


@dataclass(frozen=True)
class ProcessRun:
    outcome: Outcome
    usage: Usage | None  # None: never started


def run_process(
    spec: RunSpec,
    *,
    cgroup: CgroupParent | None,
    scratch: Path,
    environment: Mapping[str, str],
    feeder: Feeder,
    reader: Reader,
    on_start: Callable[[int], None] = lambda keeper: None,
    interrupted: Callable[[], str | None] = lambda: None,
) -> ProcessRun:
    """Run the spec's command to its end; nothing of its tree is left when this returns or raises.

    ``cgroup``: one of our own, or None for a tree known by /proc alone. ``environment``: GPUs and
    the like, below the model's own env. ``on_start`` gets the keeper's process id just before the
    start. Raises EngineError when the keeper fails; a command that cannot start is an Outcome
    without times.
    """
    assert spec.command is not None  # the config's check
    procs, held = enter_limits(cgroup, spec.limits) if cgroup else ((), {})
    temporary = scratch / "tmp"
    temporary.mkdir()
    order: dict[str, Any] = {
        "argv": [*spec.command, *spec.container_args],
        "env": {
            **{name: os.environ[name] for name in _KEPT if name in os.environ},
            "TMPDIR": str(temporary.absolute()),
            **environment,
            **spec.env,
        },
        "cwd": os.getcwd(),
        "cgroup_procs": [str(path / "cgroup.procs") for path in procs],
        "cpus": affinity(spec.limits, bool(procs)),
        "rlimits": rlimits(spec, bool(procs)),
    }
    options = {
        "isolation": "none: the calling user, its files and its network",
        "cgroup": bool(procs),
        **held,
        **{key: order[key] for key in ("cpus", "rlimits") if order[key]},
    }
    control_out, control = os.pipe()
    report, report_in = os.pipe()
    keeper = subprocess.Popen(
        [sys.executable, "-I", "-S", "-c", _keeper_code(), str(control_out), str(report_in)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        pass_fds=(control_out, report_in),
        start_new_session=True,
    )
    os.close(control_out)
    os.close(report_in)
    assert keeper.stdin and keeper.stdout and keeper.stderr
    own = (keeper.stdin, keeper.stdout, keeper.stderr)
    pipes = Pipes(os.dup(own[0].fileno()), os.dup(own[1].fileno()), os.dup(own[2].fileno()))
    for pipe in own:
        pipe.close()
    answers = os.fdopen(report, "rb", buffering=0)
    group: int | None = None
    try:
        os.write(control, json.dumps(order).encode() + b"\n")
        _answer(answers)
        on_start(keeper.pid)
        os.write(control, b"go\n")
        feeder.start(pipes)
        reader.start(pipes)
        begun = _answer(answers)
        group = begun["pid"]
        reason = _supervise(spec, answers, control, reader, interrupted)
        told = _answer(answers)
        group = None  # the keeper has ended them all
        keeper.wait()
        reader.join()
    except BrokenPipeError as error:
        raise _keeper_failed() from error
    finally:
        os.close(control)  # the keeper ends the tree, if it has not
        answers.close()
        with contextlib.suppress(subprocess.TimeoutExpired):
            keeper.wait(timeout=GRACE_SECONDS)
        kill_left(procs, group)
        pipes.shut()
        with contextlib.suppress(OSError):
            reader.join()
        pipes.close()
    if told["error"]:
        failed = Exit(None, False, False, None, told["error"])
        return ProcessRun(Outcome(None, None, failed, "process", options), None)
    code = os.waitstatus_to_exitcode(told["status"])
    end = Exit(
        code=code if code >= 0 else 128 - code,
        oom_killed=any(oom_kills(path) for path in procs),
        timed_out=reason == "timeout",
        killed_by_harness=reason,
    )
    outcome = Outcome(begun["started"], told["finished"], end, "process", options)
    return ProcessRun(outcome, Usage(told["user"], told["system"]))


def _keeper_code() -> str:
    """The keeper, imported from where this package lies: -I and -S leave all else out."""
    root = str(Path(morocco.__file__).parent.parent)
    return (
        f"import sys; sys.path.insert(0, {root!r}); from morocco.engine.keeper import main; main()"
    )


def _supervise(
    spec: RunSpec,
    answers: IO[bytes],
    control: int,
    reader: Reader,
    interrupted: Callable[[], str | None],
) -> str | None:
    """Wait for the keeper's report; kill on timeout, output bound or interrupt, and say why."""
    deadline = time.monotonic() + spec.timeout_seconds
    reason: str | None = None
    while not select.select([answers], [], [], _POLL_SECONDS)[0]:
        late = time.monotonic() > deadline
        if reason is None:
            reason = "timeout" if late else "output_limit" if reader.overflow else interrupted()
            if reason is not None:
                deadline = time.monotonic() + GRACE_SECONDS
                os.write(control, b"kill\n")
        elif late:
            raise EngineError(
                f"processes of the run did not end within {GRACE_SECONDS} s of the kill",
                place=f"{spec.model}/{spec.task}/{spec.load.name}",
                hint="a process in uninterruptible sleep (disk, driver) may be why: see `ps`",
            )
    return reason if reason is not None else "output_limit" if reader.overflow else None


def _answer(answers: IO[bytes]) -> dict[str, Any]:
    line = answers.readline()
    if not line:
        raise _keeper_failed()
    return json.loads(line)


def _keeper_failed() -> EngineError:
    return EngineError(
        "the process that keeps the run ended too early",
        hint="it was killed from outside, or Python itself cannot start here: see the kernel's log",
    )
