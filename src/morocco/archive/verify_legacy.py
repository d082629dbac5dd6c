"""The verdict on an archive of the first MOROCCO: no records, no digests, only logs."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass

from morocco.archive.anomalies import REASONS
from morocco.archive.contents import Finding
from morocco.archive.imported import Imported, import_archive, summary
from morocco.archive.legacy import LegacyArchive, read_legacy
from morocco.estimate.results import RESOLVED, TaskStats
from morocco.tasks.registry import TASKS

# A run that ended early was a failure that nobody saw; a cold or late one can be put right.
_ERRORS = frozenset({"truncated"})


@dataclass(frozen=True)
class LegacyVerdict:
    findings: list[Finding]
    runs: int
    stats: tuple[TaskStats, ...]


def legacy_findings(path: str | os.PathLike[str]) -> LegacyVerdict:
    """Structure, completeness and anomalies of a log archive; raises MoroccoError for none."""
    archive = read_legacy(path, skip_broken=True)
    imported = import_archive(archive, "archived")
    findings = [
        Finding("warning", "no_manifest", str(path), "logs of the first MOROCCO: no exit codes, "
                "predictions or digests, so nothing shows that they are whole or unedited"),
        *(Finding("error", "log", broken.member, broken.problem) for broken in archive.broken),
        *_completeness(archive),
        *_anomalies(imported),
        *_estimates(imported),
    ]  # fmt: skip
    return LegacyVerdict(findings, sum(map(len, archive.tasks.values())), imported.stats)


def _completeness(archive: LegacyArchive) -> Iterator[Finding]:
    """Nine tasks, each with the same cells and as many runs of each."""
    counts: dict[tuple[int, int], int] = {}
    for runs in archive.tasks.values():
        for run in runs:
            cell = (run.input_size, run.batch_size)
            counts[cell] = max(counts.get(cell, 0), run.index)
    for task in TASKS:
        if task not in archive.tasks:
            yield Finding("missing", "runs", task, "no logs of this task")
            continue
        there = {run.name for run in archive.tasks[task]}
        lacking = [
            name
            for (size, batch), most in sorted(counts.items())
            for index in range(1, min(most, 999) + 1)
            if (name := f"{size}_{batch}_{index:02d}") not in there
        ]
        if lacking:
            more = f" and {len(lacking) - 10} more" if len(lacking) > 10 else ""
            yield Finding("missing", "runs", task, f"runs {', '.join(lacking[:10])}{more}")


def _anomalies(imported: Imported) -> Iterator[Finding]:
    for task, anomalies in imported.anomalies.items():
        for code in dict.fromkeys(anomaly.code for anomaly in anomalies):
            runs = summary([anomaly for anomaly in anomalies if anomaly.code == code])
            level = "error" if code in _ERRORS else "warning"
            yield Finding(level, code, task, f"{REASONS[code]}: {runs.removeprefix(code).strip()}")
        for text in imported.warnings[task]:
            yield Finding("warning", "times", task, text)


def _estimates(imported: Imported) -> Iterator[Finding]:
    for stats in imported.stats:
        if stats.rps.status != RESOLVED:
            yield Finding("error", "rps", stats.task, f"no speed: {stats.rps.reason}")
    headlines = {stats.task: stats.headline for stats in imported.stats}
    for row in imported.rows:
        cell = (row.input_size, row.batch_size)
        if cell == headlines[row.task] and row.factor and not 0.9 <= row.factor <= 1.1:
            text = (
                f"the first MOROCCO's estimator gives {row.published_rps:.4g} records/s, "
                f"{row.rps:.4g} remain with the clock set right"
            )
            yield Finding("warning", "published", row.task, text)
