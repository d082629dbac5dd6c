"""The leaderboard of estimates: rows by machine, means, ranks and the Pareto front. No I/O."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace

from morocco.board.collect import Collection, Sourced
from morocco.board.means import geometric_mean, largest, mean_score, score_estimate
from morocco.board.rank import Costs, pareto, ranks
from morocco.board.rows import SEPARATING, Board, Machine, Ranks, Row, TaskRow, separating
from morocco.estimate.results import Estimate, TaskStats
from morocco.tasks.registry import TASKS


def build_board(collection: Collection, title: str = "MOROCCO leaderboard") -> Board:
    """Rows by machine, ranked.

    Estimates are grouped by machine kind, engine and driver; nothing is ranked across groups. One
    row holds a model's tasks under one runtime. A task that two folders measured on equal machines
    keeps both folders' rows apart, each named; disjoint tasks of several folders make one row.
    """
    groups: dict[tuple[str, ...], list[Sourced]] = {}
    for entry in collection.entries:
        groups.setdefault(_machine_key(entry.stats), []).append(entry)
    machines = [_machine(entries) for _, entries in sorted(groups.items())]
    machines.sort(key=lambda machine: -len(machine.rows))
    return Board(title, tuple(machines), collection.refused, _notes(machines))


def _machine_key(stats: TaskStats) -> tuple[str, ...]:
    return (stats.machine_kind, *(stats.machine_details.get(key, "") for key in SEPARATING))


def _machine(entries: Sequence[Sourced]) -> Machine:
    tasks = tuple(key for key in TASKS if any(entry.stats.task == key for entry in entries))
    rows = [_row(label, members, tasks) for label, members in _rows_of(entries)]
    return Machine(
        kind=entries[0].stats.machine_kind,
        details=separating(entries[0].stats.machine_details),
        differs=_differs(entries),
        tasks=tasks,
        rows=tuple(sorted(_ranked(rows), key=_order)),
    )


def _rows_of(entries: Sequence[Sourced]) -> list[tuple[str, list[Sourced]]]:
    """Entries by row, with the row's label."""
    by_model: dict[tuple[str, str, str], list[Sourced]] = {}
    for entry in entries:
        stats = entry.stats
        by_model.setdefault((stats.model, stats.runtime, stats.origin), []).append(entry)
    rows = []
    for (model, _, _), members in sorted(by_model.items()):
        tasks = Counter(member.stats.task for member in members)
        if max(tasks.values()) == 1:
            rows.append((model, members))
            continue
        for source in dict.fromkeys(member.source for member in members):
            rows.append((f"{model} [{source}]", [m for m in members if m.source == source]))
    return rows


def _row(label: str, members: Sequence[Sourced], tasks: Sequence[str]) -> Row:
    found = {member.stats.task: member.stats for member in members}
    rows = {key: _task_row(found[key]) for key in tasks if key in found}
    first = members[0].stats
    devices = {stats.device for stats in found.values()}

    def over(name: str) -> dict[str, Estimate | None]:
        return {key: getattr(found[key], name) if key in found else None for key in tasks}

    gpu_ram = largest(over("gpu_ram_bytes"), "bytes")
    ram = largest(over("ram_bytes"), "bytes")
    reasons: Counter[str] = Counter()
    for stats in found.values():
        reasons.update(stats.invalid_reasons)
    return Row(
        model=first.model,
        label=label,
        device="both" if len(devices) > 1 else first.device,
        runtime=first.runtime,
        origin=first.origin,
        sources=tuple(dict.fromkeys(member.source for member in members)),
        score=mean_score({key: rows[key].score if key in rows else None for key in TASKS}),
        rps=geometric_mean(over("rps"), "records/s"),
        memory=ram if devices == {"cpu"} else gpu_ram,
        gpu_ram=gpu_ram,
        ram=ram,
        init_seconds=geometric_mean(over("init_seconds"), "s"),
        cpu_seconds_per_record=geometric_mean(over("cpu_seconds_per_record"), "s/record"),
        joules_per_record=geometric_mean(over("joules_per_record"), "J/record"),
        tasks=rows,
        runs_valid=sum(stats.runs_valid for stats in found.values()),
        runs_invalid=sum(stats.runs_invalid for stats in found.values()),
        runs_repeated=sum(stats.runs_repeated for stats in found.values()),
        invalid_reasons=dict(sorted(reasons.items())),
        warnings=_warnings(members, rows),
    )


