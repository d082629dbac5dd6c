"""The locally made base image: reproducible, whole, and only made where it must be."""

from __future__ import annotations

import hashlib
import io
import json
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path

import pytest

from morocco.engine import base
from morocco.engine.client import connect
from morocco.errors import EngineError, MoroccoError


def layer(entries: base.Entries) -> bytes:
    file = io.BytesIO()
    base.write_layer(entries, file)
    return file.getvalue()


def test_layer_depends_on_contents_alone(tmp_path):
    source = tmp_path / "tool"
    source.write_bytes(b"\x7fELF")
    entries: base.Entries = {"bin/b": source, "bin/a": "b", "etc/x": b"text"}
    first = layer(entries)
    source.touch()
    source.chmod(0o600)
    assert layer(dict(reversed(entries.items()))) == first
    source.chmod(0o700)
    assert layer(entries) != first  # programs keep that they are programs
    with tarfile.open(fileobj=io.BytesIO(first)) as tar:
        owners = {(m.uid, m.gid, m.mtime, m.uname) for m in tar.getmembers()}
        assert owners == {(0, 0, 0, "")}
        assert tar.getmember("bin/a").linkname == "b"
        assert tar.getmember("tmp").mode == 0o1777
        assert tar.extractfile("etc/x").read() == b"text"


def test_archive_names_its_layer_by_digest():
    with tempfile.TemporaryFile() as inner:
        inner.write(layer({"etc/x": b"text"}))
        archive = io.BytesIO()
        base.write_archive(inner, {"Cmd": ["python3"]}, "some/base:1", archive)
        inner.seek(0)
        digest = hashlib.sha256(inner.read()).hexdigest()
    archive.seek(0)
    with tarfile.open(fileobj=archive) as tar:
        manifest = json.load(tar.extractfile("manifest.json"))[0]
        config = json.load(tar.extractfile(manifest["Config"]))
    assert manifest["RepoTags"] == ["some/base:1"]
    assert manifest["Layers"] == [f"{digest}/layer.tar"]
    assert config["rootfs"]["diff_ids"] == [f"sha256:{digest}"]


@pytest.fixture(scope="module")
def entries() -> base.Entries:
    return base.collect(base.find_interpreter())


def test_collects_interpreter_library_and_linker(entries):
    interpreter = base.find_interpreter()
    library = f"{interpreter.prefix}/lib/python{interpreter.version}"
    assert entries[f"{interpreter.prefix}/bin/python3"] == f"python{interpreter.version}"
    assert f"{library}/json/decoder.py" in entries
    assert "bin/sh" in entries
    names = {Path(name).name for name in entries}
    assert {"libc.so.6", "libstdc++.so.6", "libgcc_s.so.1"} <= names
    assert any(name.startswith("ld-linux") for name in names)


def test_leaves_the_host_out(entries):
    for name in entries:
        assert not set(Path(name).parts) & base.LEFT_OUT, name
        assert not name.endswith((".crt", ".pem", "pip.conf")), name
    assert entries["etc/passwd"].startswith(b"root:x:0:0:root:/root:/bin/sh\nnobody")


def test_interpreter_is_seen_through_a_virtual_environment():
    interpreter = base.find_interpreter()
    assert not interpreter.executable.is_symlink()
    assert (interpreter.stdlib / "os.py").is_file()
    assert (interpreter.stdlib / "lib-dynload").is_dir()


@pytest.mark.parametrize(
    ("name", "parts"),
    [
        ("python", ("python", "latest")),
        ("python:3.11-slim", ("python", "3.11-slim")),
        ("host:5000/python", ("host:5000/python", "latest")),
        ("host:5000/python:3", ("host:5000/python", "3")),
        ("python@sha256:ab", ("python", "sha256:ab")),
    ],
)
def test_image_names_come_apart(name, parts):
    assert base._split_tag(name) == parts


def test_no_engine_is_an_error_that_says_what_to_do(monkeypatch, tmp_path):
    monkeypatch.setenv("DOCKER_HOST", f"unix://{tmp_path}/none.sock")
    with pytest.raises(EngineError) as caught:
        connect()
    assert f"no container engine answers at unix://{tmp_path}/none.sock" in str(caught.value)
    assert "scripts/engine.sh" in str(caught.value)


@pytest.mark.parametrize("address", ["tcp://127.0.0.1:1", "nonsense", "http+unix://x"])
def test_any_bad_address_is_the_same_error(monkeypatch, address):
    monkeypatch.setenv("DOCKER_HOST", address)
    with pytest.raises(EngineError, match="no container engine answers"):
        connect()


def test_the_client_module_is_cheap():
    code = "import sys, morocco.engine.client; sys.exit('docker' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


@pytest.mark.engine
def test_same_files_same_image():
    client = connect()
    name = base.ensure_base_image(client, base.LOCAL_BASE)
    tag = "morocco/test-base:again"
    try:
        base.make_local_base(client, tag)
        assert client.images.get(tag).id == client.images.get(name).id
    finally:
        client.images.remove(tag)


@pytest.mark.engine
def test_a_base_that_cannot_be_pulled_gives_way_to_the_local_one(capsys):
    client = connect()
    name = base.ensure_base_image(client, "localhost:1/morocco/none:1")
    assert name == base.LOCAL_BASE
    assert "base image localhost:1/morocco/none:1 cannot be pulled" in capsys.readouterr().err


@pytest.mark.engine
def test_a_base_that_is_there_is_taken(monkeypatch):
    client = connect()
    base.ensure_base_image(client, base.LOCAL_BASE)
    client.images.get(base.LOCAL_BASE).tag("morocco/test-base", "mine")
    try:
        monkeypatch.setenv("BASE_IMAGE", "morocco/test-base:mine")
        assert base.ensure_base_image(client) == "morocco/test-base:mine"
    finally:
        client.images.remove("morocco/test-base:mine")


@pytest.mark.engine
def test_a_bad_image_name_is_named():
    with pytest.raises(MoroccoError, match="base image 'Bad Name'"):
        base.ensure_base_image(connect(), "Bad Name")
