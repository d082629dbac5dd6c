"""The page of ``benchmarks.accuracy``: errors against the truth, and whether intervals hold it."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from benchmarks.accuracy_totals import MIB, Total
from benchmarks.pages import percent, share, table
from morocco.estimate.results import Estimate


@dataclass(frozen=True)
class Cell:
    """One load of one setting; times in s, speeds in records/s."""

    kind: str
    init: float
    seconds: float
    size: int
    alone: bool
    rps: Estimate
    streaming: Estimate
    difference: float  # mean T_N less mean T_1
    own_difference: float  # the same by the containers' own clocks
    late_seconds: float  # worst lateness that a container saw of itself
    init_times: tuple[float, ...]
    load_times: tuple[float, ...]
    reruns: int
    first: float | None  # the first method's records/s
    first_times: tuple[float, ...]

    @property
    def truth(self) -> float:
        return 1 / self.seconds

    @property
    def error(self) -> float | None:
        return self.rps.value / self.truth - 1 if self.rps.value is not None else None

    @property
    def first_error(self) -> float | None:
        return self.first / self.truth - 1 if self.first is not None else None

    @property
    def raw_error(self) -> float:
        """What the bare difference of means would have said, resolved or not."""
        return (self.size - 1) / self.difference / self.truth - 1

    @property
    def holds(self) -> bool:
        """Does the interval hold the truth? Where it is open at an end, that end does."""
        low, high = self.rps.low, self.rps.high
        return (low is None or low <= self.truth) and (high is None or self.truth <= high)


def make_page(cells: Sequence[Cell], totals: Sequence[Total], head: str, parallel: int) -> str:
    side = [cell for cell in cells if not cell.alone]
    parts = [
        "# Accuracy",
        head,
        "Calibrated containers (models/calibrated): record k is due at start + init + k × seconds "
        "by absolute deadlines, so T_N − T_1 is (N − 1) × seconds exactly and the true speed is "
        "1 / seconds, whatever the batch size (32 here, 1 in the init runs). Five runs of each "
        "size, screened and measured again as a suite does it. *First method*: the first MOROCCO's "
        "procedure and estimator on the same containers in the same session (docker run, write all "
        "input, find the process, ps three times a second, medians of last sample less first).",
        f"Sleeping containers were measured {parallel} at a time, so a run met other runs' starts: "
        "spreads are wider than on a quiet machine. Memory and CPU time were measured alone.",
        "## In brief",
        brief(side, totals),
        "## By kind of container and input size",
        by_group(side),
        "## Not resolved",
        unresolved(side),
        "## Memory",
        memory(totals),
        "## CPU time",
        cpu_time(totals),
        *(["## Side by side against alone", agreement(cells)] if len(side) < len(cells) else []),
        "## Every cell",
        every_cell(side),
    ]
    return "\n\n".join(parts)


def brief(cells: Sequence[Cell], totals: Sequence[Total]) -> str:
    errors = [abs(cell.error) for cell in cells if cell.error is not None]
    first = [abs(cell.first_error) for cell in cells if cell.first_error is not None]
    ours_there = [abs(c.error) for c in cells if c.error is not None and c.first_error is not None]
    resolved = [cell for cell in cells if cell.error is not None]
    rows: list[tuple[object, ...]] = [
        ("cells of known speed", len(cells), ""),
        ("resolved", f"{len(resolved)} of {len(cells)}", ""),
        ("median relative error of rps, resolved", share(_median(errors), 2), "≤ 1 %"),
        ("worst resolved cell", share(max(errors, default=None), 2), "≤ 5 %"),
        ("intervals that hold the truth, resolved", held(resolved), "93 to 97 %"),
        ("intervals that hold the truth, all cells", held(cells), "93 to 97 %"),
        ("published where not resolved", sum(c.rps.value is not None for c in cells
                                             if c.rps.status != "resolved"), "0"),
        ("containers' worst lateness at any deadline",
         f"{1000 * max(c.late_seconds for c in cells):.0f} ms", ""),
        ("first method: median relative error", share(_median(first), 1), ""),
        ("first method: worst", share(max(first, default=None), 0), ""),
        ("first method: negative or above twice the truth",
         f"{sum(c.first is not None and not 0 < c.first < 2 * c.truth for c in cells)}"
         f" of {len(first)}", ""),
    ]  # fmt: skip
    if ours_there and first:
        ratio = statistics.median(first) / statistics.median(ours_there)
        rows.append(("first method's median error, in ours on the same containers",
                     f"{ratio:.0f} ×", ""))  # fmt: skip
    for total in totals:
        if total.asked.mib is not None:
            rows.append((f"memory: {total.asked.what}", percent(_memory_error(total, totals), 1),
                         "± 2 %"))  # fmt: skip
        if total.cpu_per_record is not None:
            rows.append((f"CPU: {total.asked.what}", percent(_cpu_error(total)), "± 1 %"))
    return table(("figure", "measured", "wanted"), rows)


def by_group(cells: Sequence[Cell]) -> str:
    rows = []
    for (kind, size), group in _grouped(cells, lambda c: (c.kind, c.size)):
        errors = [abs(c.error) for c in group if c.error is not None]
        first = [abs(c.first_error) for c in group if c.first_error is not None]
        wild = [c for c in group if c.first is not None and not 0 < c.first < 2 * c.truth]
        rows.append(
            (
                kind,
                size,
                f"{len(errors)} of {len(group)}",
                share(_median(errors), 2),
                share(max(errors, default=None), 2),
                held(group),
                share(_median(first)),
                share(max(first, default=None), 0),
                f"{len(wild)} of {len(first)}" if first else "–",
            )
        )
    header = ("kind", "N", "resolved", "median error", "worst", "intervals hold", "first method: "
              "median error", "first: worst", "first: negative or > 2×")  # fmt: skip
    return table(header, rows)


def unresolved(cells: Sequence[Cell]) -> str:
    """Rightly? A number would have had this error; and was the advised size enough?"""
    open_cells = [cell for cell in cells if cell.error is None]
    if not open_cells:
        return "Every cell was resolved."
    rows = []
    for c in open_cells:
        larger = [o for o in cells if (o.kind, o.init, o.seconds) == (c.kind, c.init, c.seconds)
                  and c.rps.needed_input_size and o.size >= c.rps.needed_input_size]  # fmt: skip
        advice = "–" if not larger else "yes" if all(o.error is not None for o in larger) else "no"
        rows.append(
            (
                f"{c.kind}, {c.init:g} s, {1000 * c.seconds:g} ms, {c.size}",
                f"{c.difference:.3f} of {(c.size - 1) * c.seconds:.3f} s",
                percent(c.raw_error, 1),
                "yes" if c.holds else "no",
                c.rps.needed_input_size or "–",
                advice,
            )
        )
    header = ("cell", "T_N − T_1: seen of true", "error a number would have had",
              "interval holds the truth", "advised N", "a cell of that N is resolved")  # fmt: skip
    return table(header, rows)


def memory(totals: Sequence[Total]) -> str:
    rows = []
    for total in totals:
        asked = total.asked
        if not asked.unit.name.startswith("memory"):
            continue
        rows.append(
            (
                asked.what,
                "–" if asked.mib is None else f"{asked.mib:g}",
                f"{total.pss / MIB:.1f}",
                f"{total.anon / MIB:.1f}",
                f"{total.cgroup / MIB:.1f}",
                percent(_memory_error(total, totals), 1),
                "–" if total.first_rss is None else f"{total.first_rss / MIB:.1f}",
                percent(_first_memory_error(total, totals), 1),
            )
        )
    header = ("container", "true MiB", "Σ PSS, MiB", "anonymous, MiB", "cgroup peak, MiB", "error",
              "first method (ps rss), MiB", "its error")  # fmt: skip
    note = (
        "Errors are of what a container holds above the same one that takes nothing; a spike is "
        "judged by the anonymous peak (100 Hz), the others by Σ PSS."
    )
    return f"{table(header, rows)}\n\n{note}"


def cpu_time(totals: Sequence[Total]) -> str:
    rows = []
    for total in totals:
        asked, found = total.asked, total.cpu_per_record
        if not asked.unit.name.startswith("cpu"):
            continue
        shown = "–"
        if found and found.value is not None and found.low is not None and found.high is not None:
            low, value, high = (1000 * x for x in (found.low, found.value, found.high))
            shown = f"{value:.4f} [{low:.4f}, {high:.4f}]"
        rows.append(
            (
                asked.what,
                "–" if asked.seconds_a_record is None else f"{1000 * asked.seconds_a_record:g}",
                shown,
                percent(_cpu_error(total)),
                percent(statistics.median(total.cpu_errors)),
                f"{1000 * total.cpu_excess:.0f}",
            )
        )
    header = ("container", "true CPU-ms a record", "measured", "error",
              "error of a run's total", "start and exit outside the program, CPU-ms")  # fmt: skip
    return table(header, rows)


def agreement(cells: Sequence[Cell]) -> str:
    """The same container measured beside others and alone."""
    rows = []
    for one in cells:
        if not one.alone:
            continue
        key = (one.kind, one.init, one.seconds, one.size)
        beside = {(c.kind, c.init, c.seconds, c.size): c for c in cells if not c.alone}
        twin = beside.get(key)
        if twin is None:
            continue
        rows.append(
            (
                f"{one.kind}, {one.init:g} s, {1000 * one.seconds:g} ms, {one.size}",
                f"{one.difference:.3f}",
                f"{twin.difference:.3f}",
                f"{twin.difference / one.difference:.4f}",
                f"{1000 * _spread(one):.0f}",
                f"{1000 * _spread(twin):.0f}",
                percent(one.error) if one.error is not None else "not resolved",
                percent(twin.error) if twin.error is not None else "not resolved",
            )
        )
    header = ("cell", "T_N − T_1 alone, s", "side by side, s", "ratio", "spread alone, ms",
              "side by side, ms", "error alone", "side by side")  # fmt: skip
    return table(header, rows)


def every_cell(cells: Sequence[Cell]) -> str:
    rows = []
    for c in cells:
        shown = "not resolved"
        if c.rps.value is not None:
            shown = f"{c.rps.value:.5g} [{c.rps.low:.5g}, {c.rps.high:.5g}]"
        rows.append(
            (
                c.kind,
                f"{c.init:g}",
                f"{1000 * c.seconds:g}",
                c.size,
                f"{c.truth:g}",
                shown,
                percent(c.error),
                "yes" if c.holds else "**no**",
                c.reruns,
                percent(c.streaming.value / c.truth - 1) if c.streaming.value else "–",
                "–" if c.first is None else f"{c.first:.4g}",
                percent(c.first_error, 1),
            )
        )
    header = ("kind", "init, s", "ms a record", "N", "true records/s", "ours [95 %], records/s",
              "error", "holds the truth", "measured again", "streaming estimate's error",
              "first method, records/s", "its error")  # fmt: skip
    return table(header, rows)


def held(cells: Sequence[Cell]) -> str:
    """``97.0 % (128 of 132)`` with the exact interval of that share (Clopper & Pearson 1934)."""
    if not cells:
        return "–"
    k, n = sum(cell.holds for cell in cells), len(cells)
    from scipy.stats import binomtest

    bounds = binomtest(k, n).proportion_ci()
    return f"{100 * k / n:.1f} % ({k} of {n}; {100 * bounds.low:.0f} to {100 * bounds.high:.0f})"


def _memory_error(total: Total, totals: Iterable[Total]) -> float | None:
    bare = next((t for t in totals if t.unit.name == total.asked.bare), None)
    if bare is None or total.asked.mib is None:
        return None
    less = bare.anon if total.asked.figure == "ram_anon_peak_bytes" else bare.pss
    return (total.measured - less) / MIB / total.asked.mib - 1


def _first_memory_error(total: Total, totals: Iterable[Total]) -> float | None:
    bare = next((t for t in totals if t.unit.name == total.asked.bare), None)
    if bare is None or total.asked.mib is None or None in (bare.first_rss, total.first_rss):
        return None
    return (total.first_rss - bare.first_rss) / MIB / total.asked.mib - 1  # type: ignore[operator]


def _cpu_error(total: Total) -> float | None:
    found, truth = total.cpu_per_record, total.asked.seconds_a_record
    return found.value / truth - 1 if found and truth and found.value is not None else None


def _spread(cell: Cell) -> float:
    """Pooled standard deviation of init and load runs, s."""
    variances = [statistics.variance(t) for t in (cell.init_times, cell.load_times)]
    return (sum(variances) / 2) ** 0.5


def _median(values: Sequence[float]) -> float | None:
    return statistics.median(values) if values else None


def _grouped(
    cells: Iterable[Cell], key: Callable[[Cell], tuple[str, int]]
) -> list[tuple[tuple[str, int], list[Cell]]]:
    groups: dict[tuple[str, int], list[Cell]] = {}
    for cell in cells:
        groups.setdefault(key(cell), []).append(cell)
    return list(groups.items())
