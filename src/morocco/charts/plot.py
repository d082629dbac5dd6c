"""From files to timeline pictures: all tasks of a model, or a handful of logs."""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from pathlib import Path

from morocco.charts.save import FORMATS, save_chart
from morocco.charts.timeline import Line, timeline_chart
from morocco.errors import MoroccoError
from morocco.formats.files import read_json
from morocco.formats.log import read_log
from morocco.formats.names import parse_run_name
from morocco.formats.record import read_record
from morocco.screen.cell import CellState
from morocco.tasks.registry import TASKS, get_task


def plot_model(
    results: str | Path,
    model: str,
    tasks: Sequence[str] | None = None,
    out: str | Path | None = None,
    formats: Collection[str] = FORMATS,
) -> list[Path]:
    """Draw every run of one model, ``<out>/<task>.<format>`` for each task.

    ``tasks`` None: all that have logs. ``out`` None: ``<results>/plots/<model>``. A task without
    any log gets a chart that says so, so that a rule's outputs always exist.
    """
    results = Path(results)
    folder = results / "logs" / model
    if tasks is None:
        tasks = [key for key in TASKS if (folder / key).is_dir()]
        if not tasks:
            raise MoroccoError("no task has logs", place=str(folder))
    out = Path(out) if out is not None else results / "plots" / model
    paths: list[Path] = []
    for name in tasks:
        task = get_task(name)
        lines, notes = load_lines(results, model, task.key)
        chart = timeline_chart(lines, f"{model}, {task.title}", notes)
        paths += save_chart(chart, out / task.key, formats, title=f"{model}, {task.title}")
    return paths


def plot_logs(paths: Sequence[str | Path], image: str | Path) -> None:
    """Draw the given logs as one picture; ``image`` ends in .png, .svg, .html or .json."""
    image = Path(image)
    suffix = image.suffix.lower().lstrip(".")
    if suffix not in FORMATS:
        raise MoroccoError(
            f"picture suffix {image.suffix!r} is not known",
            place=str(image),
            hint="as plot.png or plot.svg",
        )
    lines = [_line(Path(path), counted=True) for path in paths]
    made = save_chart(timeline_chart(lines, image.stem), image.with_suffix(""), (suffix,))
    if made[0] != image:  # PLOT.PNG: keep the name that was asked for
        made[0].replace(image)


def load_lines(results: str | Path, model: str, task: str) -> tuple[list[Line], list[str]]:
    """Every measured run of a model on a task by load and index, and notes on those not drawn."""
    folder = Path(results) / "logs" / model / task
    not_counted = _not_counted(Path(results), model, task)
    keyed: list[tuple[tuple[int, int, int], Line]] = []
    without_log = 0
    for path in sorted(folder.glob("*.json")):
        record = read_record(path)
        if record.kind != "measured":
            continue
        log = path.with_suffix(".jsonl")
        if not log.exists() or not log.stat().st_size:
            without_log += 1
            continue
        key = parse_run_name(path.stem)
        counted = record.verdict.valid and key not in not_counted
        keyed.append((key, _line(log, counted=counted)))
    notes = [f"{len(keyed)} runs"]
    if without_log:
        notes.append(f"{without_log} runs left no log: their containers did not start.")
    return [line for _, line in sorted(keyed, key=lambda pair: pair[0])], notes


def _not_counted(results: Path, model: str, task: str) -> set[tuple[int, int, int]]:
    """Runs that the last round of screening left out."""
    rounds = {
        int(match[1]): path
        for path in (results / "cells").glob("*.json")
        if (match := re.fullmatch(re.escape(model) + r"\.round(\d+)", path.stem))
    }
    if not rounds:
        return set()
    return {
        (state.cell.input_size, state.cell.batch_size, run.index)
        for state in read_json(rounds[max(rounds)], list[CellState])
        for run in state.runs
        if state.cell.task == task and not run.accepted
    }


def _line(path: Path, *, counted: bool) -> Line:
    try:
        input_size, batch_size, _ = parse_run_name(path.stem)
        load = f"{input_size} × {batch_size}"
    except MoroccoError:  # a log of any name may be plotted
        load = "not in the name"
    return Line(str(path.stem), load, counted, tuple(read_log(path)))
