"""``morocco stats LOGS…``: speed and memory from run logs, as the first MOROCCO's command."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from morocco.archive.safe_zip import open_archive
from morocco.errors import MoroccoError
from morocco.estimate.intervals import mean_estimate, median_estimate
from morocco.estimate.legacy import GIB, legacy_stats
from morocco.estimate.results import Estimate, TaskStats, absent
from morocco.estimate.select import split_by_machine
from morocco.estimate.speed import estimate_rps
from morocco.estimate.stats import estimate_task
from morocco.formats.log import Sample, decode_log, read_log, wall_seconds
from morocco.formats.names import parse_run_name
from morocco.formats.record import RunRecord, read_record
from morocco.screen.cell import CellState
from morocco.screen.outliers import find_outliers
from morocco.screen.settle import judge_runs

LATE_CLOCK = (
    "times come from the logs alone: a log of the first MOROCCO starts when its input was written, "
    "about 3 s late in large runs, which makes rps too high; `morocco import` corrects for it"
)


@dataclass(frozen=True)
class LogFile:
    """One log of one run, with the record beside it where there is one."""

    model: str
    task: str
    name: str
    input_size: int
    batch_size: int
    samples: Sequence[Sample]
    record: Path | None


def register(subparsers: Any) -> None:
    parser = subparsers.add_parser(
        "stats",
        help="speed and memory of a model on a task, from the logs of its runs",
        description="Prints one JSON object a line for each folder of logs: task, gpu_ram (GiB), "
        "rps (records/s), and with this project's estimator their 95 %% intervals and more.",
    )
    parser.add_argument(
        "logs",
        nargs="+",
        metavar="LOGS",
        help="run logs <model>/<task>/<input>_<batch>_<index>.jsonl, or archives of them (.zip)",
    )
    parser.add_argument(
        "--estimator",
        choices=("intervals", "morocco"),
        default="intervals",
        help="intervals: differences of means with Welch intervals (default); "
        "morocco: the first MOROCCO's medians, its output to the digit",
    )
    parser.add_argument(
        "--only",
        metavar="SIZES",
        type=lambda text: frozenset(text.split(",")),
        help="take only these <input>_<batch>, comma-separated, as 1_1,2000_32",
    )
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    groups: dict[tuple[str, str], list[LogFile]] = {}
    for path in args.logs:
        for log in read_logs(Path(path), args.only):
            groups.setdefault((log.model, log.task), []).append(log)
    if not groups:
        raise MoroccoError("no log among the files given", hint="name .jsonl logs or a .zip")
    for (model, task), logs in groups.items():
        if args.estimator == "morocco":
            rows = [asdict(legacy_stats(task, [(log.input_size, log.samples) for log in logs]))]
        else:
            rows = list(interval_rows(model, task, logs))
        for row in rows:
            print(json.dumps(row, ensure_ascii=False))
            for warning in row.get("warnings", ()):
                print(f"warning: {model}/{task}: {warning}", file=sys.stderr)
    return 0


def read_logs(path: Path, only: frozenset[str] | None) -> Iterator[LogFile]:
    """The logs in a file or an archive; model and task are the names of the folders above."""
    if path.suffix != ".zip":
        log = _log_file(PurePosixPath(path.absolute().as_posix()), only, lambda: read_log(path))
        if log:
            record = path.with_suffix(".json")
            yield log if not record.exists() else LogFile(**{**vars(log), "record": record})
        return
    with open_archive(path) as archive:
        for member in archive:
            if not member.endswith(".jsonl"):
                continue
            folder = PurePosixPath(path.absolute().parent.name)
            inner = PurePosixPath(member)
            inner = inner.relative_to("logs") if inner.parts[0] == "logs" else inner
            place = archive.place(member)
            data = archive[member]
            log = _log_file(folder / inner, only, lambda d=data, p=place: decode_log(d, p))
            if log:
                yield log


def _log_file(path: PurePosixPath, only: frozenset[str] | None, read: Any) -> LogFile | None:
    try:
        input_size, batch_size, _ = parse_run_name(path.stem)
    except MoroccoError as error:
        raise MoroccoError(error.message, place=str(path), hint=error.hint) from error
    if only and f"{input_size}_{batch_size}" not in only:
        return None
    model, task = path.parent.parent.name, path.parent.name
    return LogFile(model, task, path.stem, input_size, batch_size, read(), None)


def interval_rows(model: str, task: str, logs: Sequence[LogFile]) -> Iterator[dict[str, Any]]:
    """One row; several where the records are of several kinds of machine."""
    paths = [log.record for log in logs]
    if all(paths):
        records = [read_record(path) for path in paths if path]
        for same in split_by_machine(records).values():
            stats = estimate_task(same, settled=_states(same), device=_device(same))
            yield _row(task, model, stats.gpu_ram_bytes, stats.rps) | _from_records(stats)
    else:
        yield from_logs(model, task, logs)


def _states(records: Sequence[RunRecord]) -> list[CellState]:
    """Every cell judged anew from the runs given."""
    measured = [record for record in records if record.kind == "measured"]
    cells = sorted({record.id.cell for record in measured})
    return [
        CellState(cell, 1, judge_runs([r for r in measured if r.id.cell == cell]), True, "")
        for cell in cells
    ]


def _device(records: Sequence[RunRecord]) -> str:
    return "gpu" if any(record.gpu and record.gpu.ram_peak_bytes for record in records) else "cpu"


def from_logs(model: str, task: str, logs: Sequence[LogFile]) -> dict[str, Any]:
    """Estimates from logs without records: times and peaks as the samples show them."""
    warnings = [LATE_CLOCK]
    cells: dict[tuple[int, int], list[LogFile]] = {}
    for log in logs:
        cells.setdefault((log.input_size, log.batch_size), []).append(log)
    for key, cell in cells.items():
        apart = find_outliers([wall_seconds(log.samples) for log in cell])
        for outlier in apart:
            warnings.append(
                f"{cell[outlier.position].name} is left out: {outlier.seconds:.1f} s, median "
                f"{outlier.median_seconds:.1f} s"
            )
        out = {outlier.position for outlier in apart}
        cells[key] = [log for k, log in enumerate(cell) if k not in out]
    init_size = min(size for size, _ in cells)
    init = [log for (size, _), cell in cells.items() if size == init_size for log in cell]
    init_times = [wall_seconds(log.samples) for log in init]
    loads = [
        (
            estimate_rps(init_times, [wall_seconds(g.samples) for g in cell], init_size, size),
            size,
            batch,
        )
        for (size, batch), cell in sorted(cells.items())
        if size > init_size
    ]
    rps, *headline = max(
        loads,
        key=lambda load: (load[0].value is not None, load[1], load[0].value or 0.0, load[2]),
        default=(absent("records/s", f"no log above {init_size} records"), 0, 0),
    )
    row = _row(task, model, _peak(init, "gpu_ram"), rps)
    row |= _interval("init_seconds", mean_estimate(init_times, "s"))
    row |= _interval("ram", _peak(cells.get((headline[0], headline[1]), []), "ram"), GIB)
    runs = sum(map(len, cells.values()))
    return row | {
        "headline": headline if rps.value is not None else None,
        "runs_valid": runs,
        "runs_invalid": len(logs) - runs,
        "source": "logs",
        "warnings": warnings,
    }


def _peak(logs: Sequence[LogFile], name: str) -> Estimate:
    peaks = []
    for log in logs:
        values = [getattr(sample, name) for sample in log.samples]
        known = [float(value) for value in values if value is not None]
        if known:
            peaks.append(max(known))
    return median_estimate(peaks, "bytes") if peaks else absent("bytes", f"no {name} in the logs")


def _row(task: str, model: str, gpu_ram: Estimate, rps: Estimate) -> dict[str, Any]:
    """The first tool's three fields in its order, then what it did not know."""
    row: dict[str, Any] = {"task": task}
    row["gpu_ram"] = None if gpu_ram.value is None else gpu_ram.value / GIB
    row["rps"] = rps.value
    row["model"] = model
    row |= _interval("gpu_ram", gpu_ram, GIB) | _interval("rps", rps)
    return row | {"rps_status": rps.status, "needed_input_size": rps.needed_input_size}


def _interval(name: str, estimate: Estimate, scale: float = 1) -> dict[str, Any]:
    """Value and 95 % interval, null where there is none, and then the reason."""

    def scaled(value: float | None) -> float | None:
        return None if value is None else value / scale

    ends = [scaled(estimate.low), scaled(estimate.high)]
    row = {name: scaled(estimate.value), f"{name}_interval": None if ends == [None, None] else ends}
    return row if estimate.reason is None else row | {f"{name}_reason": estimate.reason}


def _from_records(stats: TaskStats) -> dict[str, Any]:
    row = _interval("init_seconds", stats.init_seconds)
    row |= _interval("ram", stats.ram_bytes, GIB)
    row |= _interval("cpu_seconds_per_record", stats.cpu_seconds_per_record)
    row |= _interval("joules_per_record", stats.joules_per_record)
    return row | {
        "headline": stats.headline,
        "runs_valid": stats.runs_valid,
        "runs_invalid": stats.runs_invalid,
        "machine": stats.machine_kind,
        "source": "records",
        "warnings": stats.warnings,
    }
