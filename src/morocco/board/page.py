"""The leaderboard as one HTML page that needs nothing but itself."""

from __future__ import annotations

import html
from importlib.resources import files
from typing import Any

from morocco.board.draw import discs
from morocco.board.export import compact, compact_head, row_notes
from morocco.board.numbers import GIB, text
from morocco.board.rows import Board, Machine, Ranks, Row, TaskRow
from morocco.charts.save import script_json, vega_bundle
from morocco.estimate.results import ABSENT, Estimate
from morocco.tasks.registry import TASKS

ALL = "all"  # the view over all tasks
# key, heading, unit, what the figure is over all tasks
_COLUMNS = (
    ("score", "Score", "", "mean of the nine task scores; of one task: its official metric"),
    ("rps", "Speed", "records/s", "start-up subtracted; over tasks: geometric mean"),
    ("gpu_ram", "GPU RAM", "GiB", "largest in the runs with one record; over tasks: maximum"),
    ("ram", "RAM", "GiB", "proportional set size at the headline load; over tasks: maximum"),
    ("init", "Init", "s", "container start, model load, one record; over tasks: geometric mean"),
    ("cpu", "CPU", "ms/record", "CPU time of the whole process tree; over tasks: geometric mean"),
    ("joules", "Energy", "J/record", "GPU energy above idle; over tasks: geometric mean"),
)


def page_html(board: Board) -> str:
    """The page; every string that comes from outside is data in JSON and only ever set as text."""
    web = files("morocco.board").joinpath("web")
    page = web.joinpath("page.html").read_text()
    parts = {
        "title": html.escape(board.title),
        "style": web.joinpath("page.css").read_text(),
        "noscript": _plain_tables(board),
        "data": script_json(page_data(board)),
        "vega": vega_bundle(),
        "script": web.joinpath("page.js").read_text(),
    }
    # One pass over the template: what is filled in is never looked at again.
    pieces = page.split("{{")
    out = [pieces[0]]
    for piece in pieces[1:]:
        name, rest = piece.split("}}", 1)
        out += [parts[name], rest]
    return "".join(out)


def page_data(board: Board) -> dict[str, Any]:
    """What the page's script works on: texts as printed, values to sort by, points to draw."""
    return {
        "title": board.title,
        "notes": list(board.notes),
        "refused": [f"{r.model}, {r.task} ({r.source}): {r.why}" for r in board.refused],
        "tasks": [[key, task.title] for key, task in TASKS.items() if _measured(board, key)],
        "machines": [_machine(machine) for machine in board.machines],
    }


def _measured(board: Board, task: str) -> bool:
    return any(task in machine.tasks for machine in board.machines)


def _machine(machine: Machine) -> dict[str, Any]:
    views = [ALL, *machine.tasks]
    rows = [_row(row, views) for row in machine.rows]
    shown = [
        column
        for column in _COLUMNS
        if any(cell[column[0]]["v"] is not None or cell[column[0]]["open"]
               for row in rows for cell in row["views"].values())
    ]  # fmt: skip
    return {
        "title": machine.title,
        "notes": list(machine.notes),
        "columns": [list(column) for column in shown],
        "left_out": [column[1] for column in _COLUMNS if column not in shown],
        "means_over": len(machine.tasks),
        "rows": rows,
        "points": {view: _points(machine, view) for view in views},
    }


def _row(row: Row, views: list[str]) -> dict[str, Any]:
    first = next(iter(row.tasks.values())).stats
    marks = [mark for mark in (row.origin, row.runtime) if mark not in ("measured", "docker")]
    return {
        "label": row.label,
        "marks": marks,
        "device": row.device,
        "pareto": row.pareto,
        "invalid": row.runs_invalid,
        "complete": all(cell.rps.value is not None for cell in row.tasks.values())
        and row.rps.value is not None,
        "notes": [*row_notes(row), *_missing(row)],
        "facts": {
            "image": first.image_digest or first.image_id or "unknown",
            "results folder": ", ".join(row.sources),
            **first.machine_details,
            **first.extra,
        },
        "search": " ".join([row.label, row.device, *marks, first.image_digest or ""]).lower(),
        "views": {view: _view(row, view) for view in views if view == ALL or view in row.tasks},
    }


