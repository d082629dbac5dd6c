"""Valid evidence that outlives a killed workflow.

Snakemake deletes the outputs of a job whose end it did not see, though they may be whole: for the
moments between a run's end and Snakemake's note of it, a kill would cost a valid measurement. So
each valid run has second links under ``<results>/unconfirmed/`` until a call has gone well.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import shutil
from pathlib import Path

from morocco.bench.job import Job
from morocco.errors import MoroccoError
from morocco.formats.names import RunFiles, RunId, run_files
from morocco.formats.record import RunRecord, read_record

FOLDER = "unconfirmed"


def kept_files(results: str | Path, run: RunId) -> RunFiles:
    """Where the second links of a run lie."""
    return run_files(Path(results) / FOLDER, run)


def link_files(sources: RunFiles, targets: RunFiles) -> None:
    """Each file a second time, the record last: where it stands, all do. OSError passes through."""
    targets.record.parent.mkdir(parents=True, exist_ok=True)
    targets.record.unlink(missing_ok=True)
    for name in ("predictions", "stderr", "log", "record"):
        source, target = getattr(sources, name), getattr(targets, name)
        target.unlink(missing_ok=True)
        try:
            os.link(source, target)
        except OSError:  # a file system without links
            shutil.copy2(source, target)


def restore(kept: RunFiles, files: RunFiles, job: Job) -> RunRecord | None:
    """The run's evidence under its name again, if it is whole, valid and what ``job`` asks for."""
    try:
        record = read_record(kept.record)
        if not (_is_wanted(record, job) and _is_whole(record, kept)):
            return None
        link_files(kept, files)
    except (MoroccoError, OSError):
        return None
    return record


def confirm(results: str | Path) -> None:
    """Drop the second links of all runs that stand; never raises."""
    home = Path(results) / FOLDER
    for path in home.glob("logs/*/*/*.json"):
        with contextlib.suppress(OSError):
            if (Path(results) / path.relative_to(home)).read_bytes() == path.read_bytes():
                for kept in path.parent.glob(f"{path.stem}.*"):
                    kept.unlink()
    for folder in sorted(home.glob("**"), reverse=True):
        with contextlib.suppress(OSError):
            folder.rmdir()  # empty ones only


def _is_wanted(record: RunRecord, job: Job) -> bool:
    return (
        record.verdict.valid
        and record.id == job.run
        and record.round == job.round
        and record.spec_sha256 == job.spec.sha256
        and record.image.id == job.image.id
        and record.input.sha256 == job.input.sha256
    )


def _is_whole(record: RunRecord, kept: RunFiles) -> bool:
    return (
        record.output is not None
        and _sha256(kept.predictions) == record.output.sha256
        and _sha256(kept.log) == record.log_sha256
        and kept.stderr.is_file()
    )


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