def _task_row(stats: TaskStats) -> TaskRow:
    return TaskRow(stats.task, score_estimate(stats.score), stats)


def _warnings(members: Sequence[Sourced], rows: dict[str, TaskRow]) -> tuple[str, ...]:
    """What a reader must know of a row: the tasks' own warnings, a warning of all tasks once."""
    by_text: dict[str, list[str]] = {}
    for member in members:
        for text in member.stats.warnings:
            by_text.setdefault(text, []).append(TASKS[member.stats.task].title)
    warnings = [
        text if len(tasks) == len(members) else f"{', '.join(tasks)}: {text}"
        for text, tasks in by_text.items()
    ]
    first = members[0].stats
    if first.origin == "imported":
        warnings.insert(0, "imported from an archive of the first MOROCCO, not measured here")
    if first.runtime == "process":
        warnings.insert(0, "run as a plain process, not in a container")
    given = [row for row in rows.values() if row.stats.score and row.stats.score.source == "given"]
    if given:
        which = "all" if len(given) == len(rows) else f"{len(given)}"
        warnings.append(f"scores given in the config, not measured ({which} tasks)")
    if any(row.score.value is not None and row.score.low is None for row in rows.values()):
        warnings.append("a score has no interval: its rank takes the value as exact")
    sources = list(dict.fromkeys(member.source for member in members))
    if len(sources) > 1:
        warnings.append(f"tasks come from several results folders: {', '.join(sources)}")
    return tuple(warnings)


def _ranked(rows: Sequence[Row]) -> list[Row]:
    """Rows with their ranks overall and by task, and the Pareto front."""
    overall = _ranks_of(rows)
    front = pareto([Costs(r.score, r.rps, r.memory, r.ram, r.gpu) for r in rows])
    by_task: dict[str, dict[tuple[str, str, str], Ranks]] = {}
    for key in TASKS:
        held = [row for row in rows if key in row.tasks]
        found = _ranks_of([row.tasks[key] for row in held])
        by_task[key] = {row.key: rank for row, rank in zip(held, found, strict=True)}
    return [
        replace(
            row,
            ranks=overall[i],
            pareto=front[i],
            tasks={
                key: replace(cell, ranks=by_task[key][row.key]) for key, cell in row.tasks.items()
            },
        )
        for i, row in enumerate(rows)
    ]


def _ranks_of(rows: Sequence[Row] | Sequence[TaskRow]) -> list[Ranks]:
    """Ranks by score, speed and memory. Memory is ranked among rows of the same device."""
    score = ranks([row.score for row in rows], higher=True)
    rps = ranks([row.rps for row in rows], higher=True)
    memory: list[int | None] = [None] * len(rows)
    for gpu in (True, False):
        which = [i for i in range(len(rows)) if rows[i].gpu == gpu]
        found = ranks([rows[i].memory for i in which], higher=False)
        for i, rank in zip(which, found, strict=True):
            memory[i] = rank
    return [Ranks(s, r, m) for s, r, m in zip(score, rps, memory, strict=True)]


def _order(row: Row) -> tuple[bool, float, bool, float, str]:
    """Best score first, then speed; rows without follow by name."""
    score, rps = row.score.value, row.rps.value
    return (score is None, -(score or 0), rps is None, -(rps or 0), row.label)


def _differs(entries: Sequence[Sourced]) -> dict[str, tuple[str, ...]]:
    keys = sorted({key for entry in entries for key in entry.stats.machine_details})
    values = {
        key: tuple(sorted({entry.stats.machine_details.get(key, "unknown") for entry in entries}))
        for key in keys
        if key not in SEPARATING
    }
    return {key: found for key, found in values.items() if len(found) > 1}


def _notes(machines: Sequence[Machine]) -> tuple[str, ...]:
    if len(machines) < 2:
        return ()
    return (
        f"{len(machines)} kinds of machine: rows are ranked within a machine only. Machines are"
        " kept apart where their hardware, container engine or GPU driver differs.",
    )