def _missing(row: Row) -> list[str]:
    """Why further figures are missing: a touch screen has no pointer to ask with."""
    figures = (
        ("init", row.init_seconds),
        ("CPU time", row.cpu_seconds_per_record),
        ("energy", row.joules_per_record),
    )
    return [f"{name}: {text(figure).why}" for name, figure in figures if figure.value is None]


def _view(row: Row, view: str) -> dict[str, Any]:
    if view == ALL:
        runs = (row.runs_valid, row.runs_invalid, row.runs_repeated)
        return _cells(
            *(row.score, row.rps, row.gpu_ram, row.ram, row.init_seconds),
            *(row.cpu_seconds_per_record, row.joules_per_record),
            ranks=row.ranks, gpu=row.gpu, runs=runs,
        )  # fmt: skip
    cell = row.tasks[view]
    stats = cell.stats
    runs = (stats.runs_valid, stats.runs_invalid, stats.runs_repeated)
    cells = _cells(
        *(cell.score, cell.rps, stats.gpu_ram_bytes, stats.ram_bytes, stats.init_seconds),
        *(stats.cpu_seconds_per_record, stats.joules_per_record),
        ranks=cell.ranks, gpu=cell.gpu, runs=runs,
    )  # fmt: skip
    if stats.headline:
        cells["load"] = "{} × {}".format(*stats.headline)
    return cells


def _cells(
    *estimates: Estimate, ranks: Ranks, gpu: bool, runs: tuple[int, int, int]
) -> dict[str, Any]:
    scales = {"gpu_ram": float(GIB), "ram": float(GIB), "cpu": 1e-3}
    rank_of = {"score": ranks.score, "rps": ranks.rps, "gpu_ram" if gpu else "ram": ranks.memory}
    cells: dict[str, Any] = {}
    for (key, *_), estimate in zip(_COLUMNS, estimates, strict=True):
        words = text(estimate, scales.get(key, 1.0))
        cells[key] = {
            "t": words.value,
            "i": words.interval,
            "why": words.why,
            "v": estimate.value,
            "rank": rank_of.get(key),
            "open": estimate.status not in (ABSENT, "resolved"),
        }
    valid, invalid, repeated = runs
    cells["runs"] = {
        "t": f"{valid} of {valid + invalid}",
        "i": f"{repeated} done again" if repeated else "",
        "v": valid,
        "bad": invalid > 0,
    }
    return cells


def _points(machine: Machine, view: str) -> list[dict[str, Any]]:
    """Discs of one view: of all rows that have score, speed and memory there."""
    rows: list[tuple[str, Row | TaskRow]] = []
    for i, row in enumerate(machine.rows):
        if view == ALL:
            rows.append((str(i), row))
        elif view in row.tasks:
            rows.append((str(i), row.tasks[view]))
    found, _ = discs(rows)
    return [
        {
            "row": int(disc.label),
            "label": machine.rows[int(disc.label)].label,
            "speed": disc.speed.value,
            "speed_low": disc.speed.low,
            "speed_high": disc.speed.high,
            "score": disc.score.value,
            "score_low": disc.score.low,
            "score_high": disc.score.high,
            "memory": disc.memory.value / GIB,
            "kind": "GPU RAM" if disc.gpu else "RAM",
            "front": disc.front,
        }
        for disc in found
    ]


def _plain_tables(board: Board) -> str:
    """The short table for readers without scripts."""
    parts = []
    for machine in board.machines:
        rows = [compact_head(machine), *[compact(row, machine) for row in machine.rows]]
        lines = "".join(
            "<tr>" + "".join(f"<td>{html.escape(cell)}</td>" for cell in row) + "</tr>"
            for row in rows
        )
        parts.append(f"<h2>{html.escape(machine.title)}</h2><table>{lines}</table>")
    return "".join(parts)
