"""One container execution: create, attach, start, feed, read, wait, inspect, remove.

Facts this rests on: attach before start, or early output is lost; feed from a thread of its own,
or both sides block near 2 MB; wait before removing, or the exit status is lost.
"""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from morocco.engine.stream import AttachedSocket, Feeder, Reader
from morocco.errors import EngineError
from morocco.formats.record import Exit
from morocco.suite.model import RunSpec

if TYPE_CHECKING:
    import docker

_POLL_SECONDS = 0.1
_GRACE_SECONDS = 30  # for the engine to report the exit after our kill


@dataclass(frozen=True)
class Outcome:
    """What an execution gave; times are the engine's own, s since the epoch."""

    started_at: float | None
    finished_at: float | None
    exit: Exit
    clock_source: str
    options: dict[str, Any]


def container_options(spec: RunSpec, cgroup_parent: str | None) -> dict[str, Any]:
    """Host options of an untrusted container: no network, no privileges, everything bounded."""
    limits = spec.limits
    options: dict[str, Any] = {
        "network_mode": "none",
        "read_only": True,
        "tmpfs": {"/tmp": f"rw,nosuid,nodev,size={limits.tmpfs},mode=1777"},
        "cap_drop": ["ALL"],
        "security_opt": ["no-new-privileges"],
        "pids_limit": limits.processes,
        "mem_limit": limits.memory,
        "memswap_limit": limits.memory,  # equal: no swap
        "shm_size": limits.shm,
        "ipc_mode": "private",
        "nano_cpus": int(limits.cpus * 1e9),
        "log_config": {"type": "none", "config": {}},  # output comes by the attached socket
    }
    if limits.cpuset:
        options["cpuset_cpus"] = limits.cpuset
    if cgroup_parent:
        options["cgroup_parent"] = cgroup_parent
    return options


def run_container(
    client: docker.DockerClient,
    spec: RunSpec,
    image: str,
    *,
    name: str,
    labels: dict[str, str],
    cgroup_parent: str | None,
    feeder: Feeder,
    reader: Reader,
    entrypoint: tuple[str, ...] | None = None,
    device_requests: list[Any] | None = None,
    on_start: Callable[[], None] = lambda: None,
    interrupted: Callable[[], str | None] = lambda: None,
) -> Outcome:
    """Run ``image`` to its end and remove it, whatever happens.

    ``on_start`` is called just before the start (the sampler begins), ``interrupted`` is polled
    and gives a reason to stop. Raises EngineError when the engine itself fails; a container that
    cannot start is the model's failure and an Outcome without times.
    """
    import docker.errors
    import docker.types
    import requests

    api = client.api
    options = container_options(spec, cgroup_parent)
    host = {**options, "log_config": docker.types.LogConfig(type="none")}
    if device_requests:
        host["device_requests"] = device_requests
    created, channel = False, None
    try:
        api.create_container_from_config(
            api.create_container_config(
                image,
                list(spec.container_args) if entrypoint is None else [],
                stdin_open=True,
                environment=spec.env,
                user=spec.limits.user,
                labels=labels,
                entrypoint=list(entrypoint) if entrypoint else None,
                host_config=api.create_host_config(**host),
            ),
            name,
        )
        created = True
        channel = _attach(api, name)
        on_start()
        try:
            api.start(name)
        except docker.errors.APIError as error:
            return _not_started(error, options)
        exit_reason = _supervise(api, spec, name, feeder, reader, channel, interrupted)
        reader.join()
        return _inspect(api, name, exit_reason, options)
    except (requests.exceptions.RequestException, docker.errors.APIError, OSError) as error:
        if error is reader.error:  # a disk of ours, not the engine
            raise
        raise EngineError(
            f"the container engine failed: {error}",
            place=f"{spec.model}/{spec.task}/{spec.load.name}",
            hint="see that the engine runs (docker info), then call again: this run is redone",
        ) from error
    finally:
        if channel is not None:
            channel.shut()  # an attached, unread socket hangs the removal
        if created:
            remove_container(client, name)


def remove_container(client: docker.DockerClient, name: str) -> None:
    """Kill and remove; a container that is not there is fine, an engine that is gone too.

    What the engine does not do now, the run's guard or the next call's reaper does.
    """
    import docker.errors
    import requests

    with contextlib.suppress(docker.errors.APIError, requests.exceptions.RequestException):
        client.api.remove_container(name, force=True, v=True)


def _attach(api: Any, name: str) -> AttachedSocket:
    stream = api.attach_socket(name, params={"stdin": 1, "stdout": 1, "stderr": 1, "stream": 1})
    connection = getattr(stream, "_sock", stream)
    connection.settimeout(None)
    return AttachedSocket(connection)


def _supervise(
    api: Any,
    spec: RunSpec,
    name: str,
    feeder: Feeder,
    reader: Reader,
    channel: AttachedSocket,
    interrupted: Callable[[], str | None],
) -> str | None:
    """Feed, read and wait for the exit; kill on timeout, output bound or interrupt, and say why."""
    deadline = time.monotonic() + spec.timeout_seconds
    feeder.start(channel)
    reader.start(channel)
    done, failure = threading.Event(), []

    def wait() -> None:
        try:
            api.wait(name, timeout=None)
        except Exception as error:
            failure.append(error)
        done.set()

    threading.Thread(target=wait, name="waiter", daemon=True).start()
    reason: str | None = None
    while not done.wait(_POLL_SECONDS):
        if reason is not None:
            if time.monotonic() > deadline:
                raise EngineError(
                    f"the engine did not end {name} within {_GRACE_SECONDS} s of the kill",
                    hint="see the engine's log; a process that waits for a disk may be why",
                )
            continue
        if time.monotonic() > deadline:
            reason = "timeout"
        elif reader.overflow:
            reason = "output_limit"
        else:
            reason = interrupted()
        if reason is not None:
            deadline = time.monotonic() + _GRACE_SECONDS
            with contextlib.suppress(Exception):  # it may have ended just now: the wait tells
                api.kill(name)
    if failure:
        raise failure[0]
    return reason if reason is not None else "output_limit" if reader.overflow else None


def _inspect(api: Any, name: str, killed: str | None, options: dict[str, Any]) -> Outcome:
    state = api.inspect_container(name)["State"]
    return Outcome(
        started_at=parse_time(state["StartedAt"]),
        finished_at=parse_time(state["FinishedAt"]),
        exit=Exit(
            code=state["ExitCode"],
            oom_killed=bool(state.get("OOMKilled")),
            timed_out=killed == "timeout",
            killed_by_harness=killed,
            error=state.get("Error") or None,
        ),
        clock_source="engine",
        options=options,
    )


def _not_started(error: Any, options: dict[str, Any]) -> Outcome:
    """A bad entrypoint or a missing GPU runtime: created, never started."""
    text = str(error.explanation or error)
    return Outcome(None, None, Exit(None, False, False, None, text), "engine", options)


def parse_time(text: str) -> float:
    """The engine's RFC 3339 time with nanoseconds, as s since the epoch."""
    import datetime

    whole, _, fraction = text.rstrip("Z").partition(".")
    moment = datetime.datetime.fromisoformat(whole).replace(tzinfo=datetime.UTC)
    return moment.timestamp() + (float(f"0.{fraction}") if fraction else 0.0)
