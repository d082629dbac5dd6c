"""What an archive of the first MOROCCO says once its anomalies are known: estimates and a table."""

from __future__ import annotations

import itertools
import math
import statistics
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace

from morocco.archive.anomalies import Anomaly, Screened, screen_task
from morocco.archive.legacy import LegacyArchive
from morocco.estimate.archived import Difference, RunShape, corrected_difference, pooled_sd
from morocco.estimate.intervals import median_estimate
from morocco.estimate.results import (
    ABSENT,
    NOT_RESOLVED,
    RESOLVED,
    Estimate,
    LoadStats,
    TaskStats,
    absent,
)

# An archive cannot be measured again, so a wide interval is published with its number; beyond
# ±25 % the number no longer tells a model from one half as fast again.
MAX_RELATIVE_HALF_WIDTH = 0.25
METHOD = "difference of medians, late starts put back from the logs' own start-up"
_NO_CPU = "the log holds ps's lifetime average of one process, no CPU time"
_NO_ENERGY = "the first MOROCCO measured no energy"
_NO_PREDICTIONS = "the archive holds no predictions"
_NO_CGROUP = "the log holds the resident set of one process (ps), no cgroup figures"
_NO_GPU = "no GPU memory in any log"
RSS_METHOD = "median of runs' largest resident set of the container's first process (ps)"


@dataclass(frozen=True)
class ImportRow:
    """Published against corrected, for one (task, input_size, batch_size)."""

    model: str
    task: str
    input_size: int
    batch_size: int
    runs: int  # in the archive
    used: int
    published_rps: float | None  # the first MOROCCO's estimator on all runs; null: no init or load
    rps: float | None  # corrected; null: not resolved, see reason
    rps_low: float | None
    rps_high: float | None
    factor: float | None  # published / corrected
    difference_seconds: float | None  # T_N − T_1, corrected
    missing_seconds: float | None  # of the late runs' starts, mean; null: no late clock
    missing_sd: float | None
    reason: str | None
    anomalies: str


@dataclass(frozen=True)
class Imported:
    stats: tuple[TaskStats, ...]
    rows: tuple[ImportRow, ...]
    anomalies: dict[str, tuple[Anomaly, ...]]  # by task
    warnings: dict[str, tuple[str, ...]]


def import_archive(archive: LegacyArchive, model: str, machine: str | None = None) -> Imported:
    """Estimates of every task in the archive; ``machine`` describes where it was measured."""
    screened = {task: screen_task(runs) for task, runs in archive.tasks.items()}
    sd = pooled_sd([[run.wall for run in _init(part)] for part in screened.values()])
    stats, rows, warnings = [], [], {}
    for task, part in screened.items():
        differences = {
            cell: (
                corrected_difference(runs, _init(part), sd)
                if sd
                else "no task has two usable init runs (1_1): start and work cannot be told apart"
            )
            for cell, runs in part.usable.items()
            if cell[0] > 1
        }
        said = (*part.warnings, *_growth_warnings(differences))
        rows += [_row(model, task, cell, part, differences[cell]) for cell in sorted(differences)]
        warnings[task] = said
        stats.append(_task_stats(model, task, part, differences, said, machine))
    return Imported(
        tuple(stats),
        tuple(rows),
        {task: part.anomalies for task, part in screened.items()},
        warnings,
    )


def published_rps(
    init: Sequence[RunShape], load: Sequence[RunShape], input_size: int
) -> float | None:
    """The first MOROCCO's estimator: N / (median T_N − median T_1) over all runs as they are.

    RussianNLP/MOROCCO, bench/main.py, ``stats``. Negative where the small runs took longer.
    """
    if not init or not load:
        return None
    difference = statistics.median(run.wall for run in load) - statistics.median(
        run.wall for run in init
    )
    return input_size / difference if difference else None


def _init(part: Screened) -> tuple[RunShape, ...]:
    return part.usable.get((1, 1), ())


