"""The connection to the container engine."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from morocco.errors import EngineError

if TYPE_CHECKING:
    import docker

HINT = "scripts/engine.sh starts one (as root it installs it too); `docker version` shows its state"


def connect(timeout: int = 120) -> docker.DockerClient:
    """Connect to the engine that ``DOCKER_HOST`` names, else to the first socket that is there.

    ``timeout`` bounds each request that does not stream, in seconds.
    Raises EngineError where no engine answers.
    """
    import docker  # 0.2 s: only those who speak to an engine pay for it

    environment = dict(os.environ)
    if not environment.get("DOCKER_HOST"):
        environment["DOCKER_HOST"] = _first_socket()
    place = environment["DOCKER_HOST"]
    try:
        client = docker.DockerClient.from_env(environment=environment, timeout=timeout)
        client.ping()
    except Exception as error:  # the SDK lets errors of requests and urllib3 through
        raise EngineError(
            f"no container engine answers at {place}: {_innermost(error)}", hint=HINT
        ) from error
    return client


def _first_socket() -> str:
    """Docker's own socket, a rootless one, then Podman's; Docker's where none exists."""
    runtime = os.environ.get("XDG_RUNTIME_DIR")
    places = ["/var/run/docker.sock"]
    places += [f"{runtime}/docker.sock"] if runtime else []
    places += ["/run/podman/podman.sock"]
    places += [f"{runtime}/podman/podman.sock"] if runtime else []
    found = next((place for place in places if Path(place).is_socket()), places[0])
    return f"unix://{found}"


def _innermost(error: BaseException) -> str:
    """The system's own words: the SDK wraps them four deep."""
    while True:
        inner = error.__cause__ or error.__context__
        if inner is None:
            return getattr(error, "strerror", None) or str(error)
        error = inner
