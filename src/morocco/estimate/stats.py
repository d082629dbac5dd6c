"""Everything about one model on one task, from its run records."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Sequence

from morocco.estimate.intervals import mean_estimate, median_estimate
from morocco.estimate.results import Estimate, LoadStats, Score, TaskStats, absent
from morocco.estimate.select import Runs, SortedRuns, check_single, sort_runs
from morocco.estimate.speed import (
    MAX_RELATIVE_HALF_WIDTH,
    estimate_per_record,
    estimate_rps,
)
from morocco.estimate.streaming import estimate_streaming
from morocco.estimate.warnings import load_warnings, run_warnings
from morocco.formats.names import RunId
from morocco.formats.record import Machine, RunRecord
from morocco.screen.cell import CellState


def estimate_task(
    records: Sequence[RunRecord],
    *,
    settled: Iterable[CellState] | Collection[RunId] | None = None,
    device: str = "cpu",
    init_size: int | None = None,
    score: Score | None = None,
    max_relative_half_width: float = MAX_RELATIVE_HALF_WIDTH,
    seq_len: int | None = None,
    family: str | None = None,
) -> TaskStats:
    """Statistics of one model on one task on one kind of machine.

    ``records``: all runs, of any kind. Estimates use measured runs with a valid verdict that
    ``settled`` accepts: states of cells (the latest round of each counts) or ids of runs; None
    accepts every valid run. ``init_size`` defaults to the smallest input size. Cold runs give the
    cold-start time only; warm-up and null runs give nothing.

    The headline load is the largest input size of which some batch size is resolved, and of its
    resolved batch sizes the one with the highest rps (equal: the larger batch): what the model can
    do. Speed, cost and memory at load are all that load's. Where no load is resolved ``headline``
    is null and the largest load's figures stand, as far as they go.

    MoroccoError where the records are of several models, tasks, kinds of machine or runtimes.
    """
    first = check_single(records)
    task = sort_runs(records, settled, init_size)
    options = {"max_relative_half_width": max_relative_half_width}
    loads = tuple(
        _load_stats(task, size, batch, records, **options)
        for size, batch in sorted(_load_sizes(records, task.init_size))
    )
    chosen, resolved = headline_load(loads)
    runs = task.loads.get((chosen.input_size, chosen.batch_size), ()) if chosen else ()
    none = "no accepted run at load"
    accepted = [*task.init, *(run for cell in task.loads.values() for run in cell)]
    measured = [record for record in records if record.kind == "measured"]
    reasons = Counter(code for codes in task.rejected.values() for code in codes)
    gpu_reason = _gpu_reason(accepted, device)
    newest = max(accepted or records, key=lambda r: r.clock.started_at if r.clock else 0.0)
    return TaskStats(
        model=first.id.model,
        task=first.id.task,
        device=device,
        init_seconds=_wall(task.init, f"no accepted run of {task.init_size} records"),
        cold_start_seconds=_wall(
            [r for r in records if r.kind == "cold" and r.verdict.valid], "no valid cold run"
        ),
        rps=chosen.rps if chosen else absent("records/s", none),
        rps_streaming=chosen.rps_streaming if chosen else absent("records/s", none),
        cpu_seconds_per_record=(
            chosen.cpu_seconds_per_record if chosen else absent("CPU-s/record", none)
        ),
        joules_per_record=chosen.joules_per_record if chosen else absent("J/record", none),
        gpu_ram_bytes=_memory([_gpu_ram(r) for r in task.init], gpu_reason),
        gpu_ram_load_bytes=_memory([_gpu_ram(r) for r in runs], gpu_reason),
        ram_bytes=_total(runs, "ram_pss_peak_bytes"),
        ram_anon_bytes=_total(runs, "ram_anon_peak_bytes"),
        ram_cgroup_bytes=_total(runs, "ram_cgroup_peak_bytes"),
        headline=(chosen.input_size, chosen.batch_size) if chosen and resolved else None,
        loads=loads,
        runs_valid=len(accepted),
        runs_invalid=len(measured) - len(accepted),
        runs_repeated=sum(record.round > 1 for record in measured),
        invalid_reasons=dict(sorted(reasons.items())),
        warnings=(*load_warnings(loads, chosen), *run_warnings(measured, accepted, task.rejected)),
        machine_kind=first.machine.kind,
        machine_details=machine_details([record.machine for record in accepted or records]),
        runtime=first.runtime,
        image_id=newest.image.id,
        image_digest=newest.image.digest,
        image_labels=newest.image.labels,
        simulated=any(is_simulated(record) for record in accepted or records),
        seq_len=seq_len,
        family=family,
        score=score,
    )


def is_simulated(record: RunRecord) -> bool:
    """A test double stood at a boundary: such figures never reach a leaderboard."""
    return record.harness.simulated or bool(record.gpu and record.gpu.simulated)


def machine_details(machines: Iterable[Machine]) -> dict[str, str]:
    """What may differ between machines of one kind; several values are joined by a comma."""
    seen: dict[str, dict[str, None]] = {}
    for machine in machines:
        values = {
            "hostname": machine.hostname,
            "kernel": machine.kernel,
            "engine": machine.engine,
            "cgroup": f"v{machine.cgroup_version}" if machine.cgroup_version else None,
            "driver": machine.gpu_driver,
            "governor": machine.governor,
        }
        for name, value in values.items():
            if value is not None:
                seen.setdefault(name, {})[value] = None
    return {name: ", ".join(values) for name, values in seen.items()}


def _load_sizes(records: Sequence[RunRecord], init_size: int) -> set[tuple[int, int]]:
    return {
        (record.id.input_size, record.id.batch_size)
        for record in records
        if record.kind == "measured" and record.id.input_size > init_size
    }


def _load_stats(
    task: SortedRuns,
    size: int,
    batch: int,
    records: Sequence[RunRecord],
    *,
    max_relative_half_width: float,
) -> LoadStats:
    runs = task.loads.get((size, batch), ())
    tried = sum(
        r.kind == "measured" and (r.id.input_size, r.id.batch_size) == (size, batch)
        for r in records
    )
    none = f"no accepted run of {size} records at batch size {batch}"
    if not task.init:
        none = f"no accepted run of {task.init_size} records to subtract"

    def per_record(init: list[float], load: list[float], unit: str, missing: str) -> Estimate:
        if not (init and load):
            return absent(unit, missing)
        return estimate_per_record(
            init,
            load,
            task.init_size,
            size,
            unit,
            max_relative_half_width=max_relative_half_width,
        )

    return LoadStats(
        input_size=size,
        batch_size=batch,
        wall_seconds=_wall(runs, none),
        rps=(
            estimate_rps(
                _walls(task.init),
                _walls(runs),
                task.init_size,
                size,
                max_relative_half_width=max_relative_half_width,
            )
            if runs and task.init
            else absent("records/s", none)
        ),
        rps_streaming=(
            estimate_streaming(
                [run.output.arrivals for run in runs if run.output],
                max_relative_half_width=max_relative_half_width,
            )
            if runs
            else absent("records/s", none)
        ),
        cpu_seconds_per_record=per_record(
            _cpu(task.init), _cpu(runs), "CPU-s/record", _absent_reason(runs, "cpu_seconds", none)
        ),
        joules_per_record=per_record(
            _joules(task.init), _joules(runs), "J/record", _energy_reason(runs, none)
        ),
        ram_bytes=_total(runs, "ram_pss_peak_bytes"),
        gpu_ram_bytes=_memory([_gpu_ram(run) for run in runs], _gpu_reason(runs, "")),
        runs_valid=len(runs),
        runs_invalid=tried - len(runs),
    )


def headline_load(loads: Sequence[LoadStats]) -> tuple[LoadStats | None, bool]:
    """The load whose figures stand for the model, and whether its speed is resolved."""
    resolved = [load for load in loads if load.rps.value is not None]
    if resolved:
        size = max(load.input_size for load in resolved)
        largest = [load for load in resolved if load.input_size == size]
        return max(largest, key=lambda load: (load.rps.value, load.batch_size)), True
    measured = [load for load in loads if load.runs_valid] or list(loads)
    if not measured:
        return None, False
    return max(measured, key=lambda load: (load.input_size, load.batch_size)), False


def _walls(runs: Runs) -> list[float]:
    return [run.clock.wall_seconds for run in runs if run.clock]


def _cpu(runs: Runs) -> list[float]:
    totals = (run.totals.cpu_seconds for run in runs if run.totals)
    return [seconds for seconds in totals if seconds is not None]


def _joules(runs: Runs) -> list[float]:
    energies = (run.gpu.energy_joules for run in runs if run.gpu)
    return [joules for joules in energies if joules is not None]


def _gpu_ram(run: RunRecord) -> int | None:
    return run.gpu.ram_peak_bytes if run.gpu else None


def _wall(runs: Runs, none: str) -> Estimate:
    return mean_estimate(_walls(runs), "s") if _walls(runs) else absent("s", none)


def _memory(values: Iterable[int | None], none: str) -> Estimate:
    known = [float(value) for value in values if value is not None]
    return median_estimate(known, "bytes") if known else absent("bytes", none)


def _total(runs: Runs, name: str) -> Estimate:
    values = [getattr(run.totals, name) for run in runs if run.totals]
    return _memory(values, _absent_reason(runs, name, "no accepted run at load"))


def _absent_reason(runs: Runs, name: str, none: str) -> str:
    for run in runs:
        if run.totals and getattr(run.totals, name) is None:
            return run.totals.absent.get(name, f"{name} was not measured")
    return f"{none}" if not runs or all(run.totals for run in runs) else "no totals were measured"


def _energy_reason(runs: Runs, none: str) -> str:
    for run in runs:
        if run.gpu:
            return run.gpu.absent.get("energy_joules", "the device gave no energy")
    return "no GPU was watched: energy is the GPU's" if runs else none


def _gpu_reason(runs: Runs, device: str) -> str:
    for run in runs:
        if run.gpu:
            return run.gpu.absent.get("ram_peak_bytes", "no GPU memory was seen")
    return "no accepted run" if not runs and device == "gpu" else "no GPU was used"
