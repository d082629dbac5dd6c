"""What foreign load does to our figures: two CPU burners beside a model, and none.

    python -m benchmarks.noise                          about 7 minutes on a quiet machine
    python -m benchmarks.noise --quick                  about 1 minute

Quiet and burdened runs alternate. The calibrated model spends a known CPU time on a record; TF-IDF
does a fixed piece of work, whose CPU time also feels shared caches and cores.
"""

from __future__ import annotations

import argparse
import collections
import contextlib
import dataclasses
import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from benchmarks.containers import ROOT, TASK, Bed, Unit, measure_once, prepare
from benchmarks.pages import command_line, machine_line, percent, table, write_page
from morocco.engine.client import connect
from morocco.engine.images import build_model
from morocco.estimate.results import LoadStats
from morocco.estimate.stats import estimate_task
from morocco.formats.record import DISTURBED_REASONS, RunRecord, Verdict
from morocco.suite.model import NoiseBounds

BURNERS = 2
BURN = "while True: pass"


@dataclass(frozen=True)
class Subject:
    """A model to burden: its container, and the N that is compared with one record."""

    name: str
    args: tuple[str, ...]
    size: int
    folder: str  # below models/


def subjects(quick: bool) -> list[Subject]:
    calibrated = ("--work", "cpu", "--init", "0.5", "--seconds", "0.002")
    first = Subject("calibrated, 2 ms of CPU a record", calibrated, 1000, "calibrated")
    return [first] if quick else [first, Subject("tfidf", (), 60000, "tfidf")]


@contextlib.contextmanager
def burners(count: int) -> Iterator[None]:
    """Busy loops beside the block, one a core at most."""
    started = [subprocess.Popen([sys.executable, "-c", BURN]) for _ in range(count)]
    try:
        yield
    finally:
        for process in started:
            process.kill()
            process.wait()


def measure_pairs(bed: Bed, subject: Subject, repeats: int) -> dict[bool, list[RunRecord]]:
    """Records of quiet (False) and burdened (True) runs, in turns."""
    client = connect()
    records: dict[bool, list[RunRecord]] = {False: [], True: []}
    slug = subject.folder
    units = {
        burdened: Unit(f"{slug}-{'burdened' if burdened else 'quiet'}", subject.args,
                       (1, subject.size), repeats, noise=NoiseBounds())
        for burdened in (False, True)
    }  # fmt: skip
    for index in range(1, repeats + 1):
        for burdened in (False, True) if index % 2 else (True, False):
            with burners(BURNERS if burdened else 0):
                for size in (1, subject.size):
                    record = measure_once(bed, units[burdened], size, index, client=client)
                    records[burdened].append(record)
            done = f"{subject.name}: {'burdened' if burdened else 'quiet'} pair {index}"
            print(f"{done} of {repeats}", file=sys.stderr)
    return records


def load_stats(records: list[RunRecord], *, judged: bool = False) -> LoadStats:
    """Statistics of all runs; ``judged``: of those alone whose verdict is valid, as published."""
    if not judged:
        records = [dataclasses.replace(record, verdict=Verdict(True)) for record in records]
    return estimate_task(records, init_size=1).loads[0]


def flagged(records: list[RunRecord]) -> list[RunRecord]:
    return [r for r in records if {x.code for x in r.verdict.reasons} & DISTURBED_REASONS]


def reasons_of(records: list[RunRecord]) -> str:
    codes = collections.Counter(x.code for r in records for x in r.verdict.reasons)
    return ", ".join(f"{code} {count}" for code, count in sorted(codes.items())) or "none"


