"""Stage: measured runs, cold starts and null runs."""

from __future__ import annotations

import dataclasses
import sys
from pathlib import Path
from typing import Any

from morocco.bench.job import Job
from morocco.bench.keep import kept_files, restore
from morocco.bench.run import measure
from morocco.engine.client import connect
from morocco.engine.cold import evict_image
from morocco.engine.reap import reap
from morocco.engine.share import ensure_image
from morocco.formats.files import read_json, write_json
from morocco.formats.names import RunFiles, RunId, run_files
from morocco.formats.record import Image, Input, Reason, RunRecord, Verdict, write_record
from morocco.stages.images import BASE, archive_file
from morocco.suite.model import RunSpec


def open_engine(spec: RunSpec) -> Any:
    """The engine that ``spec`` needs, with what dead harnesses left there removed."""
    if spec.runtime == "process":
        return None
    client = connect()
    reap(client)
    return client


def _at_hand(client: Any, image: Image, results: str, model: str) -> None:
    """On another node than the one that built it, the image may have to be fetched first."""
    if client is not None:
        how = ensure_image(client, image, Path(archive_file(results, model)))
        if how:
            print(f"image {image.name}: {how}", file=sys.stderr)


def bench(
    spec: RunSpec,
    index: int,
    *,
    input_path: str,
    input_json: str,
    image_json: str,
    results: str,
    round: int = 1,
    client: Any = None,
) -> RunRecord:
    """Measure one repeat and write its evidence under ``results``.

    A valid one that a killed call measured already, unseen by Snakemake, is taken as it is.
    """
    run = RunId(spec.model, spec.task, spec.load.input_size, spec.load.batch_size, index)
    job = Job(
        spec=spec,
        run=run,
        input=read_json(input_json, Input),
        input_path=Path(input_path),
        image=read_json(image_json, Image),
        round=round,
    )
    files, kept = run_files(results, run), kept_files(results, run)
    if round == 1 and (record := restore(kept, files, job)):
        print(f"{run} was measured by a call that was killed: kept", file=sys.stderr)
        return record
    client = client or open_engine(spec)
    _at_hand(client, job.image, results, spec.model)
    # Later rounds are no outputs of Snakemake's: it does not delete them.
    return measure(client, job, files, kept=kept if round == 1 else None)


def cold_start(
    spec: RunSpec,
    count: int,
    *,
    input_path: str,
    input_json: str,
    image_json: str,
    results: str,
    out: str,
) -> list[RunRecord]:
    """``count`` runs, each after the image's files were pushed out of the page cache.

    They stand in ``<results>/cold/<model>/<task>/`` and leave the image warm. ``out`` lists them.
    """
    client = open_engine(spec)
    image = read_json(image_json, Image)
    _at_hand(client, image, results, spec.model)
    records = []
    for index in range(1, count + 1):
        run = RunId(spec.model, spec.task, spec.load.input_size, spec.load.batch_size, index)
        job = Job(spec, run, read_json(input_json, Input), Path(input_path), image, kind="cold")
        files = _files_in(Path(results) / "cold", run)
        evicted, why = (
            (None, "a process has no image")
            if client is None
            else (evict_image(client, image.id or image.name))
        )
        record = measure(client, job, files)
        if evicted is None:
            reason = Reason("page_cache", f"the page cache was not emptied: {why}")
            record = dataclasses.replace(
                record, verdict=Verdict(False, (*record.verdict.reasons, reason))
            )
            write_record(files.record, record)
        records.append(record)
    write_json(out, [record.id for record in records])
    return records


def null_runs(spec: RunSpec, count: int, *, image_json: str, results: str, out: str) -> list[float]:
    """``count`` runs of a program that ends at once: the floor of every time measured here.

    ``out`` gets their wall times, seconds.
    """
    client = open_engine(spec)
    image = read_json(image_json, Image)
    _at_hand(client, image, results, BASE)
    empty = Path(results) / "null" / "empty.jsonl"
    empty.parent.mkdir(parents=True, exist_ok=True)
    empty.write_bytes(b"")
    nothing = Input(
        "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855", 0, 0, "", 0, str(empty)
    )
    times = []
    for index in range(1, count + 1):
        run = RunId("null", spec.task, 1, 1, index)
        job = Job(
            spec,
            run,
            nothing,
            empty,
            image,
            kind="null",
            entrypoint=("true",),
            checked=False,
        )
        record = measure(client, job, _files_in(Path(results) / "null", run))
        if record.wall_seconds is not None and record.verdict.valid:
            times.append(record.wall_seconds)
    write_json(out, {"wall_seconds": times})
    return times


def _files_in(folder: Path, run: RunId) -> RunFiles:
    """Evidence of runs that are no repeats lies outside ``logs/``, which the first tool reads."""
    inside = run_files(folder, run)
    stem = folder / run.model / run.task / run.name
    return RunFiles(*(stem.with_name(path.name) for path in vars(inside).values()))
