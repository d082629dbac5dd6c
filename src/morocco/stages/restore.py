"""Before the first run: every image that is to be measured is on the engine, as it was described.

Someone may have removed images since a call before (`docker image prune` does). What this project
built is built again; where that gives another image, what was measured with the old one is stale.
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Collection
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import msgspec

from morocco.engine.client import connect
from morocco.engine.images import inspect_image
from morocco.errors import EngineError, MoroccoError
from morocco.formats.files import read_json
from morocco.formats.record import Image
from morocco.stages.images import ImageRequest, make_image
from morocco.stages.plan import Plan
from morocco.suite.model import Suite


def require_images(suite: Suite, models: Collection[str]) -> None:
    """Check and restore the images of ``models``.

    MoroccoError lists all that are not there and cannot be made here; EngineError where no engine
    answers. Nothing is asked of an engine where no model needs one.
    """
    parts = [
        part
        for name in models
        for part in suite.models[name].tasks.values()
        if part.runtime != "process"
    ]
    if not parts:
        return
    client, plan = connect(), Plan(suite)
    missing: dict[str, None] = {}  # keeps the order, drops repetitions
    for part in parts:
        place = SimpleNamespace(model=part.model, task=part.task)
        described = Path(plan.image_file(part.model, part.task))
        try:
            if part.build is None:
                inspect_image(client, str(part.image), part.model)
            if described.is_file():
                request = msgspec.json.decode(plan.image_text(place), type=ImageRequest)
                _as_described(client, plan, request, described)
        except EngineError:
            raise
        except MoroccoError as error:
            missing[str(error)] = None
    if missing:
        raise MoroccoError("\n".join(missing))


def _as_described(client: Any, plan: Plan, request: ImageRequest, described: Path) -> None:
    image = read_json(described, Image)
    if _has(client, image):
        return
    if request.build is not None and Path(plan.base_file).is_file():
        print(f"image {image.name} was removed: building it again", file=sys.stderr)
        with tempfile.TemporaryDirectory(prefix="morocco-restore-") as folder:
            out = str(Path(folder, "image.json"))
            if make_image(request, plan.suite.data_root, plan.base_file, out).id == image.id:
                return
    described.unlink()
    raise MoroccoError(
        f"image {image.name} is not the one that was measured ({image.id}), which was removed",
        place=f"model {request.model}",
        hint="call again: what was measured with the old one is measured anew",
    )


def _has(client: Any, image: Image) -> bool:
    try:
        inspect_image(client, image.id or image.name)
    except EngineError:
        raise
    except MoroccoError:
        return False
    return True
