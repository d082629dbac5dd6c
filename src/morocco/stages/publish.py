"""Stage: push a task image to a registry, and note the digest it has there."""

from __future__ import annotations

from dataclasses import dataclass

from morocco.engine.client import connect
from morocco.engine.images import inspect_image
from morocco.errors import EngineError, MoroccoError
from morocco.formats.files import read_json, write_json
from morocco.formats.record import Image


@dataclass(frozen=True)
class Published:
    """An image as others can pull it: ``docker pull <name>@<digest>``."""

    name: str
    id: str | None  # the image that was measured here
    digest: str


def publish_image(
    image_json: str, registry: str | None, model: str, task: str, out: str
) -> Published:
    """Tag the described image as ``<registry>/<model>-<task>:latest``, push it, note its digest.

    Runs that are measured afterwards carry the digest in their records. Credentials are those of
    ``docker login``. EngineError with the registry's own words where it refuses.
    """
    if not registry:
        raise MoroccoError("the suite names no registry", hint="registry: host/team in the config")
    client = connect()
    image = read_json(image_json, Image)
    found = inspect_image(client, image.id or image.name, model)
    repository = f"{registry.rstrip('/')}/{model}-{task}"
    client.api.tag(found.id, repository, "latest")
    digest = None
    for event in client.api.push(repository, tag="latest", stream=True, decode=True):
        if "error" in event:
            raise EngineError(
                f"the registry refused: {event['error']}",
                place=f"{repository}:latest",
                hint="docker login, and see that you may write there",
            )
        digest = (event.get("aux") or {}).get("Digest", digest)
    if digest is None:
        raise MoroccoError("the registry named no digest", place=f"{repository}:latest")
    published = Published(f"{repository}:latest", found.id, digest)
    write_json(out, published)
    return published
