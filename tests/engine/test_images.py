"""Images of models: built for a task, found again, and failures that say what to do."""

from __future__ import annotations

import contextlib
import io
import json
import shutil
import tarfile
import tempfile
import uuid
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from sandbox import run_sandboxed

from morocco.engine.base import LOCAL_BASE
from morocco.engine.client import connect
from morocco.engine.context import folder_files, write_context
from morocco.engine.images import build_model, inspect_image
from morocco.engine.runtime import install
from morocco.errors import MoroccoError
from morocco.tasks.inputs import make_input
from morocco.tasks.predictions import check_predictions
from morocco.tasks.registry import TASKS

ROOT = Path(__file__).resolve().parents[2]
MODELS, SAMPLE = ROOT / "models", ROOT / "data" / "sample"


@pytest.fixture(scope="module")
def client():
    return connect()


@pytest.fixture
def tag(client):
    """A name of this test's own; the image behind it is removed."""
    name = f"morocco/test-{uuid.uuid4().hex[:8]}:latest"
    yield name
    with contextlib.suppress(Exception):
        client.images.remove(name)


def build(client, folder: Path, tag: str, task: str = "terra", data: Path = SAMPLE, **more):
    return build_model(folder, task, data, tag, LOCAL_BASE, {}, client=client, **more)


def model_folder(tmp_path: Path, dockerfile: str, **files: str) -> Path:
    folder = tmp_path / "mine"
    folder.mkdir()
    text = f"ARG BASE_IMAGE\nFROM ${{BASE_IMAGE}}\n{dockerfile}\n"
    for name, content in {"Dockerfile": text, **files}.items():
        (folder / name.replace("_txt", ".txt")).write_text(content)
    return folder


# --- contexts -----------------------------------------------------------------------------------


def test_context_is_reproducible_and_readable_by_all(tmp_path):
    (tmp_path / "infer.py").write_text("x")
    (tmp_path / "infer.py").chmod(0o600)
    with write_context(folder_files(tmp_path)) as first:
        before = first.read()
    (tmp_path / "infer.py").touch()
    (tmp_path / "infer.py").chmod(0o640)
    with write_context(folder_files(tmp_path)) as second:
        assert second.read() == before
    with tarfile.open(fileobj=io.BytesIO(before)) as tar:
        assert [(m.name, m.mode, m.uid) for m in tar] == [("infer.py", 0o644, 0)]


