"""A container under the options of a measured run, for tests of images."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from typing import Any

from morocco.engine.stream import AttachedSocket

OPTIONS: dict[str, Any] = {
    "network_mode": "none",
    "read_only": True,
    "tmpfs": {"/tmp": "rw,nosuid,nodev,size=64m,mode=1777"},
    "cap_drop": ["ALL"],
    "security_opt": ["no-new-privileges"],
    "pids_limit": 64,
    "mem_limit": "512m",
    "memswap_limit": "512m",
    "nano_cpus": 10**9,
}


@dataclass(frozen=True)
class Run:
    status: int
    oom_killed: bool
    stdout: bytes
    stderr: bytes


def run_sandboxed(client: Any, image: str, *arguments: str, records: bytes = b"") -> Run:
    """Feed ``records`` to a container of ``image`` as a user without a name; remove it after."""
    container = client.containers.create(
        image,
        list(arguments),
        stdin_open=True,
        user="12345:12345",
        labels={"morocco.test": "sandbox"},
        **OPTIONS,
    )
    channel = None
    try:
        stream = container.attach_socket(params={"stdin": 1, "stdout": 1, "stderr": 1, "stream": 1})
        connection = getattr(stream, "_sock", stream)
        connection.settimeout(60)
        channel = AttachedSocket(connection)
        container.start()

        def feed() -> None:
            try:
                channel.write(records)
                channel.end_input()
            except OSError:
                pass  # it left early

        feeder = threading.Thread(target=feed, daemon=True)
        feeder.start()
        parts = {1: b"", 2: b""}
        for number, data in channel.frames():
            parts[number] += data
        status = container.wait(timeout=60)["StatusCode"]
        container.reload()
        feeder.join(10)
        return Run(status, container.attrs["State"]["OOMKilled"], parts[1], parts[2])
    finally:
        if channel is not None:
            channel.shut()
        container.remove(force=True)
