"""The leaderboard as CSV, JSON and Markdown."""

from __future__ import annotations

from typing import Any

from morocco.board.draw import row_name
from morocco.board.numbers import GIB, Text, text
from morocco.board.plain import csv_table, escape_markdown, pipe_table
from morocco.board.rows import Board, Machine, Row, TaskRow
from morocco.estimate.results import Estimate
from morocco.formats.files import encode_json
from morocco.tasks.registry import TASKS

# field of a row, its column in CSV (with the unit)
_FIGURES = (
    ("score", "score"),
    ("rps", "rps"),
    ("gpu_ram", "gpu_ram_bytes"),
    ("ram", "ram_bytes"),
    ("init_seconds", "init_seconds"),
    ("cpu_seconds_per_record", "cpu_seconds_per_record"),
    ("joules_per_record", "joules_per_record"),
)
_PARTS = ("", "_low", "_high", "_status", "_reason")


def csv_text(board: Board) -> str:
    """One line a row: every figure with its bounds, status and reason; score and rps by task."""
    task_figures = [(key, name) for key in TASKS for name in ("score", "rps")]
    head = ["machine", "machine_details", "model", "label", "device", "runtime", "origin"]
    head += ["rank_score", "rank_rps", "rank_memory", "pareto"]
    head += [column + part for _, column in _FIGURES for part in _PARTS]
    head += [f"{name}_{key}{part}" for key, name in task_figures for part in _PARTS]
    head += ["runs_valid", "runs_invalid", "runs_repeated", "invalid_reasons", "warnings"]
    lines: list[list[Any]] = []
    for machine in board.machines:
        details = _pairs(machine.details)
        for row in machine.rows:
            line: list[Any] = [machine.kind, details, row.model, row.label, row.device, row.runtime]
            line += [row.origin, row.ranks.score, row.ranks.rps, row.ranks.memory, row.pareto]
            for field, _ in _FIGURES:
                line += _estimate_cells(getattr(row, field))
            for key, name in task_figures:
                cell = row.tasks.get(key)
                line += _estimate_cells(getattr(cell, name) if cell else None)
            line += [row.runs_valid, row.runs_invalid, row.runs_repeated]
            line += [_pairs(row.invalid_reasons), "; ".join(row.warnings)]
            lines.append(line)
    return csv_table(head, lines)


def tasks_csv_text(board: Board) -> str:
    """One line a model and task, the long form: every figure with bounds, status and reason."""
    figures = (
        *("init_seconds", "cold_start_seconds", "rps", "rps_streaming"),
        *("cpu_seconds_per_record", "joules_per_record", "gpu_ram_bytes", "gpu_ram_load_bytes"),
        *("ram_bytes", "ram_anon_bytes", "ram_cgroup_bytes"),
    )
    head = ["machine", "model", "label", "task", "device", "runtime", "origin"]
    head += ["input_size", "batch_size", "rank_score", "rank_rps", "rank_memory"]
    head += [name + part for name in ("score", *figures) for part in _PARTS]
    head += ["runs_valid", "runs_invalid", "runs_repeated", "invalid_reasons", "warnings"]
    lines: list[list[Any]] = []
    for machine in board.machines:
        for row in machine.rows:
            for key, cell in row.tasks.items():
                stats = cell.stats
                size, batch = stats.headline or (None, None)
                line: list[Any] = [
                    machine.title,
                    row.model,
                    row.label,
                    key,
                    stats.device,
                    stats.runtime,
                ]
                line += [stats.origin, size, batch]
                line += [cell.ranks.score, cell.ranks.rps, cell.ranks.memory]
                line += _estimate_cells(cell.score)
                for name in figures:
                    line += _estimate_cells(getattr(stats, name))
                line += [stats.runs_valid, stats.runs_invalid, stats.runs_repeated]
                line += [_pairs(stats.invalid_reasons), "; ".join(stats.warnings)]
                lines.append(line)
    return csv_table(head, lines)


def json_bytes(board: Board) -> bytes:
    """The whole board, estimates of every task and load included."""
    return encode_json(board)


