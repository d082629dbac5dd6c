"""Stage: tune a model on a task: runs by the harness, then curve, tables and config lines."""

from __future__ import annotations

import contextlib
import dataclasses
import shutil
import signal
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from types import FrameType
from typing import Any

from morocco.bench.interrupt import Interrupted
from morocco.bench.keep import confirm
from morocco.charts.save import save_chart
from morocco.charts.tune import CurvePoint, Line, tune_chart
from morocco.engine.reap import unique_suffix
from morocco.errors import MoroccoError
from morocco.estimate.stats import is_simulated
from morocco.formats.files import write_json, write_text
from morocco.formats.record import Image, RunRecord
from morocco.stages.bench import bench, open_engine
from morocco.stages.images import ImageRequest, make_image, prepare_base
from morocco.stages.inputs import prepare_input
from morocco.stages.progress import clock as clock_text
from morocco.suite.model import Load, ModelTask, RunSpec, Suite
from morocco.tasks.registry import TASKS
from morocco.tune.report import STATUS, config_lines, line_text, markdown
from morocco.tune.results import MEASURED, Settings, Tuning
from morocco.tune.search import search

# What a tuning writes into its folder: all of it is replaced by the next one there.
NAMES = (
    "tuning.json",
    "tuning.md",
    "loads.yaml",
    *(f"curve.{suffix}" for suffix in ("json", "svg", "png", "html")),
    *("logs", "inputs", "images"),
)


def tune(
    suite: Suite,
    model: str,
    task: str,
    *,
    batch_sizes: tuple[int, ...],
    budget_seconds: float,
    aim: str = "width",
    repeats: int | None = None,
    image: str | None = None,
    out: str | Path | None = None,
) -> tuple[Tuning, Path]:
    """Tune ``model`` of ``suite`` on ``task``; what was found, and the folder it stands in.

    ``image`` replaces the suite's. An interrupt (Interrupted, KeyboardInterrupt) or an error leaves
    the folder as it was. The budget counts from the first run: building an image is not in it.
    """
    part = suite.model_task(model, task)
    if image is not None:
        part = dataclasses.replace(part, image=image, build=None)
    target = Path(out) if out is not None else Path(suite.results) / "tune" / model / task
    settings = Settings(
        init=part.init,
        batch_sizes=tuple(sorted(set(batch_sizes))),
        repeats=repeats or part.repeats,
        budget_seconds=budget_seconds,
        max_relative_half_width=suite.max_relative_half_width,
        timeout_seconds=part.timeout_seconds,
        memory_limit=part.limits.memory,
        stdout_limit=part.limits.stdout,
        device=part.device,
        aim=aim,
        max_repeats=max(repeats or part.repeats, suite.screening.max_repeats),
    )
    with _terminable(), _folder(target):
        tuning = _measure_all(suite, part, settings, target)
        write_text(target / "tuning.md", markdown(tuning))
        write_text(target / "loads.yaml", config_lines(tuning))
        save_chart(curve(tuning), target / "curve", title=f"{model} on {TASKS[task].title}")
        write_json(target / "tuning.json", tuning)
        confirm(target)  # no workflow call follows that would restore a run
    return tuning, target


def _measure_all(suite: Suite, part: ModelTask, settings: Settings, folder: Path) -> Tuning:
    say(f"image of {part.model} for {TASKS[part.task].title}")
    image, image_json = _image(suite, part, folder)
    client = open_engine(_spec(suite, part, part.init))
    records: list[RunRecord] = []
    begin = time.monotonic()

    def measure(load: Load, index: int, round: int) -> RunRecord:
        stem = f"{folder}/inputs/{part.task}/{load.input_size}"
        if not Path(f"{stem}.json").exists():
            prepare_input(
                suite.data_root, part.task, load.input_size, f"{stem}.jsonl", f"{stem}.json"
            )
        record = bench(
            _spec(suite, part, load),
            index,
            input_path=f"{stem}.jsonl",
            input_json=f"{stem}.json",
            image_json=image_json,
            results=str(folder),
            round=round,
            client=client,
        )
        records.append(record)
        return record

    def tell(text: str) -> None:
        spent = clock_text(time.monotonic() - begin)
        say(f"[{spent} of {clock_text(settings.budget_seconds)}] {text}")

    findings = search(settings, measure, time.monotonic, tell)
    return Tuning(
        model=part.model,
        family=suite.models[part.model].family,
        task=part.task,
        image=image.name,
        image_id=image.id,
        machine=records[0].machine.kind,
        runtime=part.runtime,
        simulated=any(is_simulated(record) for record in records),
        settings=settings,
        findings=findings,
    )


