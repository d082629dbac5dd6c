"""One run: lock the machine, warm the image, execute, judge, write the evidence.

A model's failure is a result: a record with the verdict "invalid". What is the machine's or the
harness's fault raises EngineError, and nothing of the run is kept.
"""

from __future__ import annotations

import contextlib
import dataclasses
import hashlib
import os
import shutil
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from morocco.bench.execute import execute
from morocco.bench.interrupt import Interrupted, interruptible
from morocco.bench.job import Execution, Job
from morocco.bench.keep import link_files
from morocco.bench.lock import machine_lock
from morocco.bench.verdict import judge_exit, judge_machine, verdict
from morocco.bench.warm import is_warm, note_run
from morocco.engine.guard import guarded
from morocco.engine.reap import unique_suffix
from morocco.engine.stream import Reader
from morocco.errors import EngineError
from morocco.formats.log import Sample, encode_log
from morocco.formats.names import RunFiles
from morocco.formats.record import Clock, Reason, RunRecord, write_record
from morocco.sampling.machine import describe_harness, describe_machine, driver_gpus
from morocco.sampling.sampler import frame_samples
from morocco.suite.model import run_order
from morocco.tasks.predictions import PredictionCheck, check_predictions
from morocco.tasks.registry import get_task

Interrupt = Callable[[], str | None]


def measure(client: Any, job: Job, files: RunFiles, *, kept: RunFiles | None = None) -> RunRecord:
    """Measure one run and write its four files, the record last.

    ``kept``: second names of the files of a valid run, see ``morocco.bench.keep``.
    Raises EngineError when machine or harness failed, Interrupted on a signal; then nothing stands.
    """
    with machine_lock(), interruptible() as interrupted:
        if job.kind == "measured" and not is_warm(_key(job), job.spec.pause_seconds):
            warm = dataclasses.replace(job, kind="warmup")
            with _scratch(files.record.parent) as scratch:
                _run(client, warm, scratch, interrupted)
        with _scratch(files.record.parent) as scratch:
            record, log = _run(client, job, scratch, interrupted)
            _publish(scratch, files, record, log, kept if record.verdict.valid else None)
    return record


def _run(
    client: Any, job: Job, scratch: Path, interrupted: Interrupt
) -> tuple[RunRecord, list[Sample]]:
    begin = time.monotonic()
    limits = job.spec.limits
    reader = Reader(scratch / "stdout", scratch / "stderr", limits.stdout, limits.stderr)
    with _disk_errors(str(job.run), scratch):
        execution = execute(client, job, scratch, reader, interrupted)
        if reason := interrupted():
            raise Interrupted(reason)
        if execution.outcome.started_at is not None:
            note_run(_key(job))
        seconds = time.monotonic() - begin
        return _judge(job, execution, reader, seconds)


def _judge(
    job: Job, execution: Execution, reader: Reader, seconds: float
) -> tuple[RunRecord, list[Sample]]:
    outcome, spec = execution.outcome, job.spec
    exit_reasons = judge_exit(outcome.exit, spec.limits, spec.timeout_seconds)
    sampling = execution.sampler.summary()
    machine_reasons = judge_machine(execution.noise, spec.noise, execution.step_seconds, sampling)
    gpu = execution.gpu
    machine_reasons += gpu.reasons if gpu else ()
    check = None
    prediction_reasons: tuple[Reason, ...] = ()
    if job.checked and not exit_reasons:
        check = _check(job, reader)
        prediction_reasons = check.reasons
    started, finished = outcome.started_at, outcome.finished_at
    clock, log = None, []
    if started is not None and finished is not None:
        # The engine notes the start up to 13 ms late: a run of a few ms can seem to end before it.
        finished = max(started, finished)
        clock = Clock(
            started_at=started,
            finished_at=finished,
            wall_seconds=finished - started,
            source=outcome.clock_source,
            harness_seconds=seconds,
            step_seconds=execution.step_seconds,
        )
        sampler = execution.sampler
        log = frame_samples(
            sampler.samples,
            started,
            finished,
            sampler.cpu_at(started),
            execution.totals.cpu_seconds,
        )
    record = RunRecord(
        id=job.run,
        kind=job.kind,
        round=job.round,
        order=run_order(spec.seed, job.run),
        seed=spec.seed,
        verdict=verdict(exit_reasons, prediction_reasons, machine_reasons),
        clock=clock,
        totals=execution.totals if clock else None,
        sampling=sampling if clock else None,
        input=job.input,
        output=reader.output(
            execution.start_monotonic, check.predictions_sha256 if check else None
        ),
        exit=outcome.exit,
        image=job.image,
        runtime=spec.runtime,
        options={**outcome.options, "args": list(spec.container_args), "env": spec.env},
        gpu=gpu,
        noise=execution.noise,
        machine=describe_machine(execution.engine, *driver_gpus()),
        harness=dataclasses.replace(describe_harness(), simulated=bool(gpu and gpu.simulated)),
        spec_sha256=spec.sha256,
        log_sha256=hashlib.sha256(encode_log(log)).hexdigest() if log else None,
    )
    return record, log


def _check(job: Job, reader: Reader) -> PredictionCheck:
    return check_predictions(get_task(job.run.task), job.input_path, reader.stdout_path)


def _publish(
    scratch: Path,
    files: RunFiles,
    record: RunRecord,
    log: list[Sample],
    kept: RunFiles | None,
) -> None:
    """Give the evidence its names, the record last: where it stands, the run is whole."""
    made = RunFiles(*(scratch / name for name in ("log", "record", "stdout", "stderr")))
    with _disk_errors(str(record.id), scratch):
        made.log.write_bytes(encode_log(log))
        made.predictions.touch()
        made.stderr.touch()
        write_record(made.record, record)
        if kept is not None:
            link_files(made, kept)
        for name in ("predictions", "stderr", "log", "record"):
            os.replace(getattr(made, name), getattr(files, name))


@contextlib.contextmanager
def _disk_errors(place: str, folder: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise EngineError(
            f"{error.strerror or error}: {error.filename or folder}",
            place=place,
            hint="mend the disk or its rights, then call again: this run is redone",
        ) from error


@contextlib.contextmanager
def _scratch(near: Path) -> Iterator[Path]:
    """A folder for half-written files, on the results' own disk; a guard outlives us for it."""
    folder = near / f".run-{unique_suffix()}"
    with guarded(None, [], folder):
        with _disk_errors(str(near), near):
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir(parents=True)
        try:
            yield folder
        finally:
            shutil.rmtree(folder, ignore_errors=True)


def _key(job: Job) -> str:
    return job.image.id or job.image.name
