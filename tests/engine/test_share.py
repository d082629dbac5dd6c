"""An image gets from one engine to another by an archive; here the same engine plays both."""

from __future__ import annotations

import io
import tarfile
import uuid

import pytest

from morocco.engine.images import inspect_image
from morocco.engine.share import ensure_image, save_images
from morocco.errors import EngineError
from morocco.formats.record import Image

pytestmark = pytest.mark.engine


@pytest.fixture
def own_image(engine):
    """An image that nobody else has, gone after the test."""
    tag = f"morocco/share-{uuid.uuid4().hex[:12]}"
    content = io.BytesIO()
    with tarfile.open(fileobj=content, mode="w") as tar:
        entry = tarfile.TarInfo("hello")
        tar.addfile(entry, io.BytesIO(b""))
    engine.api.import_image_from_data(content.getvalue(), repository=tag, tag="latest")
    image = inspect_image(engine, f"{tag}:latest")
    yield image
    if has(engine, image):
        engine.images.remove(image.id, force=True)


def has(engine, image: Image) -> bool:
    return image.id in {found.id for found in engine.images.list(all=True)}


def test_an_image_that_is_here_is_left_alone(engine, own_image, tmp_path):
    assert ensure_image(engine, own_image, tmp_path / "none.tar") is None


def test_a_node_without_the_image_loads_the_archive(engine, own_image, tmp_path):
    archive = tmp_path / "archives" / "m.tar"
    save_images([own_image, own_image], archive)
    engine.images.remove(own_image.id, force=True)
    assert not has(engine, own_image)
    assert ensure_image(engine, own_image, archive) == f"loaded from {archive}"
    assert has(engine, own_image)
    assert ensure_image(engine, own_image, archive) is None


def test_a_broken_archive_is_named(engine, own_image, tmp_path):
    archive = tmp_path / "m.tar"
    save_images([own_image], archive)
    engine.images.remove(own_image.id, force=True)
    archive.write_bytes(archive.read_bytes()[:600])
    with pytest.raises(EngineError) as error:
        ensure_image(engine, own_image, archive)
    assert str(archive) in str(error.value)


def test_an_image_from_nowhere_fails_the_job_and_says_what_helps(engine, tmp_path):
    lost = Image("morocco/lost:latest", "sha256:" + "0" * 64, None, None)
    with pytest.raises(EngineError, match="image_archives: true"):
        ensure_image(engine, lost, tmp_path / "none.tar")


def test_no_archive_stands_for_an_image_that_is_not_there(tmp_path):
    lost = Image("morocco/lost:latest", "sha256:" + "0" * 64, None, None)
    with pytest.raises(EngineError):
        save_images([lost], tmp_path / "m.tar")
    assert list(tmp_path.iterdir()) == []


def test_a_command_without_an_image_needs_none(engine, tmp_path):
    assert ensure_image(engine, Image("cat", None, None, None), tmp_path / "none.tar") is None
