"""Is a submission what it claims to be? Structure, digests, completeness, physics, estimates."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

from morocco.archive.checks import check_log, check_output_bytes, check_record, check_together
from morocco.archive.contents import Contents, Finding, read_contents
from morocco.archive.legacy import log_bytes
from morocco.archive.manifest import MANIFEST, CellPlan
from morocco.archive.rescore import rescore
from morocco.archive.safe_zip import SafeArchive, open_archive
from morocco.archive.verify_legacy import legacy_findings
from morocco.errors import MoroccoError
from morocco.estimate.results import TaskStats
from morocco.estimate.stats import estimate_task
from morocco.formats.log import decode_log
from morocco.formats.names import CellId
from morocco.formats.record import RunRecord
from morocco.screen.cell import CellState
from morocco.screen.settle import judge_runs
from morocco.tasks.metrics import task_score
from morocco.tasks.registry import TASKS

VERDICTS = ("accepted", "doubtful", "incomplete", "rejected")  # from best to worst
_OF_LEVEL = {"note": 0, "warning": 1, "missing": 2, "error": 3}
# Sums in another order, another release of numpy: far less than one part in a million.
SAME = 1e-6
# Set by whoever made the estimates, not derived from the runs.
_GIVEN = frozenset({"score", "extra", "device", "seq_len", "family"})


@dataclass(frozen=True)
class Verification:
    """One archive's verdict with its reasons."""

    archive: str
    kind: str  # submission, legacy (of the first MOROCCO) or unreadable
    verdict: str  # one of VERDICTS
    model: str | None
    seal: str | None
    runs: int
    findings: tuple[Finding, ...]
    stats: tuple[TaskStats, ...]  # as recomputed from the runs


def verify_archive(
    path: str | os.PathLike[str], *, data_root: Path | None = None, seal: str | None = None
) -> Verification:
    """Check an archive from an untrusted source; never raises for what is in it.

    ``data_root``: the organiser's copy of the data; then inputs are made anew and compared, and
    predictions are scored again. ``seal``: what the participant published when packing.
    """
    try:
        with open_archive(path) as archive:
            if MANIFEST in archive:
                return _verify_submission(archive, data_root, seal)
            legacy = legacy_findings(path)
    except MoroccoError as error:
        finding = Finding("error", "archive", error.place or str(path), error.message)
        return _verification(path, "unreadable", None, [finding])
    return _verification(
        path, "legacy", None, legacy.findings, runs=legacy.runs, stats=legacy.stats
    )


def _verification(
    path: Any,
    kind: str,
    model: str | None,
    findings: list[Finding],
    *,
    seal: str | None = None,
    runs: int = 0,
    stats: tuple[TaskStats, ...] = (),
) -> Verification:
    worst = max((_OF_LEVEL[finding.level] for finding in findings), default=0)
    ordered = sorted(findings, key=lambda finding: -_OF_LEVEL[finding.level])
    return Verification(str(path), kind, VERDICTS[worst], model, seal, runs, tuple(ordered), stats)


def _verify_submission(
    archive: SafeArchive, data_root: Path | None, seal: str | None
) -> Verification:
    contents = read_contents(archive)
    manifest = contents.manifest
    if seal is not None and seal != manifest.seal:
        contents.error("seal", MANIFEST, f"the seal is {manifest.seal}, not the one published")
    records = [*contents.records.values(), *contents.cold]
    for record in records:
        for message in check_record(record):
            contents.error("record", str(record.id), message)
    for place, message in check_together(records):
        contents.error("together", place, message)
    _check_files(archive, contents)
    _check_about(contents)
    contents.findings += check_complete(contents)
    _check_states(contents)
    stats = tuple(_check_estimates(contents))
    if data_root is not None:
        contents.findings += rescore(archive, contents, data_root)
    if any(record.harness.simulated for record in records):
        contents.findings.append(
            Finding("warning", "simulated", MANIFEST, "a test double stood in for the machine")
        )
    return _verification(
        archive.path,
        "submission",
        manifest.model,
        contents.findings,
        seal=manifest.seal,
        runs=len(contents.records),
        stats=stats,
    )


def _check_files(archive: SafeArchive, contents: Contents) -> None:
    """Logs and predictions against their records; one at a time, they may be large."""
    for key, record in contents.records.items():
        if record.clock is not None and key not in contents.logs:
            contents.error("log", str(record.id), "the log is missing")
    for key, member in contents.logs.items():
        owner = contents.records.get(key)
        if owner is None:
            contents.error("log", member, "a log without a record")
            continue
        try:
            data = log_bytes(archive, member)
            for message in check_log(owner, decode_log(data, member), data):
                contents.error("log", member, message)
        except MoroccoError as error:
            contents.error("log", error.place or member, error.message)
    for key, member in contents.predictions.items():
        owner = contents.records.get(key)
        if owner is None:
            contents.error("predictions", member, "predictions without a record")
            continue
        try:
            for message in check_output_bytes(owner, archive[member]):
                contents.error("predictions", member, message)
        except MoroccoError as error:
            contents.error("predictions", member, error.message)