def make_page(found: dict[str, dict[bool, list[RunRecord]]], head: str) -> str:
    flags, moved, noise = [], [], []
    for name, records in found.items():
        quiet, loud = load_stats(records[False]), load_stats(records[True])
        for burdened, runs in records.items():
            label = f"{name}, {BURNERS} burners" if burdened else f"{name}, quiet"
            published = load_stats(runs, judged=True).rps
            marked = flagged(runs)
            flags.append(
                (
                    label,
                    len(runs),
                    f"{len(marked)} of {len(runs)}",
                    reasons_of(runs),
                    "none" if published.value is None else f"{published.value:.4g}",
                )
            )
            noise.append(
                (
                    label,
                    _range([r.noise.foreign_cpu_cores for r in runs if r.noise]),
                    _range([r.noise.psi_some_share for r in runs if r.noise]),
                    _range([r.noise.steal_share for r in runs if r.noise]),
                )
            )
        moved.append(_moved_row(name, "records/s", _rate(records[False]), _rate(records[True])))
        pair = [s.cpu_seconds_per_record for s in (quiet, loud)]
        values = [None if e.value is None else 1000 * e.value for e in pair]
        moved.append(_moved_row(name, "CPU-ms a record", *values))
    parts = [
        "# Noise",
        head,
        f"Every run under the default bounds, without and with {BURNERS} busy loops on "
        f"{os.cpu_count()} cores, in turns. Speeds of burdened runs are shown here only: a flagged "
        "run is measured again and reaches no estimate.",
        "## Flagged as disturbed",
        table(("runs", "count", "flagged", "reasons", "published records/s"), flags),
        "## What the load moved",
        table(("model", "figure", "quiet", "burdened", "moved"), moved),
        "Of runs with all verdicts set aside; means of T and of CPU totals, differences of the two "
        "sizes. Wanted: CPU-seconds a record moved by less than 3 %.",
        "## What was recorded",
        table(("runs", "foreign CPU, cores (median; range)", "PSI share", "steal share"), noise),
    ]
    return "\n\n".join(parts)


def _moved_row(
    name: str, figure: str, quiet: float | None, loud: float | None
) -> tuple[str, str, str, str, str]:
    shown = ["–" if value is None else f"{value:.4g}" for value in (quiet, loud)]
    change = loud / quiet - 1 if quiet and loud is not None else None
    return name, figure, *shown, percent(change, 1)  # type: ignore[return-value]


def _rate(records: list[RunRecord]) -> float | None:
    """(N − 1) over the difference of mean times, resolved or not."""
    size = max(r.id.input_size for r in records)
    means = [
        statistics.fmean(r.wall_seconds or 0.0 for r in records if r.id.input_size == n)
        for n in (1, size)
    ]
    return (size - 1) / (means[1] - means[0]) if means[1] > means[0] else None


def _range(values: list[float | None]) -> str:
    known = [value for value in values if value is not None]
    if not known:
        return "–"
    return f"{statistics.median(known):.2f} ({min(known):.2f} to {max(known):.2f})"


def bed_for(bed: Bed, subject: Subject) -> Bed:
    if subject.folder == "calibrated":
        return bed
    image = build_model(
        ROOT / "models" / subject.folder,
        TASK,
        ROOT / "data" / "sample",
        f"morocco/{subject.folder}-benchmark",
        os.environ.get("BASE_IMAGE", "morocco/base:local"),
        {},
    )
    return dataclasses.replace(bed, image=image)


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="one model, 3 pairs, about a minute")
    parser.add_argument("--repeats", type=int, metavar="N", help="pairs a model (default 10)")
    parser.add_argument("--out", type=Path, metavar="FILE", help="keep the page here")
    args = parser.parse_args()
    repeats = args.repeats or (3 if args.quick else 10)
    chosen = subjects(args.quick)
    with tempfile.TemporaryDirectory(prefix="morocco-noise-") as folder:
        bed = prepare(Path(folder), {1, *(s.size for s in chosen)})
        found = {s.name: measure_pairs(bed_for(bed, s), s, repeats) for s in chosen}
    head = f"{machine_line()}\n{command_line('benchmarks.noise')}\n"
    write_page(args.out, make_page(found, head))
    return 0


if __name__ == "__main__":
    sys.exit(main())