def test_context_leaves_out_what_is_ignored(tmp_path):
    for name in ("Dockerfile", "infer.py", "README.md", "notes.txt", "weights/a.bin"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("x")
    (tmp_path / "__pycache__").mkdir()
    (tmp_path / "__pycache__" / "infer.pyc").write_text("x")
    (tmp_path / ".dockerignore").write_text("# a comment\n*.txt\n")
    assert set(folder_files(tmp_path)) == {"Dockerfile", "infer.py", "weights/a.bin"}


def test_context_follows_links_to_a_sibling_model_only(tmp_path):
    for name in ("mine", "shared"):
        (tmp_path / "models" / name).mkdir(parents=True)
    (tmp_path / "secret").write_text("x")
    (tmp_path / "models" / "shared" / "stream.py").write_text("shared")
    mine = tmp_path / "models" / "mine"
    (mine / "infer.py").write_text("x")
    (mine / "stream.py").symlink_to("../shared/stream.py")
    (mine / "alias.py").symlink_to("infer.py")
    (mine / "away").symlink_to("../../secret")
    files = folder_files(mine)
    assert files["stream.py"].read_text() == "shared"
    assert not files["stream.py"].is_symlink()
    with write_context(files) as context, tarfile.open(fileobj=context) as tar:
        links = {member.name: member.linkname for member in tar if member.issym()}
    assert links == {"alias.py": "infer.py", "away": "../../secret"}


def test_a_file_that_cannot_be_read_is_named(tmp_path):
    with pytest.raises(MoroccoError, match=r"gone\.bin"):
        write_context({"gone.bin": tmp_path / "gone.bin"})


# --- mistakes that need no engine --------------------------------------------------------------


def test_folder_without_dockerfile(tmp_path):
    with pytest.raises(MoroccoError, match=f"model folder {tmp_path}: no Dockerfile"):
        build(None, tmp_path, "x")


def test_missing_train_split_is_named(tmp_path):
    with pytest.raises(MoroccoError) as caught:
        build(None, MODELS / "majority", "x", task="lidirus", data=tmp_path)
    assert f"the model learns from {tmp_path}/TERRa/train.jsonl" in str(caught.value)
    assert str(caught.value).startswith("majority/lidirus: ")


def test_packages_that_cannot_be_had(tmp_path):
    requirements = tmp_path / "requirements.txt"
    requirements.write_text(f"nothing @ file://{tmp_path}/nothing-1-py3-none-any.whl\n")
    with pytest.raises(MoroccoError) as caught:
        install(requirements, tmp_path / "site", "3.11")
    assert str(caught.value).startswith(f"{requirements}: packages cannot be installed\n  | ")
    assert "nothing-1-py3-none-any.whl" in str(caught.value)


# --- with an engine -----------------------------------------------------------------------------


@pytest.mark.engine
def test_missing_image_names_model_and_image(client):
    with pytest.raises(MoroccoError) as caught:
        inspect_image(client, "morocco/none-terra:1", "mine")
    assert str(caught.value).startswith("model mine: image 'morocco/none-terra:1' is not on this")
    with pytest.raises(MoroccoError, match="model mine: image 'Bad Name'"):
        inspect_image(client, "Bad Name", "mine")


@pytest.mark.engine
def test_built_twice_is_the_same_image(client, tag, tmp_path):
    log = tmp_path / "logs" / "build.log"
    image = build(client, MODELS / "majority", tag, log=log)
    assert image == inspect_image(client, tag)
    assert image.labels["morocco.model"] == "majority"
    assert image.labels["morocco.task"] == "terra"
    assert image.labels["morocco.parameters"] == "2"
    assert int(image.labels["morocco.weight_bytes"]) > 10
    assert image.labels["org.opencontainers.image.licenses"] == "MIT"
    assert image.labels["org.opencontainers.image.base.name"] == LOCAL_BASE
    assert "Step 1/" in log.read_text()
    assert build(client, MODELS / "majority", tag) == image


@pytest.mark.engine
def test_tasks_share_all_layers_but_their_own(client, tag):
    other = tag.replace(":latest", ":other")
    try:
        ids = [
            build(client, MODELS / "calibrated", tag, task="terra").id,
            build(client, MODELS / "calibrated", other, task="rcb").id,
        ]
        layers = [client.images.get(i).attrs["RootFS"]["Layers"] for i in ids]
        assert ids[0] != ids[1]
        assert layers[0] == layers[1]  # the task is a setting, no file
    finally:
        client.images.remove(other)


@pytest.mark.engine
def test_new_data_makes_a_new_image_and_leaves_none_behind(client, tag, tmp_path):
    shutil.copytree(SAMPLE / "TERRa", tmp_path / "TERRa")
    first = build(client, MODELS / "majority", tag, data=tmp_path)
    with (tmp_path / "TERRa" / "train.jsonl").open("a") as file:
        file.write('{"premise": "П", "hypothesis": "Г", "label": "entailment", "idx": 9999}\n')
    second = build(client, MODELS / "majority", tag, data=tmp_path)
    assert second.id != first.id
    names = [image.id for image in client.images.list(filters={"dangling": True})]
    assert first.id not in names


@pytest.mark.engine
def test_nothing_of_the_host_is_told(client, tag, monkeypatch):
    monkeypatch.setenv("HTTPS_PROXY", "http://user:secret@proxy.example:3128")
    monkeypatch.setenv("PIP_INDEX_URL", "http://user:secret@index.example/simple")
    build(client, MODELS / "majority", tag)
    image = client.images.get(tag)
    told = json.dumps([image.history(), image.attrs["Config"]])
    for word in ("secret", "example", "proxy", "ca-certificates", str(Path.home()), str(ROOT)):
        assert word not in told


@pytest.mark.engine
def test_failed_build_shows_its_tail_and_keeps_the_rest(client, tag, tmp_path):
    folder = model_folder(tmp_path, "RUN echo one; echo two >&2; exit 7")
    log = tmp_path / "build.log"
    with pytest.raises(MoroccoError) as caught:
        build(client, folder, tag, log=log)
    message = str(caught.value)
    assert message.startswith("mine/terra: the build failed\n")
    assert "  | one\n" in message
    assert "two" in message
    assert "returned a non-zero code: 7" in message
    assert f"the whole output is in {log}" in message
    assert "Step 1/3" in log.read_text()


@pytest.mark.engine
def test_failed_build_without_a_log_file_leaves_one(client, tag, tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    folder = model_folder(tmp_path, "RUN exit 7")
    with pytest.raises(MoroccoError, match="the whole output is in"):
        build(client, folder, tag)
    (kept,) = tmp_path.glob("morocco-build-*.log")
    assert "RUN exit 7" in kept.read_text()
    assert not list(tmp_path.glob("morocco-context-*"))


@pytest.mark.engine
def test_dockerfile_that_cannot_be_parsed(client, tag, tmp_path):
    folder = model_folder(tmp_path, "FETCH the weights")
    with pytest.raises(MoroccoError, match=r"(?s)mine/terra: the build failed.*FETCH"):
        build(client, folder, tag)


@pytest.mark.engine
def test_build_that_wants_the_network_is_told_of_requirements(client, tag, tmp_path):
    code = "import socket; socket.gethostbyname('example.org')"
    folder = model_folder(tmp_path, f'RUN ["python3", "-c", "{code}"]')
    with pytest.raises(MoroccoError, match="builds have no network: list Python packages in req"):
        build(client, folder, tag)


@pytest.mark.engine
@pytest.mark.parametrize(
    ("text", "words"),
    [("{oops", "is not JSON"), ("[]", "not a JSON object"), ('{"size": 1}', "'size': 1")],
)
def test_what_a_model_tells_about_itself_is_checked(client, tag, tmp_path, text, words):
    folder = model_folder(tmp_path, "COPY about.txt /model/about.json", about_txt=text)
    with pytest.raises(MoroccoError, match=r"mine/terra: /model/about.json.*" + words):
        build(client, folder, tag)


@pytest.mark.engine
def test_builds_at_one_time(client, tag):
    """Six at once, two of them for the same name."""
    tags = [tag, tag, *(tag.replace(":latest", f":{i}") for i in range(4))]
    tasks = ["terra", "terra", "rcb", "parus", "muserc", "rucos"]
    try:
        with ThreadPoolExecutor(6) as pool:
            # Each with a client of its own, as in processes of their own.
            made = pool.map(lambda *each: build(None, MODELS / "random", *each), tags, tasks)
            images = list(made)
        assert [i.labels["morocco.task"] for i in images] == tasks
    finally:
        for name in tags[2:]:
            with contextlib.suppress(Exception):
                client.images.remove(name)


@pytest.mark.engine
@pytest.mark.parametrize(
    ("model", "task"), [("majority", "muserc"), ("random", "lidirus"), ("tfidf", "rucos")]
)
def test_a_container_answers_under_the_options_of_a_run(client, tag, tmp_path, model, task):
    build(client, MODELS / model, tag, task=task)
    source, output = tmp_path / "in.jsonl", tmp_path / "out.jsonl"
    make_input(SAMPLE / TASKS[task].eval_file, 30, source)
    run = run_sandboxed(client, tag, "--batch-size", "8", records=source.read_bytes())
    assert (run.status, run.stderr) == (0, b"")
    output.write_bytes(run.stdout)
    check = check_predictions(TASKS[task], source, output)
    assert check.valid, check.reasons


# --- the calibrated model, where only a container will do ----------------------------------------


@pytest.fixture(scope="module")
def calibrated(client):
    name = f"morocco/test-{uuid.uuid4().hex[:8]}:calibrated"
    build(client, MODELS / "calibrated", name)

    def run(*arguments: str):
        records = b'{"premise": "a", "hypothesis": "b", "idx": 0}\n'
        return run_sandboxed(client, name, *arguments, records=records)

    yield run
    client.images.remove(name)


def told(run) -> list[dict]:
    return [json.loads(line) for line in run.stderr.splitlines()]


@pytest.mark.engine
def test_no_attack_succeeds(calibrated):
    run = calibrated("--attack", "network,host,root,privileges,disk", "--fill", "128")
    attacks = [event for event in told(run) if event["event"] == "attack"]
    assert {event["kind"] for event in attacks} == {
        "network",
        "host",
        "root",
        "privileges",
        "disk",
    }
    assert len(attacks) >= 40
    assert [event for event in attacks if event["succeeded"]] == []
    assert run.status == 0
    assert run.stdout.count(b"\n") == 1


@pytest.mark.engine
def test_forks_end_at_the_limit(calibrated):
    run = calibrated("--fail", "forks")
    (forked,) = (event for event in told(run) if event["event"] == "forked")
    assert forked["processes"] < 64
    assert forked["refused"]
    assert run.status == 0


@pytest.mark.engine
def test_memory_ends_at_the_limit(calibrated):
    run = calibrated("--fail", "oom")
    assert (run.status, run.oom_killed) == (137, True)


@pytest.mark.engine
def test_kill_inside_a_container_shows_as_137(calibrated):
    run = calibrated("--fail", "kill")
    assert (run.status, run.oom_killed) == (137, False)


@pytest.mark.engine
def test_the_image_holds_a_file_to_map(calibrated):
    run = calibrated("--map", "64", "--children", "2")
    assert run.status == 0
    assert told(run)[-1]["children"] == 2
