"""Images of models: looked up, or built from a model's folder for one task."""

from __future__ import annotations

import io
import json
import re
import tarfile
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from morocco.engine.base import ensure_base_image
from morocco.engine.build import build_image
from morocco.engine.client import connect
from morocco.engine.context import folder_files
from morocco.engine.runtime import ensure_runtime
from morocco.errors import EngineError, MoroccoError
from morocco.formats.record import Image
from morocco.tasks.registry import TASKS, Task, get_task

if TYPE_CHECKING:
    import docker

# What a model may tell about itself: JSON that its build leaves at this place in the image.
ABOUT = "/model/about.json"
ABOUT_KEYS = ("parameters", "vocabulary", "weight_bytes")


def inspect_image(client: docker.DockerClient, name: str, model: str | None = None) -> Image:
    """What the engine knows of an image; MoroccoError names model and image if it is missing."""
    import docker.errors

    place = f"model {model}" if model else None
    try:
        image = client.images.get(name)
    except docker.errors.ImageNotFound as error:
        raise MoroccoError(
            f"image {name!r} is not on this engine",
            place=place,
            hint=f"docker pull {name}, or give the model a folder to build it from",
        ) from error
    except docker.errors.APIError as error:
        if error.is_client_error():
            raise MoroccoError(f"image {name!r}: {error.explanation}", place=place) from error
        raise EngineError(f"image {name!r}: {error.explanation}", place=place) from error
    except (docker.errors.DockerException, OSError) as error:
        raise EngineError(f"image {name!r}: {error}", place=place) from error
    return Image(
        name=name,
        id=image.id,
        digest=next(iter(image.attrs.get("RepoDigests") or ()), None),
        size_bytes=image.attrs.get("Size"),
        labels=dict(image.labels or {}),
    )


def build_model(
    model_dir: Path,
    task: str,
    data_root: Path,
    tag: str,
    base_image: str,
    build_args: Mapping[str, str],
    *,
    client: docker.DockerClient | None = None,
    log: Path | None = None,
    network: str = "none",
) -> Image:
    """Build a model's folder for one task and name the image ``tag``.

    The folder's Dockerfile is given three things: ``ARG BASE_IMAGE``, a Python with the packages of
    ``requirements.txt`` (where the folder has one); ``ARG TASK``, the key of the task; and, if it
    speaks of ``train.jsonl``, that file of the task (TERRa's for LiDiRus, which has none).
    ``ARG BUILD_IMAGE`` is a Python with ``requirements-build.txt``, for a stage that the image
    leaves behind. A build argument WEIGHTS names a folder whose files stand under ``weights/``
    (those of its subfolder for the task, where it has one); a Dockerfile that speaks of ``texts``
    finds every task's measured split under ``texts/``.
    What it leaves in ``/model/about.json`` (parameters, vocabulary, weight_bytes) becomes labels.
    The same folder and data give the same image id as before, out of the builder's cache.

    Raises MoroccoError with the tail of the output if the build fails (the whole of it goes to
    ``log``, or to a temporary file that the message names), EngineError if the engine does.
    """
    spec = get_task(task)
    files = _model_files(model_dir, spec, data_root)
    arguments = {**build_args}
    if weights := arguments.pop("WEIGHTS", None):
        files |= weight_files(Path(weights), spec, model_dir.name)
    client = client or connect()
    base = ensure_base_image(client, base_image)
    requirements = model_dir / "requirements.txt"
    runtime = ensure_runtime(client, base, requirements if requirements.is_file() else None)
    arguments |= {"BASE_IMAGE": runtime, "TASK": spec.key}
    building = model_dir / "requirements-build.txt"
    if building.is_file():
        arguments["BUILD_IMAGE"] = ensure_runtime(client, base, building)
    what = f"{model_dir.name}/{spec.key}"
    bare = build_image(
        client,
        files,
        what=what,
        build_args=arguments,
        network=network,
        log=log,
    )
    try:
        told = _labels(client, bare, what)
    except MoroccoError:
        _forget(client, bare)
        raise
    labels = {
        "morocco.model": model_dir.name,
        "morocco.task": spec.key,
        "org.opencontainers.image.base.name": base,
        **told,
    }
    pairs = " ".join(f"{key}={json.dumps(value)}" for key, value in labels.items())
    before = _image_id(client, tag)
    # Not labels= of the build itself: what the model tells is known only now.
    final = build_image(
        client,
        {"Dockerfile": f"FROM {bare.removeprefix('sha256:')}\nLABEL {pairs}\n".encode()},
        what=what,
        tag=tag,
    )
    if before not in (None, final):
        _forget(client, str(before))
    return inspect_image(client, tag, model_dir.name)


