"""The import's table: published against corrected, as CSV, JSON, Markdown and on the terminal."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from dataclasses import asdict, fields
from pathlib import Path

from morocco.archive.anomalies import REASONS
from morocco.archive.imported import Imported, ImportRow
from morocco.archive.legacy import LegacyArchive
from morocco.formats.files import write_json, write_text
from morocco.tasks.registry import get_task

HEADER = ("task", "load", "runs", "published", "corrected", "95 % interval", "factor", "missing s")


def write_import(imported: Imported, model: str, out: str | Path) -> list[Path]:
    """Write ``stats/<model>/<task>.json`` and ``tables/import-<model>.*`` under ``out``."""
    written = []
    for stats in imported.stats:
        written.append(Path(out) / "stats" / model / f"{stats.task}.json")
        write_json(written[-1], stats)
    base = Path(out) / "tables" / f"import-{model}"
    tables = [base.with_name(f"{base.name}.{ending}") for ending in ("csv", "json", "md")]
    write_text(tables[0], as_csv(imported.rows))
    write_json(
        tables[1],
        {
            "rows": imported.rows,
            "anomalies": imported.anomalies,
            "warnings": imported.warnings,
            "reasons": REASONS,
        },
    )
    write_text(tables[2], as_markdown(imported, model))
    return written + tables


def as_csv(rows: Sequence[ImportRow]) -> str:
    """One line a row, empty where null."""
    buffer = io.StringIO()
    writer = csv.DictWriter(
        buffer, [field.name for field in fields(ImportRow)], lineterminator="\n"
    )
    writer.writeheader()
    writer.writerows(asdict(row) for row in rows)
    return buffer.getvalue()


def as_markdown(imported: Imported, model: str) -> str:
    lines = [
        f"# {model}: published against corrected records/s",
        "",
        "Published: the first MOROCCO's estimator on all runs. Corrected: cold, truncated, slow",
        "and blind runs left out, late starts put back; the interval is 95 %.",
        "",
        "| " + " | ".join(HEADER) + " |",
        "|---|---|---:|---:|---:|---:|---:|---:|",
    ]
    lines += ["| " + " | ".join(cells) + " |" for cells in map(_cells, imported.rows)]
    lines += ["", "## What was found", ""]
    for task, anomalies in imported.anomalies.items():
        lines += [f"### {get_task(task).title}", ""]
        lines += [f"- {a.code} {a.run}: {a.detail}" for a in anomalies if a.excluded]
        late = [a for a in anomalies if not a.excluded]
        if late:
            lines.append(f"- late_clock in {len(late)} runs: {late[0].detail} ({late[0].run})")
        lines += [f"- warning: {text}" for text in imported.warnings[task]]
        if not anomalies and not imported.warnings[task]:
            lines.append("- nothing")
        lines.append("")
    return "\n".join(lines)


def as_text(imported: Imported, archive: LegacyArchive) -> str:
    """The same for a terminal."""
    table = [HEADER, *map(_cells, imported.rows)]
    widths = [max(map(len, column)) for column in zip(*table, strict=True)]
    lines = [
        "  ".join(
            cell.ljust(width) if k < 2 else cell.rjust(width)
            for k, (cell, width) in enumerate(zip(cells, widths, strict=True))
        ).rstrip()
        for cells in table
    ]
    lines.append("")
    for task, stats in zip(imported.anomalies, imported.stats, strict=True):
        found = stats.extra["anomalies"]
        lines.append(f"{get_task(task).title}: {found or 'no anomalies'}")
        lines += [f"  warning: {text}" for text in imported.warnings[task]]
    lines += [f"left out, broken: {broken.problem}" for broken in archive.broken]
    if archive.ignored:
        lines.append(
            f"{len(archive.ignored)} members are no logs, the first {archive.ignored[0]!r}"
        )
    return "\n".join(lines)


def _cells(row: ImportRow) -> tuple[str, ...]:
    interval = "not resolved"
    if row.rps is not None and row.rps_low is not None and row.rps_high is not None:
        interval = f"{row.rps_low:.4g}–{row.rps_high:.4g}"
    missing = (
        "" if row.missing_seconds is None else f"{row.missing_seconds:.2f}±{row.missing_sd:.2f}"
    )
    return (
        get_task(row.task).title,
        f"{row.input_size}_{row.batch_size}",
        f"{row.used}/{row.runs}",
        "" if row.published_rps is None else f"{row.published_rps:.4g}",
        "" if row.rps is None else f"{row.rps:.4g}",
        interval,
        "" if row.factor is None else f"{row.factor:.2f}",
        missing,
    )
