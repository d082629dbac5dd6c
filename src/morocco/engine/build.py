"""One image build through the engine's own builder, its output kept."""

from __future__ import annotations

import os
import re
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from morocco.engine.context import write_context
from morocco.errors import EngineError, MoroccoError
from morocco.formats.files import write_text

if TYPE_CHECKING:
    import docker

TAIL_LINES = 25
TIMEOUT = 1800  # s without a word from the builder: compiling and training are silent
SUCCESS = re.compile(r"^Successfully built ([0-9a-f]{12,64})$", re.MULTILINE)
COLOURS = re.compile(r"\x1b\[[0-9;]*m")
NO_NETWORK = re.compile(
    r"Temporary failure in name resolution|Could not resolve|Network is unreachable", re.IGNORECASE
)


def build_image(
    client: docker.DockerClient,
    files: Mapping[str, Path | bytes],
    *,
    what: str,
    tag: str | None = None,
    build_args: Mapping[str, str] | None = None,
    network: str = "none",
    log: Path | None = None,
) -> str:
    """Build the Dockerfile in ``files`` (name in the context -> source); returns the image id.

    No network by default: the same build tomorrow gives the same image, and nothing of this
    machine's proxies, certificates or package index can end up in it. The whole output is written
    to ``log``; without one it is kept in a temporary file if the build fails. MoroccoError names
    ``what`` was built and shows the tail of the output; EngineError if the engine went away.
    """
    import docker.errors

    lines: list[str] = []
    image, failure = None, None
    with write_context(files) as context:
        try:
            for event in client.api.build(
                fileobj=context,
                custom_context=True,
                tag=tag,
                buildargs=dict(build_args or {}),
                network_mode=network,
                use_config_proxy=False,
                timeout=TIMEOUT,
                rm=True,
                forcerm=True,
                decode=True,
            ):
                lines.append(str(event.get("stream") or event.get("status") or ""))
                image = (event.get("aux") or {}).get("ID") or image
                failure = event.get("error") or failure
        except docker.errors.APIError as error:
            # The engine refuses before the first step: a Dockerfile it cannot parse, a bad tag.
            failure = str(error.explanation or error)
        except (docker.errors.DockerException, OSError) as error:
            raise EngineError(f"the engine went away: {error}", place=what) from error
        except Exception as error:  # requests' and urllib3's own, which are no OSError everywhere
            raise EngineError(f"the build broke off: {error}", place=what) from error
    output = COLOURS.sub("", "".join(lines))
    if image is None and (built := SUCCESS.findall(output)):
        image = built[-1]  # engines other than Docker's say it in words alone
    output += f"{failure}\n" if failure else ""
    if log is not None:
        write_text(log, output)
    if failure or not image:
        raise _failure(what, output or "no image came of it", log)
    return image


def _failure(what: str, output: str, log: Path | None) -> MoroccoError:
    if log is None:
        fd, name = tempfile.mkstemp(prefix="morocco-build-", suffix=".log")
        with os.fdopen(fd, "w") as file:
            file.write(output)
        log = Path(name)
    hint = f"the whole output is in {log}"
    if NO_NETWORK.search(output):
        hint = (
            "builds have no network: list Python packages in requirements.txt beside the "
            f"Dockerfile and they are there; {hint}"
        )
    tail = "\n".join(f"  | {line}" for line in output.splitlines()[-TAIL_LINES:])
    return MoroccoError(f"the build failed\n{tail}", place=what, hint=hint)
