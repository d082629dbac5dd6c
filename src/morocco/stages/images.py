"""Stage: base image and model images, each described in a file."""

from __future__ import annotations

import shlex
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import msgspec

from morocco.engine.base import ensure_base_image
from morocco.engine.client import connect
from morocco.engine.images import build_model, inspect_image
from morocco.engine.share import save_images
from morocco.errors import MoroccoError
from morocco.formats.files import read_json, write_json
from morocco.formats.record import Image

BASE = "_base"  # no model can have this name


def archive_file(results: str, model: str) -> str:
    """Where all images of a model (BASE: the base image) lie for other nodes' engines."""
    return f"{results}/images/archives/{model}.tar"


def prepare_base(wanted: str | None, out: str) -> Image:
    """Take, pull or make the base image; describe it in ``out``."""
    client = connect()
    name = ensure_base_image(client, wanted)
    image = inspect_image(client, name)
    write_json(out, image)
    return image


@dataclass(frozen=True)
class ImageRequest:
    """Which image a model has for a task: built here, someone else's, or a command instead."""

    model: str
    task: str
    image: str | None
    build: str | None
    build_args: dict[str, str]
    command: tuple[str, ...] | None


def prepare_image(request: str, data_root: str, base: str, out: str) -> Image:
    """As the rule calls it, the request as text."""
    return make_image(msgspec.json.decode(request, type=ImageRequest), data_root, base, out)


def make_image(request: ImageRequest, data_root: str, base: str, out: str) -> Image:
    """Build or find the image and describe it in ``out``; a build's log lies beside.

    ``base``: description of the base image. MoroccoError where image or command is missing.
    """
    if request.command is not None:
        if shutil.which(request.command[0]) is None:
            raise MoroccoError(
                f"no such command: {request.command[0]!r}", place=f"model {request.model}"
            )
        image = Image(shlex.join(request.command), None, None, None)
    elif request.build is not None:
        assert request.image is not None
        image = build_model(
            Path(request.build),
            request.task,
            Path(data_root),
            request.image,
            read_json(base, Image).name,
            request.build_args,
            log=Path(out).with_suffix(".build.log"),
        )
    else:
        assert request.image is not None
        image = inspect_image(connect(), request.image, request.model)
    write_json(out, image)
    return image


def archive_images(described: Sequence[str], out: str) -> None:
    """Write the images of these descriptions into one archive that any node can load."""
    save_images([read_json(path, Image) for path in described], Path(out))
