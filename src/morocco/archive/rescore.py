"""The organiser's own look at inputs and scores: made anew from his copy of the data."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

from morocco.archive.contents import Contents, Finding
from morocco.archive.safe_zip import SafeArchive
from morocco.errors import MoroccoError
from morocco.estimate.results import Score
from morocco.estimate.score import score_task
from morocco.formats.record import RunRecord
from morocco.tasks.inputs import make_input
from morocco.tasks.predictions import check_predictions
from morocco.tasks.registry import TASKS, Task


def rescore(archive: SafeArchive, contents: Contents, data_root: Path) -> Iterator[Finding]:
    """Inputs must be the split's, predictions valid for them, measured scores what they give."""
    largest: dict[str, tuple[int, Score]] = {}
    for (key, _), member in contents.predictions.items():
        record = contents.records.get((key, member.rsplit("/", 1)[1].removesuffix(".predictions")))
        if record is None:
            continue
        try:
            score, problems = _score(archive, member, record, TASKS[key], data_root)
        except MoroccoError as error:
            yield Finding("error", "rescore", member, str(error))
            continue
        for problem in problems:
            yield Finding("error", "rescore", member, problem)
        if score is not None and record.id.input_size > largest.get(key, (0, score))[0]:
            largest[key] = (record.id.input_size, score)
    for task, (_, ours) in largest.items():
        said = contents.scores.get(task)
        if said is None or said.source != "measured" or ours.score is None:
            continue
        if said.score is None or abs(said.score - ours.score) > 1e-9:
            text = f"score {said.score}, the predictions give {ours.score}"
            yield Finding("error", "rescore", f"scores/{task}.json", text)


def _score(
    archive: SafeArchive, member: str, record: RunRecord, task: Task, data_root: Path
) -> tuple[Score | None, list[str]]:
    split = data_root / task.eval_file
    with tempfile.TemporaryDirectory() as folder:
        source, output = Path(folder) / "input", Path(folder) / "output"
        made = make_input(split, record.input.records, source)
        if (made.sha256, made.source_sha256) != (record.input.sha256, record.input.source_sha256):
            return None, [f"the input was not made from {split}"]
        output.write_bytes(archive[member])
        check = check_predictions(task, source, output)
    if not check.valid:
        return None, [f"{reason.code}: {reason.detail}" for reason in check.reasons]
    problems = []
    if check.predictions_sha256 != (record.output.predictions_sha256 if record.output else None):
        problems.append("the predictions' digest is not the record's")
    return score_task(task, split, check.predictions), problems
