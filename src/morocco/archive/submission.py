"""Pack one model's results as a submission that can be verified: same results, same bytes."""

from __future__ import annotations

import hashlib
import io
import os
import zipfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from morocco.archive.manifest import (
    CONFIG,
    MACHINE,
    MANIFEST,
    CellPlan,
    Manifest,
    digest,
    make_comment,
    seal_of,
)
from morocco.errors import MoroccoError
from morocco.estimate.speed import MAX_RELATIVE_HALF_WIDTH
from morocco.formats.files import encode_json, read_json, write_bytes
from morocco.formats.names import CellId, RunId, run_files
from morocco.formats.record import Machine, RunRecord, read_record
from morocco.screen.cell import CellState
from morocco.tasks.registry import TASKS

# What the reader of a submission accepts at most; a model that writes more into its predictions
# is packed without them, and the manifest says so by their absence.
MAX_PREDICTIONS_BYTES = 32 << 20
_EPOCH = (1980, 1, 1, 0, 0, 0)  # the earliest time that a zip can hold


@dataclass(frozen=True)
class Packed:
    """What was written, and the seal to publish beside it."""

    path: Path
    bytes: int
    runs: int
    seal: str
    missing: tuple[str, ...]


def pack_submission(
    results: str | Path,
    model: str,
    out: str | Path,
    *,
    plan: Sequence[CellPlan] | None = None,
    config: bytes | None = None,
    max_relative_half_width: float = MAX_RELATIVE_HALF_WIDTH,
    incomplete: bool = False,
) -> Packed:
    """Write ``out`` with everything that belongs to ``model``.

    ``plan``: what was to be measured; by default nine tasks with every cell and as many repeats as
    any of them has. ``config``: the suite file, packed as it is. Raises MoroccoError that names
    what is missing unless ``incomplete``, and for evidence that is torn (a record without its log).
    """
    results = Path(results)
    records = judged_records(results, model)
    if not records:
        raise MoroccoError(
            f"no runs of model {model!r}", place=str(results / "logs"), hint=_known(results)
        )
    plan = tuple(plan or default_plan(list(records.values())))
    missing = tuple(find_missing(results, model, records, plan))
    if missing and not incomplete:
        shown = "\n  ".join(missing[:20]) + (
            f"\n  and {len(missing) - 20} more" * (len(missing) > 20)
        )
        raise MoroccoError(
            f"{len(missing)} missing:\n  {shown}",
            place=f"model {model}",
            hint="measure what is missing, or pack as it is with --incomplete",
        )
    members = dict(_members(results, model, records))
    if config is not None:
        members[CONFIG] = config
    digests = {name: digest(members[name]) for name in sorted(members)}
    seal = seal_of(model, digests)
    harness = sorted({f"{r.harness.version} {r.harness.commit}" for r in records.values()})
    manifest = Manifest(
        model, ", ".join(harness), max_relative_half_width, plan, missing, digests, seal
    )
    members[MANIFEST] = encode_json(manifest)
    data = zip_bytes(members, seal)
    write_bytes(out, data)
    return Packed(Path(out), len(data), len(records), seal, missing)


