"""Publishing to a real registry on loopback."""

import shutil
import socket
import subprocess
import time
import urllib.request

import pytest

from morocco.engine.base import ensure_base_image
from morocco.engine.client import connect
from morocco.engine.images import inspect_image
from morocco.errors import EngineError, MoroccoError
from morocco.formats.files import read_json, write_json
from morocco.stages.publish import Published, publish_image

pytestmark = pytest.mark.engine

CONFIG = """\
version: 0.1
storage: {{filesystem: {{rootdirectory: {folder}}}}}
http: {{addr: "127.0.0.1:{port}"}}
"""


@pytest.fixture
def registry(tmp_path):
    program = shutil.which("docker-registry")
    if program is None:
        pytest.skip("no docker-registry here (Debian's package of that name)")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    config = tmp_path / "registry.yaml"
    config.write_text(CONFIG.format(folder=tmp_path / "registry", port=port))
    process = subprocess.Popen(
        [program, "serve", config], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        deadline = time.monotonic() + 20
        while True:
            try:
                urllib.request.urlopen(f"http://127.0.0.1:{port}/v2/", timeout=5).close()
                break
            except OSError:
                assert time.monotonic() < deadline, "the registry did not start"
                time.sleep(0.1)
        yield f"127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait()


@pytest.fixture
def described(tmp_path):
    client = connect()
    image = inspect_image(client, ensure_base_image(client))
    write_json(tmp_path / "terra.json", image)
    return image, str(tmp_path / "terra.json")


def test_pushed_image_can_be_pulled_by_its_digest(registry, described, tmp_path):
    image, description = described
    out = tmp_path / "published.json"
    published = publish_image(description, f"{registry}/team", "base", "terra", str(out))
    client = connect()
    try:
        assert published.name == f"{registry}/team/base-terra:latest"
        assert published == read_json(out, Published)
        assert published.id == image.id
        client.api.remove_image(published.name)
        pulled = client.images.pull(f"{registry}/team/base-terra@{published.digest}")
        assert pulled.id == image.id
        # From now on the engine tells the digest: records of later runs carry it.
        again = inspect_image(client, f"{registry}/team/base-terra@{published.digest}")
        assert again.digest is not None
        assert again.digest.endswith(published.digest)
    finally:
        for tag in client.images.get(image.id).attrs["RepoDigests"]:
            if tag.startswith(registry):
                client.api.remove_image(tag)


def test_a_registry_that_is_not_there_is_named(described, tmp_path):
    _, description = described
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{closed.getsockname()[1]}"
        out = tmp_path / "published.json"
        with pytest.raises(EngineError, match=r"refused"):
            publish_image(description, f"{address}/team", "base", "terra", str(out))
    connect().api.remove_image(f"{address}/team/base-terra:latest")
    assert not out.exists()


def test_without_a_registry_in_the_config(described, tmp_path):
    _, description = described
    with pytest.raises(MoroccoError, match="names no registry"):
        publish_image(description, None, "base", "terra", str(tmp_path / "published.json"))
