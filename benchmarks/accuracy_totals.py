"""Memory and CPU time of containers that take a known amount of both."""

from __future__ import annotations

import statistics
from dataclasses import dataclass
from pathlib import Path

from benchmarks.containers import Bed, Measured, Unit, measure_unit
from benchmarks.first_method import run_first_method
from morocco.estimate.results import Estimate
from morocco.estimate.stats import estimate_task
from morocco.suite.model import Limits

MIB = 2**20
HOLD = ("--init", "1.5")  # long enough for the first method's ps to see what is held


@dataclass(frozen=True)
class TotalUnit:
    """A container with what it takes; ``bare``: name of the same one that takes nothing."""

    unit: Unit
    what: str
    mib: float | None = None  # true memory above the bare container's
    figure: str = "ram_pss_peak_bytes"
    bare: str | None = None
    seconds_a_record: float | None = None  # CPU-seconds
    children_cpu: float = 0.0
    with_first: bool = False


@dataclass(frozen=True)
class Total:
    """What was measured of a TotalUnit: memory in bytes, CPU in s; medians over runs."""

    asked: TotalUnit
    pss: float
    anon: float
    cgroup: float
    first_rss: float | None
    cpu_errors: tuple[float, ...]  # relative, total of each run against the container's own
    cpu_excess: float  # s above the container's own, median
    cpu_per_record: Estimate | None

    @property
    def unit(self) -> Unit:
        return self.asked.unit

    @property
    def measured(self) -> float:
        return {"ram_pss_peak_bytes": self.pss, "ram_anon_peak_bytes": self.anon}[self.asked.figure]


def _memory(name: str, what: str, args: tuple[str, ...], repeats: int, **rest: object) -> TotalUnit:
    limits = Limits(tmpfs=512 * MIB)
    unit = Unit(f"memory-{name}", (*HOLD, *args), (1,), repeats, 2.6 * repeats, limits,
                screened=False)  # fmt: skip
    return TotalUnit(unit, what, with_first=True, **rest)  # type: ignore[arg-type]


def total_units(quick: bool) -> list[TotalUnit]:
    n, runs = (2, 3) if quick else (3, 5)
    bare, child = "memory-bare", "memory-bare-child"
    units = [
        _memory("bare", "takes nothing", (), n),
        _memory("bare-child", "takes nothing, one child", ("--children", "1"), n),
        _memory(
            "family",
            "parent 100 MiB, child 200 MiB",
            ("--memory", "100", "--children", "1", "--child-memory", "200"),
            n,
            mib=300,
            bare=child,
        ),
        _memory(
            "mapped", "mapped file of the image, 300 MiB", ("--map", "300"), n, mib=300, bare=bare
        ),
        _memory(
            "spike",
            "400 MiB for 20 ms",
            ("--spike", "400", "--spike-ms", "20"),
            n,
            mib=400,
            bare=bare,
            figure="ram_anon_peak_bytes",
        ),
    ]
    if not quick:
        units += [
            _memory(
                "shared",
                "100 MiB shared by parent and one child",
                ("--memory", "100", "--children", "1"),
                n,
                mib=100,
                bare=child,
            ),
            _memory(
                "tmp",
                "mapped file in /tmp, 300 MiB",
                ("--map", "300", "--map-in", "tmp"),
                n,
                mib=300,
                bare=bare,
            ),
        ]
    for seconds, size in (
        ((0.002, 1000),) if quick else ((0.0005, 4000), (0.002, 1000), (0.01, 200))
    ):
        args = ("--work", "cpu", "--init", "0.5", "--seconds", f"{seconds:g}")
        unit = Unit(f"cpu-{seconds:g}s", args, (1, size), runs, runs * 4.2, screened=False)
        what = f"{1000 * seconds:g} ms of CPU a record, {size} records"
        units.append(TotalUnit(unit, what, seconds_a_record=seconds))
    args = ("--init", "0.5", "--work", "cpu", "--children", "2", "--child-cpu", "1")
    unit = Unit("cpu-children", args, (1,), n, n * 3.2, screened=False)
    units.append(TotalUnit(unit, "two children of 1 CPU-second each", children_cpu=2.0))
    return units


def measure_total(bed: Bed, asked: TotalUnit) -> Total:
    result = measure_unit(bed, asked.unit)
    first = None
    if asked.with_first:
        peaks = []
        for index in range(asked.unit.repeats):
            log = run_first_method(
                bed.image.name,
                (*asked.unit.args, "--batch-size", "1"),
                Path(bed.inputs[1].path),
                f"first-{asked.unit.name}-{index}",
                ("--tmpfs", "/tmp:size=512m"),
            )
            peaks.append(max(sample.ram or 0 for sample in log))
        first = statistics.median(peaks)
    totals = [record.totals for record in result.records if record.totals]
    excess = [
        (record.totals.cpu_seconds or 0.0) - result.own[record.id].cpu_seconds - asked.children_cpu
        for record in result.records
        if record.totals
    ]
    return Total(
        asked=asked,
        pss=statistics.median(t.ram_pss_peak_bytes or 0 for t in totals),
        anon=statistics.median(t.ram_anon_peak_bytes or 0 for t in totals),
        cgroup=statistics.median(t.ram_cgroup_peak_bytes or 0 for t in totals),
        first_rss=first,
        cpu_errors=tuple(
            part / (result.own[record.id].cpu_seconds + asked.children_cpu)
            for part, record in zip(excess, result.records, strict=True)
            if record.id.input_size == max(asked.unit.sizes)
        ),
        cpu_excess=statistics.median(excess),
        cpu_per_record=_per_record(asked, result),
    )


def _per_record(asked: TotalUnit, result: Measured) -> Estimate | None:
    if asked.seconds_a_record is None:
        return None
    stats = estimate_task(result.records, init_size=1)
    return stats.loads[0].cpu_seconds_per_record