def _check_about(contents: Contents) -> None:
    """Images, machines and scores against the records and themselves."""
    records = list(contents.records.values())
    for task, image in contents.images.items():
        if any(record.image != image for record in contents.of_task(task)):
            contents.error("image", f"images/{task}.json", "is not the image that was run")
    machines = {record.machine for record in [*records, *contents.cold]}
    if set(contents.machines) != machines:
        contents.error("machine", "machine.json", "is not the machine of the records")
    for task, score in contents.scores.items():
        place = f"scores/{task}.json"
        if score.score is not None:
            official = TASKS[task].metrics
            if set(score.metrics) != set(official):
                contents.error("score", place, f"metrics are not {', '.join(official)}")
            elif abs(task_score(TASKS[task], score.metrics) - score.score) > 1e-9:
                contents.error("score", place, "the score is not the mean of its metrics")
            ends = (score.low, score.score, score.high)
            known = [end for end in ends if end is not None]
            if known != sorted(known) or not -1 <= min(known) <= max(known) <= 1:
                contents.error("score", place, "the score is not within its interval or -1..1")
        stats = contents.stats.get(task)
        if stats and stats.score is not None and stats.score != score:
            contents.error("score", place, "the estimates carry another score")


def check_complete(contents: Contents) -> Iterator[Finding]:
    """Nine tasks × cells × repeats, each cell settled, each task estimated."""
    plan = contents.manifest.plan
    for task in TASKS:
        cells = [cell for cell in plan if cell.task == task]
        if not any(cell.input_size > min(c.input_size for c in cells) for cell in cells):
            yield Finding("missing", "plan", task, "the plan has no two input sizes for this task")
            continue
        for cell in cells:
            yield from _check_cell(contents, cell)
        for kind, there in (("stats", contents.stats), ("scores", contents.scores)):
            if task not in there:
                yield Finding("missing", kind, task, f"{kind}/{task}.json")


def _check_cell(contents: Contents, plan: CellPlan) -> Iterator[Finding]:
    name = f"{plan.input_size}_{plan.batch_size}"
    place = f"{plan.task}/{name}"
    if not 1 <= plan.repeats <= 999:
        yield Finding("error", "plan", place, f"{plan.repeats} repeats")
        return
    lacking = [
        f"{name}_{index:02d}"
        for index in range(1, plan.repeats + 1)
        if (plan.task, f"{name}_{index:02d}") not in contents.records
    ]
    if lacking:
        yield Finding("missing", "runs", place, f"runs {', '.join(lacking)}")
    state = contents.states.get(CellId(contents.manifest.model, plan.task, *_sizes(plan)))
    if state is None:
        yield Finding("missing", "cell", place, "the state of this cell")
    elif not state.settled:
        yield Finding("missing", "cell", place, f"not settled: {state.note}")


def _sizes(plan: CellPlan) -> tuple[int, int]:
    return plan.input_size, plan.batch_size


def _check_states(contents: Contents) -> None:
    """The state of each cell in each round, judged anew from the records."""
    judged = set()
    for number, states in contents.cells.items():
        for state in states:
            place = f"cells/round{number}.json {state.cell.task}/{state.cell.name}"
            indices = {run.index for run in state.runs}
            runs = [
                record
                for record in contents.records.values()
                if record.id.cell == state.cell and record.id.index in indices
            ]
            judged |= {record.id for record in runs}
            try:
                if judge_runs(runs) != state.runs:
                    contents.error("cell", place, "the state is not what the records give")
            except (MoroccoError, ArithmeticError, ValueError, LookupError) as error:
                contents.error("cell", place, f"the records give no state: {error}")
    for record in contents.records.values():
        if contents.cells and record.id not in judged:
            contents.error("cell", str(record.id), "no state says whether this run counts")


def _check_estimates(contents: Contents) -> Iterator[TaskStats]:
    """Estimates made anew from the records; differences become findings."""
    for task in TASKS:
        records = contents.of_task(task)
        said = contents.stats.get(task)
        if said is None or not records:
            continue
        states = [state for state in contents.states.values() if state.cell.task == task]
        stats = _estimate(contents, task, records, states, said)
        if stats is None:
            continue
        yield stats
        for path, theirs, ours in _differences(_derived(said), _derived(stats)):
            text = f"{path} is {theirs!r}, the runs give {ours!r}"
            contents.error("estimate", f"stats/{task}.json", text)


def _estimate(
    contents: Contents,
    task: str,
    records: list[RunRecord],
    states: list[CellState],
    said: TaskStats,
) -> TaskStats | None:
    try:
        return estimate_task(
            records,
            settled=states or None,
            device=said.device,
            score=said.score,
            max_relative_half_width=contents.manifest.max_relative_half_width,
            seq_len=said.seq_len,
            family=said.family,
        )
    except (MoroccoError, ArithmeticError, ValueError, LookupError) as error:
        contents.error("estimate", f"stats/{task}.json", f"the runs give no estimates: {error}")
        return None


def _derived(stats: TaskStats) -> dict[str, Any]:
    fields = msgspec.to_builtins(stats)
    return {name: value for name, value in fields.items() if name not in _GIVEN}


def _differences(theirs: Any, ours: Any, path: str = "") -> Iterator[tuple[str, Any, Any]]:
    """(path, their value, our value) wherever two trees of plain values differ."""
    if isinstance(theirs, dict) and isinstance(ours, dict):
        for key in sorted(theirs.keys() | ours.keys()):
            yield from _differences(theirs.get(key), ours.get(key), f"{path}.{key}".lstrip("."))
    elif isinstance(theirs, list) and isinstance(ours, list) and len(theirs) == len(ours):
        for k, (a, b) in enumerate(zip(theirs, ours, strict=True)):
            yield from _differences(a, b, f"{path}[{k}]")
    elif isinstance(theirs, float) and isinstance(ours, float):
        if abs(theirs - ours) > SAME * max(abs(theirs), abs(ours), 1e-12):
            yield path, theirs, ours
    elif theirs != ours:
        yield path, theirs, ours
