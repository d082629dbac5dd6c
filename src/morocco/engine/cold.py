"""Push an image's files out of the page cache, so that the next run starts cold."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import docker


def evict_image(client: docker.DockerClient, image: str) -> tuple[int | None, str | None]:
    """Bytes evicted, or None and why not.

    Only the image's own layers are touched (posix_fadvise DONTNEED, a hint that the kernel follows
    for clean pages that nobody maps): the rest of the machine keeps its cache.
    """
    data = client.api.inspect_image(image).get("GraphDriver", {}).get("Data") or {}
    layers = [data["UpperDir"]] if data.get("UpperDir") else []
    layers += [folder for folder in (data.get("LowerDir") or "").split(":") if folder]
    if not layers:
        return None, "the engine does not say where the image's layers lie"
    if not all(os.access(layer, os.R_OK | os.X_OK) for layer in layers):
        return None, "the image's layers cannot be read: run as root"
    os.sync()  # a freshly built layer is dirty, and dirty pages stay
    return sum(_evict(path) for layer in layers for path in _files(layer)), None


def _files(layer: str) -> Iterator[str]:
    for folder, _, names in os.walk(layer):
        for name in names:
            path = os.path.join(folder, name)
            if os.path.isfile(path) and not os.path.islink(path):
                yield path


def _evict(path: str) -> int:
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOATIME | os.O_CLOEXEC)
    except OSError:
        return 0
    try:
        size = os.fstat(descriptor).st_size
        os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)
        return size
    finally:
        os.close(descriptor)