def _model_files(model_dir: Path, task: Task, data_root: Path) -> dict[str, Path | bytes]:
    dockerfile = model_dir / "Dockerfile"
    if not dockerfile.is_file():
        raise MoroccoError(
            "no Dockerfile there",
            place=f"model folder {model_dir}",
            hint="every file a model needs is described in models/README.md",
        )
    files: dict[str, Path | bytes] = {**folder_files(model_dir)}
    text = dockerfile.read_text()
    if "train.jsonl" in text and "train.jsonl" not in files:
        train = data_root / (task.train_file or str(get_task("terra").train_file))
        if not train.is_file():
            raise MoroccoError(
                f"the model learns from {train}, which is missing",
                place=f"{model_dir.name}/{task.key}",
                hint="the data root must hold the train split in the official layout",
            )
        files["train.jsonl"] = train
    if re.search(r"^COPY texts ", text, re.MULTILINE):
        # The measured splits: every data root has them, and they are small.
        splits = {name: data_root / name for name in sorted(t.eval_file for t in TASKS.values())}
        files |= {f"texts/{name}": path for name, path in splits.items() if path.is_file()}
    return files


def weight_files(folder: Path, task: Task, model: str) -> dict[str, Path | bytes]:
    """Name in the context -> file, for a folder of weights or its part for ``task``.

    A folder with parts need not have one for LiDiRus: TERRa's classifier answers it.
    """
    parts = [folder / task.key, *([folder / "terra"] if task.key == "lidirus" else [])]
    chosen = next((part for part in parts if part.is_dir()), folder)
    files = sorted(path for path in chosen.iterdir() if path.is_file()) if chosen.is_dir() else []
    if not files:
        raise MoroccoError(
            f"no weights in {chosen}",
            place=f"{model}/{task.key}",
            hint="the build argument WEIGHTS names a folder of files, or of one folder a task",
        )
    # Model hubs keep links to a cache of their own there.
    return {f"weights/{path.name}": path.resolve() for path in files}


def _labels(client: docker.DockerClient, image: str, what: str) -> dict[str, str]:
    """The labels that a model's own file asks for; none where it left no file."""
    import docker.errors

    container = client.containers.create(image, labels={"morocco.build": what})
    try:
        chunks, _ = container.get_archive(ABOUT)
        with tarfile.open(fileobj=io.BytesIO(b"".join(chunks))) as tar:
            member = tar.extractfile(Path(ABOUT).name)
            about: Any = json.load(member) if member else {}
    except docker.errors.NotFound:
        return {}
    except (ValueError, tarfile.TarError, KeyError) as error:
        raise MoroccoError(f"{ABOUT} is not JSON: {error}", place=what) from error
    finally:
        container.remove(force=True)
    if not isinstance(about, dict):
        raise MoroccoError(f"{ABOUT} is not a JSON object", place=what)
    for key, value in about.items():
        if key not in ABOUT_KEYS or isinstance(value, bool) or not isinstance(value, int):
            raise MoroccoError(
                f"{ABOUT}: {key!r}: {value!r}",
                place=what,
                hint=f"whole numbers under {', '.join(ABOUT_KEYS)}",
            )
    return {f"morocco.{key}": str(value) for key, value in about.items()}


def _image_id(client: docker.DockerClient, tag: str) -> str | None:
    import docker.errors

    try:
        return client.images.get(tag).id
    except docker.errors.ImageNotFound:
        return None


def _forget(client: docker.DockerClient, image: str) -> None:
    """Remove an image that lost its last tag to its successor; not one that is still in use."""
    import contextlib

    import docker.errors

    with contextlib.suppress(docker.errors.APIError):
        if not client.images.get(image).tags:
            client.api.remove_image(image)
