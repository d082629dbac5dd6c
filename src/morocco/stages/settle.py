"""Stage: screen all cells of a model, and measure again what a round left open."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import msgspec

from morocco.errors import EngineError
from morocco.formats.files import read_json, write_json
from morocco.formats.names import CellId, RunId, run_files
from morocco.formats.record import RunRecord, read_record
from morocco.sampling.machine import describe_machine
from morocco.sampling.nvml import machine_gpus
from morocco.screen.cell import CellState
from morocco.screen.settle import settle_cell
from morocco.stages.progress import describe, say
from morocco.suite.model import RunSpec, Screening


@dataclass(frozen=True)
class CellJob:
    """One cell of a model and what its replacements need."""

    spec: RunSpec
    repeats: int
    input_path: str
    input_json: str
    image_json: str


def settle_model(
    cells: list[CellJob],
    screening: Screening,
    round: int,
    *,
    results: str,
    previous: str | None,
    out: str,
    measure_run: Callable[[CellJob, int, int], RunRecord] | None = None,
    machine_kind: Callable[[], str] | None = None,
) -> list[CellState]:
    """State of all cells after ``round``; rounds from 2 on first measure what the one before wants.

    ``previous``: the states a round before (none in round 1). ``measure_run(cell, index, round)``
    measures one replacement. One that an interrupted call has left whole is kept.
    ``machine_kind``: of the machine that would measure; EngineError where the cell's runs are of
    another, since a cell is never mixed.
    """
    before = {s.cell: s for s in read_json(previous, list[CellState])} if previous else {}
    states = []
    for cell in cells:
        old = before.get(_cell_id(cell))
        if old is not None and old.settled:  # not looked at again
            states.append(old)
            continue
        records = _records(cell, old, results)
        if old is not None:
            _, wanted = _settle(records, old, screening, cell, round - 1)
            if wanted and machine_kind:
                _same_kind(records, machine_kind())
            for index in wanted:
                records.append(_replacement(cell, index, round, results, measure_run))
        states.append(_settle(records, old, screening, cell, round)[0])
    write_json(out, states)
    return states


def _same_kind(records: list[RunRecord], here: str) -> None:
    for record in records:
        if record.machine.kind != here:
            raise EngineError(
                f"measured on {record.machine.hostname} ({record.machine.kind}), and this machine "
                f"is of another kind ({here})",
                place=str(record.id),
                hint="call again where all nodes are alike: on Slurm, name a partition or a "
                "constraint of equal nodes (docs/slurm.md)",
            )


def _settle(
    records: list[RunRecord],
    old: CellState | None,
    screening: Screening,
    cell: CellJob,
    round: int,
) -> tuple[CellState, list[int]]:
    return settle_cell(
        records,
        old,
        round=round,
        max_rounds=screening.rounds,
        repeats=cell.repeats,
        target_half_width=screening.target_half_width,
        max_repeats=screening.max_repeats,
    )


def _cell_id(cell: CellJob) -> CellId:
    load = cell.spec.load
    return CellId(cell.spec.model, cell.spec.task, load.input_size, load.batch_size)


def _records(cell: CellJob, state: CellState | None, results: str) -> list[RunRecord]:
    indices = [run.index for run in state.runs] if state else range(1, cell.repeats + 1)
    return [read_record(_path(cell, index, results)) for index in indices]


def _path(cell: CellJob, index: int, results: str) -> Path:
    load = cell.spec.load
    run = RunId(cell.spec.model, cell.spec.task, load.input_size, load.batch_size, index)
    return run_files(results, run).record


def _replacement(
    cell: CellJob,
    index: int,
    round: int,
    results: str,
    measure_run: Callable[[CellJob, int, int], RunRecord] | None,
) -> RunRecord:
    path = _path(cell, index, results)
    if path.exists():
        kept = read_record(path)
        if kept.spec_sha256 == cell.spec.sha256 and kept.round == round:
            return kept
    assert measure_run is not None, "rounds from 2 on measure"
    record = measure_run(cell, index, round)
    say(f"again, round {round}: {describe(record)}")
    return record


def run_settle(
    cells: str, screening: str, round: int, *, results: str, previous: str | None, out: str
) -> list[CellState]:
    """As the rule calls it: settings as text, replacements measured for real."""

    def measure_run(cell: CellJob, index: int, round: int) -> RunRecord:
        from morocco.stages.bench import bench

        return bench(
            cell.spec,
            index,
            input_path=cell.input_path,
            input_json=cell.input_json,
            image_json=cell.image_json,
            results=results,
            round=round,
        )

    return settle_model(
        msgspec.json.decode(cells, type=list[CellJob]),
        msgspec.json.decode(screening, type=Screening),
        round,
        results=results,
        previous=previous,
        out=out,
        measure_run=measure_run,
        machine_kind=lambda: describe_machine(None, *machine_gpus()).kind,
    )
