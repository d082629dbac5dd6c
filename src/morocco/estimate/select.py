"""Which runs an estimate rests on: measured, valid, accepted, and all of one machine."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass

from morocco.errors import MoroccoError
from morocco.formats.names import CellId, RunId
from morocco.formats.record import RunRecord
from morocco.screen.cell import CellState

Runs = Sequence[RunRecord]


@dataclass(frozen=True)
class SortedRuns:
    """The measured runs of one model and task, sorted into those that count and others."""

    init: Runs  # accepted runs of the init size
    init_size: int
    loads: Mapping[tuple[int, int], Runs]  # (input_size, batch_size) -> accepted runs
    rejected: Mapping[RunId, tuple[str, ...]]  # why each of the other runs does not count


def split_by_machine(records: Iterable[RunRecord]) -> dict[str, list[RunRecord]]:
    """Records by kind of machine: figures of different kinds are never mixed."""
    kinds: dict[str, list[RunRecord]] = {}
    for record in records:
        kinds.setdefault(record.machine.kind, []).append(record)
    return kinds


def sort_runs(
    records: Sequence[RunRecord],
    settled: Iterable[CellState] | Collection[RunId] | None,
    init_size: int | None,
) -> SortedRuns:
    """Sort measured runs into init, loads and rejected ones."""
    measured = sorted((r for r in records if r.kind == "measured"), key=lambda r: r.id)
    if init_size is None:
        init_size = min((r.id.input_size for r in measured), default=1)
    allowed, judged = _settled(settled)
    rejected: dict[RunId, tuple[str, ...]] = {}
    cells: dict[tuple[int, int], list[RunRecord]] = {}
    for record in measured:
        if record.verdict.valid and record.clock and (allowed is None or record.id in allowed):
            cells.setdefault((record.id.input_size, record.id.batch_size), []).append(record)
            continue
        own = tuple(reason.code for reason in record.verdict.reasons)
        rejected[record.id] = tuple(dict.fromkeys((*own, *judged.get(record.id, ()))))
    init = [batch for size, batch in cells if size == init_size]
    return SortedRuns(
        init=cells[init_size, min(init)] if init else (),
        init_size=init_size,
        loads={key: runs for key, runs in sorted(cells.items()) if key[0] > init_size},
        rejected=rejected,
    )


def _settled(
    settled: Iterable[CellState] | Collection[RunId] | None,
) -> tuple[set[RunId] | None, dict[RunId, tuple[str, ...]]]:
    """Accepted runs (None: all) and the screening's reasons for the others."""
    if settled is None:
        return None, {}
    latest: dict[CellId, CellState] = {}
    allowed: set[RunId] = set()
    for item in settled:
        if isinstance(item, RunId):
            allowed.add(item)
        elif item.cell not in latest or item.round > latest[item.cell].round:
            latest[item.cell] = item
    judged: dict[RunId, tuple[str, ...]] = {}
    for cell, state in latest.items():
        for run in state.runs:
            run_id = RunId(cell.model, cell.task, cell.input_size, cell.batch_size, run.index)
            if run.accepted:
                allowed.add(run_id)
            else:
                judged[run_id] = tuple(reason.code for reason in run.reasons)
    return allowed, judged


def check_single(records: Sequence[RunRecord]) -> RunRecord:
    """Any record; MoroccoError where they do not belong together."""
    if not records:
        raise MoroccoError("no run record to make statistics of")
    for name, values in (
        ("models", {record.id.model for record in records}),
        ("tasks", {record.id.task for record in records}),
        ("kinds of machine", set(split_by_machine(records))),
        ("runtimes", {record.runtime for record in records}),
    ):
        if len(values) > 1:
            raise MoroccoError(
                f"runs of {len(values)} {name} are never mixed: {'; '.join(sorted(values))}",
                place=f"{records[0].id.model}/{records[0].id.task}",
                hint="estimate each on its own"
                if name != "kinds of machine"
                else "keep each machine's results in a folder of its own",
            )
    return records[0]
