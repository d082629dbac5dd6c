"""How right are our figures? Containers of known cost, and the first MOROCCO on the same.

    python -m benchmarks.accuracy                       all settings, about 24 minutes
    python -m benchmarks.accuracy --quick               a few of them, about 3 minutes
    python -m benchmarks.accuracy --plan                what would run, and for how long

Containers sleep until their deadlines, so several run side by side (``--parallel``); a subset is
measured alone too, and the page compares the two. What uses the CPU or is about memory runs alone.
"""

from __future__ import annotations

import argparse
import random
import statistics
import sys
import tempfile
from dataclasses import dataclass, replace
from pathlib import Path

from benchmarks.accuracy_page import Cell, make_page
from benchmarks.accuracy_totals import Total, measure_total, total_units
from benchmarks.containers import (
    Bed,
    Measured,
    Unit,
    measure_unit,
    order,
    prepare,
    side_by_side,
)
from benchmarks.first_method import run_first_method
from benchmarks.pages import command_line, machine_line, write_page
from morocco.estimate.legacy import legacy_stats
from morocco.estimate.results import LoadStats
from morocco.estimate.stats import estimate_task
from morocco.formats.log import Sample, wall_seconds

OVERHEAD_SECONDS = 0.8  # of a run, to plan with


@dataclass(frozen=True)
class Setting:
    """A calibrated model: init and time a record in s, and how it behaves."""

    kind: str
    init: float
    seconds: float
    sizes: tuple[int, ...]
    alone: bool = False

    @property
    def unit(self) -> Unit:
        args = ("--init", f"{self.init:g}", "--seconds", f"{self.seconds:g}", *self._behaviour)
        name = f"{self.kind.replace(' ', '-').replace(',', '')}-{self.init:g}s-{self.seconds:g}s"
        runs = [self.init + self.seconds * size + OVERHEAD_SECONDS for size in (1, *self.sizes)]
        return Unit(name + ("-alone" if self.alone else ""), args, (1, *self.sizes),
                    seconds=5 * sum(runs))  # fmt: skip

    @property
    def _behaviour(self) -> tuple[str, ...]:
        return {
            "streams": (),
            "reads all early": ("--read", "all"),
            "reads all late": ("--read", "all", "--read-after", f"{self.init:g}"),
            "children, mapped file": (
                *("--children", "2", "--memory", "20", "--child-memory", "20", "--map", "64"),
            ),
        }[self.kind]


KINDS = ("streams", "reads all early", "reads all late", "children, mapped file")
FIRST_KINDS = ("streams", "reads all early")  # the first method is shown on these two


def grid(quick: bool) -> list[Setting]:
    """10 ms a record at 10000 records is 100 s a run: of one kind, at one init time."""
    if quick:
        return [Setting(kind, 0.5, 0.002, (200, 2000)) for kind in (*FIRST_KINDS, KINDS[3])]
    settings = []
    for kind in KINDS:
        for init in (0.5, 1.0, 2.0, 5.0) if kind in FIRST_KINDS else (0.5, 2.0, 5.0):
            for seconds in (0.0005, 0.002, 0.01):
                long = seconds < 0.01 or (init == 2.0 and kind == "streams")
                sizes = (200, 2000, 10000) if long else (200, 2000)
                settings.append(Setting(kind, init, seconds, sizes))
    return settings


def alone(quick: bool) -> list[Setting]:
    """Measured alone too; each is also in the grid."""
    if quick:
        return []
    sizes = (200, 2000)
    return [
        Setting("streams", 0.5, 0.002, sizes, alone=True),
        Setting("reads all early", 2.0, 0.0005, sizes, alone=True),
    ]


def measure_ours(bed: Bed, setting: Setting) -> tuple[Setting, Measured]:
    return setting, measure_unit(bed, setting.unit)


def measure_first(bed: Bed, setting: Setting) -> tuple[Setting, dict[int, list[list[Sample]]]]:
    """Logs of the first method by input size, in the same seeded order."""
    logs: dict[int, list[list[Sample]]] = {}
    unit = setting.unit
    for size, index in order(unit):
        batch = "1" if size == 1 else "32"
        logs.setdefault(size, []).append(
            run_first_method(
                bed.image.name,
                (*unit.args, "--batch-size", batch),
                Path(bed.inputs[size].path),
                f"first-{unit.name}-{size}-{index}",
            )
        )
    return setting, logs


def our_loads(result: Measured) -> dict[int, LoadStats]:
    stats = estimate_task(result.records, settled=result.accepted, init_size=1)
    return {load.input_size: load for load in stats.loads}