def _row(
    model: str, task: str, cell: tuple[int, int], part: Screened, difference: Difference | str
) -> ImportRow:
    published = published_rps(part.everything.get((1, 1), ()), part.everything[cell], cell[0])
    rps = _rps(cell[0], difference, len(part.usable[cell]) + len(_init(part)))
    names = {run.name for run in (*part.everything[cell], *part.everything.get((1, 1), ()))}
    known = difference if isinstance(difference, Difference) else None
    delay = known.delay if known else None
    return ImportRow(
        model=model,
        task=task,
        input_size=cell[0],
        batch_size=cell[1],
        runs=len(part.everything[cell]),
        used=len(part.usable[cell]),
        published_rps=published,
        rps=rps.value,
        rps_low=rps.low,
        rps_high=rps.high,
        factor=published / rps.value if published is not None and rps.value else None,
        difference_seconds=known.seconds if known else None,
        missing_seconds=delay.seconds if delay else None,
        missing_sd=delay.sd if delay else None,
        reason=rps.reason,
        anomalies=summary([a for a in part.anomalies if a.run in names]),
    )


def summary(anomalies: Sequence[Anomaly]) -> str:
    """``cold 1_1_01, 1_1_02; late_clock 2000_32 (5)``"""
    groups: dict[str, list[str]] = {}
    for anomaly in anomalies:
        groups.setdefault(anomaly.code, []).append(anomaly.run)
    texts = []
    for code, runs in groups.items():
        if code == "late_clock":
            cells = Counter(run.rsplit("_", 1)[0] for run in runs)
            texts.append(f"{code} " + ", ".join(f"{cell} ({n})" for cell, n in cells.items()))
        else:
            texts.append(f"{code} " + ", ".join(sorted(runs)))
    return "; ".join(texts)


def _rps(input_size: int, difference: Difference | str, runs: int) -> Estimate:
    """(N − 1) / (T_N − T_1): the 1_1 runs process one record themselves."""
    missing = Estimate(None, None, None, "records/s", runs, NOT_RESOLVED, METHOD)
    if isinstance(difference, str):
        return replace(missing, reason=difference)
    records = input_size - 1
    half = (difference.high - difference.low) / 2
    low = records / difference.high if difference.high > 0 else None
    high = records / difference.low if difference.low > 0 else None
    if difference.low > 0 and half <= MAX_RELATIVE_HALF_WIDTH * difference.seconds:
        value = records / difference.seconds
        return replace(missing, value=value, low=low, high=high, status=RESOLVED)
    reason = (
        f"T differs by {difference.seconds:.3g} ± {half:.2g} s between {input_size} records and 1, "
        f"wanted ± {MAX_RELATIVE_HALF_WIDTH:.0%}"
    )
    needed = None
    if difference.seconds > 0:
        growth = 2 * half / (MAX_RELATIVE_HALF_WIDTH * difference.seconds)
        needed = math.ceil(input_size * max(growth, 2))
    return replace(missing, low=low, high=high, reason=reason, needed_input_size=needed)


def _growth_warnings(differences: dict[tuple[int, int], Difference | str]) -> list[str]:
    """Time per record must not differ between input sizes; says so beyond both intervals."""
    known = [(c, d) for c, d in sorted(differences.items()) if isinstance(d, Difference)]
    found = []
    for ((n, batch), a), ((larger, other), b) in itertools.combinations(known, 2):
        if batch != other:
            continue
        ratio = (larger - 1) / (n - 1)
        if a.high * ratio < b.low or a.low * ratio > b.high:
            found.append(
                f"time is not linear in the input size: {b.seconds / a.seconds:.2f} times as long "
                f"for {ratio:.2f} times the records at batch size {batch}"
            )
    return found