def zip_bytes(members: dict[str, bytes], seal: str) -> bytes:
    """An archive that depends on nothing but names and contents; manifest first, then by name."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name in sorted(members, key=lambda name: (name != MANIFEST, name)):
            info = zipfile.ZipInfo(name, _EPOCH)
            info.create_system = 3
            info.external_attr = 0o100644 << 16
            info.compress_type = zipfile.ZIP_DEFLATED
            archive.writestr(info, members[name], compresslevel=9)
    body = buffer.getvalue()
    end = len(body) - 22  # the end record; nothing follows it yet
    comment = make_comment(seal, hashlib.sha256(body[:end]).hexdigest())
    return body[:-2] + len(comment).to_bytes(2, "little") + comment


def read_records(results: Path, model: str) -> dict[Path, RunRecord]:
    """All run records of a model by path, of every kind, in order of task and run."""
    found: dict[Path, RunRecord] = {}
    for kind in ("logs", "cold"):
        for path in sorted((results / kind / model).glob("*/*.json")):
            record = read_record(path)
            if (record.id.model, record.id.task, record.id.name) != (
                model,
                path.parent.name,
                path.stem,
            ):
                raise MoroccoError(f"is the record of {record.id}", place=str(path))
            found[path] = record
    return found


def default_plan(records: Sequence[RunRecord]) -> list[CellPlan]:
    """Nine tasks, every cell that any task has, as many repeats as the fullest first round."""
    first = [r for r in records if r.kind == "measured" and r.round == 1]
    cells = sorted({(r.id.input_size, r.id.batch_size) for r in first})
    counts: dict[tuple[str, int, int], int] = {}
    for record in first:
        key = (record.id.task, record.id.input_size, record.id.batch_size)
        counts[key] = counts.get(key, 0) + 1
    repeats = max(counts.values(), default=1)
    return [CellPlan(task, size, batch, repeats) for task in TASKS for size, batch in cells]


def find_missing(
    results: Path, model: str, records: dict[Path, RunRecord], plan: Sequence[CellPlan]
) -> Iterator[str]:
    """Runs, settled cells and estimates that the plan asks for and the results lack."""
    there = {record.id for record in records.values() if record.kind == "measured"}
    states = {state.cell: state for state in latest_states(results, model)}
    for cell in plan:
        name = f"{cell.input_size}_{cell.batch_size}"
        lacking = [
            run.name
            for index in range(1, cell.repeats + 1)
            if (run := RunId(model, cell.task, cell.input_size, cell.batch_size, index))
            not in there
        ]
        if lacking:
            yield f"{cell.task}: runs {', '.join(lacking)}"
            continue
        state = states.get(CellId(model, cell.task, cell.input_size, cell.batch_size))
        if state is None:
            yield f"{cell.task}: the state of cell {name} (cells/{model}.round*.json)"
        elif not state.settled:
            yield f"{cell.task}: cell {name} has not settled ({state.note})"
    for task in dict.fromkeys(cell.task for cell in plan):
        for kind in ("stats", "scores"):
            if not (results / kind / model / f"{task}.json").is_file():
                yield f"{task}: {kind}/{model}/{task}.json"


def state_files(results: Path, model: str) -> dict[int, Path]:
    """Files of cell states by round, in order."""
    found = {}
    for path in (results / "cells").glob(f"{model}.round*.json"):
        number = path.name.removeprefix(f"{model}.round").removesuffix(".json")
        if number.isdigit():
            found[int(number)] = path
    return dict(sorted(found.items()))


def latest_states(results: Path, model: str) -> list[CellState]:
    files = list(state_files(results, model).values())
    return read_json(files[-1], list[CellState]) if files else []


def judged_records(results: Path, model: str) -> dict[Path, RunRecord]:
    """Records that belong to the results: cold runs, and the runs that the last round judged.

    A run that is in no state is left from a config that asked for more; without any states all
    count.
    """
    states = latest_states(results, model)
    judged = {RunId(*_cell(state.cell), run.index) for state in states for run in state.runs}
    return {
        path: record
        for path, record in read_records(results, model).items()
        if record.kind != "measured" or not states or record.id in judged
    }


def _cell(cell: CellId) -> tuple[str, str, int, int]:
    return cell.model, cell.task, cell.input_size, cell.batch_size


def _members(
    results: Path, model: str, records: dict[Path, RunRecord]
) -> Iterator[tuple[str, bytes]]:
    scored: set[tuple[str, int, int]] = set()
    machines: dict[Machine, None] = {}
    for path, record in records.items():
        run = record.id
        files = run_files(results, run)
        machines[record.machine] = None
        if path != files.record:  # a cold run's
            yield f"cold/{run.task}/{run.name}.json", _read(path)
            continue
        yield f"records/{run.task}/{run.name}.json", _read(path)
        if record.clock is not None:
            yield f"logs/{run.task}/{run.name}.jsonl", _read(files.log)
        cell = (run.task, run.input_size, run.batch_size)
        if cell in scored or not record.verdict.valid or record.kind != "measured":
            continue
        scored.add(cell)  # the repeats' outputs are the same: their digests say so
        if (
            files.predictions.is_file()
            and files.predictions.stat().st_size <= MAX_PREDICTIONS_BYTES
        ):
            yield f"predictions/{run.task}/{run.name}.predictions", _read(files.predictions)
    for kind in ("images", "stats", "scores"):
        for path in sorted((results / kind / model).glob("*.json")):
            if path.stem in TASKS:
                yield f"{kind}/{path.name}", _read(path)
    for number, path in state_files(results, model).items():
        yield f"cells/round{number}.json", _read(path)
    yield MACHINE, encode_json(sorted(machines, key=lambda machine: machine.hostname))


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise MoroccoError(
            f"cannot be read: {error.strerror}",
            place=os.fspath(path),
            hint="a run's log and record belong together: measure the run again",
        ) from error


def _known(results: Path) -> str:
    logs = results / "logs"
    names = sorted(path.name for path in logs.iterdir()) if logs.is_dir() else []
    return f"models here: {', '.join(names)}" if names else "no model has been measured here yet"