def say(text: str) -> None:
    print(f"tune: {text}", file=sys.stderr, flush=True)


def _spec(suite: Suite, part: ModelTask, load: Load) -> RunSpec:
    return dataclasses.replace(suite.spec(part.model, part.task, load), image=part.image)


def _image(suite: Suite, part: ModelTask, folder: Path) -> tuple[Image, str]:
    base = folder / "images" / "base.json"
    if part.build is not None:
        prepare_base(suite.base_image, str(base))
    request = ImageRequest(
        part.model, part.task, part.image, part.build, part.build_args, part.command
    )
    out = str(folder / "images" / part.model / f"{part.task}.json")
    return make_image(request, suite.data_root, str(base), out), out


def curve(tuning: Tuning) -> Any:
    """The chart of a tuning; memory is the GPU's where one was used."""
    found = tuning.findings
    gpu = tuning.settings.device == "gpu"
    line = found.gpu_ram if gpu else found.ram
    load = found.choice.load
    points = []
    for point in found.points:
        memory = point.ram_anon_bytes if "anonymous" in line.quantity else point.ram_bytes
        memory = point.gpu_ram_bytes if gpu else memory
        points.append(
            CurvePoint(
                batch_size=point.batch_size,
                rps=point.rps.value,
                low=point.rps.low,
                high=point.rps.high,
                memory=memory.value,
                memory_low=memory.low,
                memory_high=memory.high,
                chosen=load is not None and load.batch_size == point.batch_size,
                note="" if point.status == MEASURED else STATUS[point.status],
            )
        )
    fixed, slope = line.fixed_bytes.value, line.bytes_per_item.value
    if load:
        choice = f"chosen: batch size {load.batch_size}, input size {load.input_size}"
    else:
        choice = "no batch size is resolved"
    if found.choice.ties:
        ties = ", ".join(map(str, found.choice.ties))
        choice += f"; the intervals of batch size {ties} meet its own: the smaller"
    notes = [choice, line_text(line), tuning.machine]
    if any(point.rps.value is None and point.rps.low is not None for point in found.points):
        notes.append(
            "dashed: not resolved, 95 % bounds; to the frame where nothing bounds it above"
        )
    if tuning.simulated:
        notes.append("SIMULATED: a test double stood at a boundary")
    return tune_chart(
        points,
        f"{tuning.model} on {TASKS[tuning.task].title} over batch sizes",
        notes,
        memory_title=line.quantity,
        line=Line(fixed, slope) if fixed is not None and slope is not None else None,
        gpu=gpu,
    )


@contextlib.contextmanager
def _folder(target: Path) -> Iterator[None]:
    """Make ``target`` free; a block that fails leaves what was there before, or nothing."""
    if target.exists() and not target.is_dir():
        raise MoroccoError("not a folder", place=str(target), hint="give another --out")
    present = sorted(path.name for path in target.iterdir()) if target.is_dir() else []
    foreign = [name for name in present if name not in NAMES]
    if foreign:
        raise MoroccoError(
            f"holds something else than a tuning: {foreign[0]}",
            place=str(target),
            hint="give another --out",
        )
    missing = [folder for folder in (target, *target.parents) if not folder.exists()]
    old = target.parent / f".{target.name}-{unique_suffix()}"
    try:
        target.mkdir(parents=True, exist_ok=True)
        if present:
            target.rename(old)
            target.mkdir()
    except OSError as error:
        raise MoroccoError(f"cannot be written: {error.strerror}", place=str(target)) from error
    try:
        yield
    except BaseException:
        shutil.rmtree(target, ignore_errors=True)
        if old.exists():
            old.rename(target)
        elif target not in missing:
            target.mkdir()  # it was there, and empty
        for folder in missing[1:]:
            with contextlib.suppress(OSError):  # not empty: it has become another's too
                folder.rmdir()
        raise
    shutil.rmtree(old, ignore_errors=True)


@contextlib.contextmanager
def _terminable() -> Iterator[None]:
    """TERM and HUP end the block by an exception, as INT does by itself."""

    def stop(number: int, _frame: FrameType | None) -> None:
        raise Interrupted(f"signal {signal.Signals(number).name}")

    before = {n: signal.signal(n, stop) for n in (signal.SIGTERM, signal.SIGHUP)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