def _task_stats(
    model: str,
    task: str,
    part: Screened,
    differences: dict[tuple[int, int], Difference | str],
    warnings: Sequence[str],
    machine: str | None,
) -> TaskStats:
    loads = tuple(_load_stats(part, cell, differences[cell]) for cell in sorted(differences))
    resolved = [load for load in loads if load.rps.status == RESOLVED]
    headline = max(
        resolved or loads, key=lambda load: (load.input_size, load.batch_size), default=None
    )
    init = _init(part)
    cold = [
        run.wall
        for run in part.everything.get((1, 1), ())
        if any(a.run == run.name and a.code == "cold" for a in part.anomalies)
    ]
    everything = [run for runs in part.everything.values() for run in runs]
    excluded = [a for a in part.anomalies if a.excluded]
    no_load = "no runs of more than one record"
    gpu = any(run.gpu_peak for run in everything)
    return TaskStats(
        model=model,
        task=task,
        device="gpu" if gpu else "cpu",
        init_seconds=median_estimate([run.wall for run in init], "s"),
        cold_start_seconds=(
            median_estimate(cold, "s") if cold else absent("s", "no init run was cold")
        ),
        rps=headline.rps if headline else absent("records/s", no_load),
        rps_streaming=absent("records/s", _NO_PREDICTIONS),
        cpu_seconds_per_record=absent("CPU-s/record", _NO_CPU),
        joules_per_record=absent("J/record", _NO_ENERGY),
        gpu_ram_bytes=_peak([run.gpu_peak for run in init], _NO_GPU),
        gpu_ram_load_bytes=headline.gpu_ram_bytes if headline else absent("bytes", no_load),
        ram_bytes=headline.ram_bytes if headline else absent("bytes", no_load),
        ram_anon_bytes=absent("bytes", _NO_CGROUP),
        ram_cgroup_bytes=absent("bytes", _NO_CGROUP),
        headline=(headline.input_size, headline.batch_size) if headline else None,
        loads=loads,
        runs_valid=sum(len(runs) for runs in part.usable.values()),
        runs_invalid=len(excluded),
        runs_repeated=0,
        invalid_reasons=dict(Counter(a.code for a in excluded)),
        warnings=tuple(warnings),
        machine_kind=machine or "not known (imported archive)",
        machine_details={},
        runtime="docker",
        image_id=None,
        image_digest=None,
        image_labels={},
        origin="imported",
        extra=_extra(part, headline, differences),
    )


def _extra(
    part: Screened,
    headline: LoadStats | None,
    differences: dict[tuple[int, int], Difference | str],
) -> dict[str, str]:
    extra = {"anomalies": summary(part.anomalies)}
    if headline is None:
        return extra
    cell = (headline.input_size, headline.batch_size)
    published = published_rps(
        part.everything.get((1, 1), ()), part.everything[cell], headline.input_size
    )
    if published is not None:
        extra["published_rps"] = f"{published:.6g}"
    difference = differences[cell]
    if isinstance(difference, Difference) and difference.delay:
        delay = difference.delay
        extra["late_clock_seconds"] = f"{delay.seconds:.3g} ± {1.96 * delay.sd:.2g}"
        extra["late_clock_marker"] = delay.marker
    return extra


def _load_stats(part: Screened, cell: tuple[int, int], difference: Difference | str) -> LoadStats:
    runs = part.usable[cell]
    if isinstance(difference, Difference):
        walls: Sequence[float] = difference.times
        if difference.late:
            wall = replace(
                median_estimate(walls, "s"), method="median of runs, late starts put back"
            )
        else:
            wall = median_estimate(walls, "s")
    else:
        wall = Estimate(None, None, None, "s", len(runs), NOT_RESOLVED, "", difference)
    return LoadStats(
        input_size=cell[0],
        batch_size=cell[1],
        wall_seconds=wall,
        rps=_rps(cell[0], difference, len(runs) + len(_init(part))),
        rps_streaming=absent("records/s", _NO_PREDICTIONS),
        cpu_seconds_per_record=absent("CPU-s/record", _NO_CPU),
        joules_per_record=absent("J/record", _NO_ENERGY),
        ram_bytes=replace(
            _peak([run.ram_peak for run in runs], "no RAM sample"), method=RSS_METHOD
        ),
        gpu_ram_bytes=_peak([run.gpu_peak for run in runs], _NO_GPU),
        runs_valid=len(runs),
        runs_invalid=len(part.everything[cell]) - len(runs),
    )


def _peak(values: Sequence[int | None], why_absent: str) -> Estimate:
    known = [float(value) for value in values if value is not None]
    if not known:
        return Estimate(None, None, None, "bytes", 0, ABSENT, "", why_absent)
    return median_estimate(known, "bytes")