def markdown(board: Board) -> str:
    """A table a machine that reads well in a README: values with intervals, notes below."""
    parts = [f"# {escape_markdown(board.title)}", *[escape_markdown(note) for note in board.notes]]
    for machine in board.machines:
        parts.append(f"## {escape_markdown(machine.title)}")
        parts.append(_markdown_table(machine))
        parts.append(_markdown_tasks(machine))
        parts += _markdown_notes(machine)
    if board.refused:
        lines = [
            f"- {escape_markdown(f'{r.model}, {r.task} ({r.source}): {r.why}')}"
            for r in board.refused
        ]
        parts += ["## Refused", "\n".join(lines)]
    return "\n\n".join(parts) + "\n"


def compact_head(machine: Machine) -> tuple[str, ...]:
    return (
        *(f"rank by {'score' if ranked_by_score(machine) else 'speed'}", "model", "score"),
        *("records/s", "GPU RAM, GiB", "RAM, GiB", "init, s", "CPU, ms/record"),
        *("J/record", "valid runs"),
    )


def compact(row: Row, machine: Machine) -> list[str]:
    """The few figures that a README shows, as printed, in the order of ``compact_head``."""
    rank = row.ranks.score if ranked_by_score(machine) else row.ranks.rps
    return [
        "–" if rank is None else str(rank),
        row_name(row, machine) + (" ◆" if row.pareto else ""),
        text(row.score).line,
        text(row.rps).line,
        text(row.gpu_ram, GIB).line,
        text(row.ram, GIB).line,
        text(row.init_seconds).line,
        text(row.cpu_seconds_per_record, 1e-3).line,
        text(row.joules_per_record).line,
        f"{row.runs_valid} of {row.runs_valid + row.runs_invalid}",
    ]


def ranked_by_score(machine: Machine) -> bool:
    """Rows are in the order of score where one is known, else of speed."""
    return any(row.ranks.score for row in machine.rows)


def _markdown_table(machine: Machine) -> str:
    rows = [[escape_markdown(cell) for cell in compact(row, machine)] for row in machine.rows]
    return pipe_table(compact_head(machine), rows, left=(1,))


def _markdown_tasks(machine: Machine) -> str:
    """Speed by task: the figure that means hide most."""
    head = ["records/s by task", *[TASKS[key].title for key in machine.tasks]]
    rows = [
        [
            escape_markdown(row_name(row, machine)),
            *[escape_markdown(_task_text(row.tasks.get(key)).line) for key in machine.tasks],
        ]
        for row in machine.rows
    ]
    return pipe_table(head, rows, left=(0,))


def _task_text(cell: TaskRow | None) -> Text:
    return text(cell.rps if cell else None)


def _markdown_notes(machine: Machine) -> list[str]:
    notes = [
        "± and [ ]: 95 % intervals. Score: mean of the nine tasks. Records/s, init, CPU and energy:"
        f" geometric mean over {len(machine.tasks)} tasks. RAM and GPU RAM: the largest of all"
        " tasks. Rank: 1 + the number of models that are certainly better (intervals apart)."
        " ◆: on the Pareto front of score, speed and memory. —: not measured; “not resolved”: the"
        " difference between the runs is not above their spread."
    ]
    lines = [
        f"- {escape_markdown(row_name(row, machine))}: {escape_markdown(note)}"
        for row in machine.rows
        for note in row_notes(row)
    ]
    lines += [f"- {escape_markdown(note)}" for note in machine.notes]
    return [*notes, "\n".join(lines)] if lines else notes


def row_notes(row: Row) -> list[str]:
    """Warnings of a row, and why figures are missing that a reader looks for."""
    notes = list(row.warnings)
    for name, estimate in (("score", row.score), ("records/s", row.rps), ("memory", row.memory)):
        if estimate.value is None:
            notes.append(f"{name}: {text(estimate).why}")
    if row.invalid_reasons:
        notes.append(f"invalid runs: {_pairs(row.invalid_reasons)}")
    return notes


def _estimate_cells(estimate: Estimate | None) -> list[Any]:
    if estimate is None:
        return [None, None, None, "absent", "not measured"]
    return [estimate.value, estimate.low, estimate.high, estimate.status, estimate.reason]


def _pairs(values: dict[str, Any]) -> str:
    return ", ".join(f"{key} {value}" for key, value in values.items())
