"""A board's charts: from rows to the small inputs that each chart takes."""

from __future__ import annotations

from typing import Any

import altair as alt

from morocco.board.numbers import text
from morocco.board.rank import front_line
from morocco.board.rows import Board, Machine, Row, TaskRow
from morocco.charts.compare import Point, compare_chart
from morocco.charts.correction import Correction, correction_chart
from morocco.charts.disc import Disc, Interval, disc_chart
from morocco.charts.memory import MemoryPoint, memory_chart
from morocco.estimate.results import Estimate
from morocco.tasks.registry import TASKS

PUBLISHED_RPS = "published_rps"  # key in TaskStats.extra of an imported archive


def disc_picture(board: Board) -> Any:
    """One disc chart a machine, one below the other."""
    return _stack([_machine_disc(machine) for machine in board.machines], board.title)


def compare_picture(board: Board) -> Any:
    """Speed of every model on every task, by machine."""
    return _stack([_machine_compare(machine) for machine in board.machines], board.title)


def memory_picture(board: Board) -> Any:
    """Memory against batch size, by machine."""
    return _stack([_machine_memory(machine) for machine in board.machines], board.title)


def correction_picture(board: Board) -> Any | None:
    """Published against corrected speed of imported archives; None where there is none."""
    pairs = [
        _correction(row.label, cell, float(cell.stats.extra[PUBLISHED_RPS]))
        for machine in board.machines
        for row in machine.rows
        for cell in row.tasks.values()
        if PUBLISHED_RPS in cell.stats.extra
    ]
    if not pairs:
        return None
    notes = ["hollow diamonds: as published; discs: corrected, with 95 % intervals"]
    return correction_chart(pairs, "Imported archives: speed as published and corrected", notes)


def _correction(label: str, cell: TaskRow, published: float) -> Correction:
    rps = cell.rps
    return Correction(
        label,
        TASKS[cell.task].title,
        published,
        rps.value,
        rps.low,
        rps.high,
        "" if rps.value is not None else text(rps).value,
    )


def discs(rows: list[tuple[str, Row | TaskRow]]) -> tuple[list[Disc], list[str]]:
    """Rows with a score, a speed and a memory figure as discs, and the names of the others."""
    complete = [
        (label, row)
        for label, row in rows
        if None not in (row.score.value, row.rps.value, row.memory.value)
        and (row.rps.value or 0) > 0  # the axis is logarithmic
    ]
    front = front_line([(row.rps.value, row.score.value) for _, row in complete])
    found = [
        Disc(label, _positive(row.rps), _interval(row.score), _interval(row.memory), row.gpu, on)
        for (label, row), on in zip(complete, front, strict=True)
    ]
    drawn = {label for label, _ in complete}
    return found, [label for label, _ in rows if label not in drawn]


def _machine_disc(machine: Machine) -> Any:
    found, missing = discs([(row_name(row, machine), row) for row in machine.rows])
    notes = [
        f"speed: geometric mean over {len(machine.tasks)} tasks; score: mean of nine;"
        " bars: 95 % intervals; dashed: no other is both faster and better",
    ]
    if missing:
        notes.append(_not_drawn(missing))
    return disc_chart(found, machine.title, notes)


def _machine_compare(machine: Machine) -> Any:
    rows = sorted(machine.rows, key=lambda row: (row.rps.value is None, -(row.rps.value or 0)))
    points = [
        _point(row_name(row, machine), TASKS[key].title, row.tasks.get(key))
        for key in machine.tasks
        for row in rows
    ]
    notes = ["records per second with 95 % intervals, by task; the fastest on average on top"]
    return compare_chart(points, machine.title, notes)


def _point(label: str, panel: str, cell: TaskRow | None) -> Point:
    if cell is None:
        return Point(label, panel, None, note="not measured")
    rps = cell.rps
    note = {"not_resolved": "not resolved", "absent": f"— {rps.reason or ''}"}.get(rps.status, "")
    speed = _positive(rps)
    return Point(label, panel, rps.value, speed.low, speed.high, cell.gpu, note)


def _machine_memory(machine: Machine) -> Any:
    points = [point for row in machine.rows for point in _memory_points(row, machine)]
    notes = ["the largest figure of all tasks at each batch size, with its 95 % interval"]
    return memory_chart(points, machine.title, notes)


def _memory_points(row: Row, machine: Machine) -> list[MemoryPoint]:
    """Maximum over tasks for each batch size at which every task of the row was measured."""
    by_batch: dict[int, list[Estimate]] = {}
    for cell in row.tasks.values():
        at_batch: dict[int, Estimate] = {}
        for load in cell.stats.loads:
            estimate = load.gpu_ram_bytes if cell.gpu else load.ram_bytes
            before = at_batch.get(load.batch_size)
            if estimate.value is not None and (
                before is None or estimate.value > (before.value or 0)
            ):
                at_batch[load.batch_size] = estimate
        for batch, estimate in at_batch.items():
            by_batch.setdefault(batch, []).append(estimate)
    points = []
    for batch, estimates in sorted(by_batch.items()):
        if len(estimates) == len(row.tasks):
            top = max(estimates, key=lambda e: e.value or 0)
            points.append(
                MemoryPoint(
                    row_name(row, machine), batch, top.value or 0, top.low, top.high, row.gpu
                )
            )
    return points


def row_name(row: Row, machine: Machine) -> str:
    """The row's label, with what marks it: imported, plain process."""
    marks = []
    if row.origin != "measured":
        marks.append(row.origin)
    if row.runtime != "docker" and any(other.runtime != row.runtime for other in machine.rows):
        marks.append(row.runtime)
    return f"{row.label} ({', '.join(marks)})" if marks else row.label


def _interval(estimate: Estimate) -> Interval:
    return Interval(estimate.value or 0.0, estimate.low, estimate.high)


def _positive(estimate: Estimate) -> Interval:
    """For log axes: a bound at or below zero is not drawn."""
    low = estimate.low if estimate.low and estimate.low > 0 else None
    return Interval(estimate.value or 0.0, low, estimate.high)


def _not_drawn(names: list[str]) -> str:
    shown = ", ".join(names[:4]) + (f" and {len(names) - 4} more" if len(names) > 4 else "")
    return f"not drawn, as a figure is missing: {shown}"


def _stack(charts: list[Any], title: str) -> Any:
    if not charts:
        return disc_chart([], title)
    if len(charts) == 1:
        return charts[0]
    return alt.vconcat(*charts, spacing=40).resolve_scale(size="independent", color="independent")
