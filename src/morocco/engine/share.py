"""Images on the engine that is to run them: there already, from shared storage, or pulled."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from morocco.engine.client import connect
from morocco.engine.locks import lock
from morocco.errors import EngineError
from morocco.formats.files import atomic_writer
from morocco.formats.record import Image

if TYPE_CHECKING:
    import docker

# Unpacking gigabytes, the engine is silent for minutes.
_PATIENT_SECONDS = 3600


def save_images(images: Sequence[Image], target: Path) -> None:
    """Write images into one archive, layers they share once (the form of ``docker save``).

    EngineError where an image is missing or the disk is full; then no archive stands.
    """
    client = connect(timeout=_PATIENT_SECONDS)
    ids = sorted({image.id for image in images if image.id})
    with _engine_errors(str(target)):
        # The SDK saves one image at a time: shared layers would be written for each.
        url = f"{client.api.base_url}/v{client.api.api_version}/images/get"
        with client.api.get(
            url, params={"names": ids}, stream=True, timeout=_PATIENT_SECONDS
        ) as answer:
            answer.raise_for_status()
            with atomic_writer(target) as file:
                for chunk in answer.iter_content(2**20):
                    file.write(chunk)


def ensure_image(client: docker.DockerClient, image: Image, archive: Path) -> str | None:
    """Make sure this engine has ``image``: loaded from ``archive`` or pulled by its digest.

    How it came here; None where it was here. EngineError where it cannot be had.
    """
    if image.id is None or _has(client, image.id):
        return None
    with lock("image"):  # jobs that start together on a node: the first one fetches
        if _has(client, image.id):
            return None
        if archive.is_file():
            patient = connect(timeout=_PATIENT_SECONDS)
            with _engine_errors(str(archive)), archive.open("rb") as file:
                patient.images.load(file)
        elif image.digest:
            repository, _, digest = image.digest.partition("@")
            with _engine_errors(image.digest):
                client.images.pull(repository, tag=digest)
        if not _has(client, image.id):
            raise EngineError(
                f"image {image.name} ({image.id}) is not on this node's engine",
                place=str(archive),
                hint="`image_archives: true` in the suite puts all images beside the results; "
                "one with a registry digest is pulled",
            )
    return f"loaded from {archive}" if archive.is_file() else f"pulled {image.digest}"


def _has(client: docker.DockerClient, image: str) -> bool:
    import docker.errors

    with _engine_errors(image):
        try:
            client.api.inspect_image(image)
        except docker.errors.ImageNotFound:
            return False
    return True


@contextlib.contextmanager
def _engine_errors(place: str) -> Iterator[None]:
    import docker.errors

    try:
        yield
    except (docker.errors.DockerException, OSError) as error:  # requests' errors are OSErrors
        raise EngineError(str(error), place=place) from error