def make_cells(
    ours: list[tuple[Setting, Measured]],
    first: list[tuple[Setting, dict[int, list[list[Sample]]]]],
) -> list[Cell]:
    logs = {(s.kind, s.init, s.seconds): found for s, found in first}
    cells = []
    for setting, result in ours:
        loads = our_loads(result)
        init = result.wall_seconds(1)
        theirs = logs.get((setting.kind, setting.init, setting.seconds), {})
        for size in setting.sizes:
            difference = statistics.fmean(result.wall_seconds(size)) - statistics.fmean(init)
            runs = [(n, log) for n in (1, size) for log in theirs.get(n, [])]
            late = [m.late_seconds for r, m in result.own.items() if r.input_size == size]
            own = [
                statistics.fmean(m.seconds for r, m in result.own.items() if r.input_size == n)
                for n in (1, size)
            ]
            cells.append(
                Cell(
                    kind=setting.kind,
                    init=setting.init,
                    seconds=setting.seconds,
                    size=size,
                    alone=setting.alone,
                    rps=loads[size].rps,
                    streaming=loads[size].rps_streaming,
                    difference=difference,
                    own_difference=own[1] - own[0],
                    late_seconds=max(late),
                    init_times=tuple(init),
                    load_times=tuple(result.wall_seconds(size)),
                    reruns=sum(r.round > 1 for r in result.records if r.id.input_size == size),
                    first=legacy_stats("terra", runs).rps if runs else None,
                    first_times=tuple(wall_seconds(log) for log in theirs.get(size, [])),
                )
            )
    return cells


def run(quick: bool, parallel: int) -> tuple[list[Cell], list[Total]]:
    settings, apart = grid(quick), alone(quick)
    totals = total_units(quick)
    sizes = {1} | {n for s in settings for n in s.sizes} | {n for t in totals for n in t.unit.sizes}
    with tempfile.TemporaryDirectory(prefix="morocco-accuracy-") as folder:
        bed = prepare(Path(folder), sizes)
        measure_unit(bed, replace(settings[0].unit, name="warm-up", sizes=(1,), repeats=3))
        work = [(measure_ours, (bed, s), s.unit.seconds) for s in settings]
        work += [(measure_first, (bed, s), s.unit.seconds) for s in settings
                 if s.kind in FIRST_KINDS]  # fmt: skip
        random.Random(20210121).shuffle(work)
        ours, first = [], []
        for setting, found in side_by_side(work, parallel, "speed"):
            (ours if isinstance(found, Measured) else first).append((setting, found))
        serial = [(measure_ours, (bed, s), s.unit.seconds) for s in apart]
        ours += side_by_side(serial, 1, "speed, alone")
        rest = [(measure_total, (bed, t), t.unit.seconds) for t in totals]
        found_totals = list(side_by_side(rest, 1, "memory and CPU time"))
    place = {id_of(s): k for k, s in enumerate([*settings, *apart])}
    ours.sort(key=lambda pair: place[id_of(pair[0])])
    found_totals.sort(key=lambda total: [t.unit.name for t in totals].index(total.unit.name))
    return make_cells(ours, first), found_totals


def id_of(setting: Setting) -> str:
    return setting.unit.name


def show_plan(quick: bool, parallel: int) -> None:
    settings = grid(quick)
    both = [*settings, *(s for s in settings if s.kind in FIRST_KINDS)]
    seconds = sum(s.unit.seconds for s in both)
    rest = sum(s.unit.seconds for s in alone(quick)) + sum(
        t.unit.seconds * (2 if t.with_first else 1) for t in total_units(quick)
    )
    cells = sum(len(s.sizes) for s in settings)
    print(f"{len(settings)} models, {cells} cells, {seconds:.0f} s of containers side by side")
    print(f"in {parallel} processes about {seconds / parallel:.0f} s, then {rest:.0f} s alone")


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="a few settings, about 3 minutes")
    parser.add_argument("--parallel", type=int, metavar="N", help="sleeping containers at a time")
    parser.add_argument("--out", type=Path, metavar="FILE", help="keep the page here")
    parser.add_argument("--plan", action="store_true", help="say what would run, and for how long")
    args = parser.parse_args()
    parallel = args.parallel or (3 if args.quick else 10)
    show_plan(args.quick, parallel)
    if args.plan:
        return 0
    cells, totals = run(args.quick, parallel)
    head = f"{machine_line()}\n{command_line('benchmarks.accuracy')}\n"
    write_page(args.out, make_page(cells, totals, head, parallel))
    return 0


if __name__ == "__main__":
    sys.exit(main())
