"""From the runs of a tuning to what it found. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from morocco.estimate.intervals import mean_estimate, median_estimate
from morocco.estimate.results import Estimate, absent
from morocco.formats.record import RunRecord
from morocco.suite.model import Load
from morocco.tune.campaign import Campaign, Ended
from morocco.tune.choose import choose
from morocco.tune.memory import memory_line
from morocco.tune.results import (
    FAILED,
    MEASURED,
    NOT_TRIED,
    BatchPoint,
    Choice,
    Findings,
    MemoryLine,
)

SPENT = "the time budget was spent"


def find(campaign: Campaign, loads: dict[int, Load]) -> Findings:
    """The curve, the choice and the lines of memory. ``loads``: by batch size, as last wanted."""
    points = tuple(_point(campaign, b, loads) for b in sorted(campaign.settings.batch_sizes))
    choice = choose(points)
    taken = {batch: _taken(campaign, batch, loads) for batch in campaign.open(loads)}
    runs = {batch: campaign.accepted(load) for batch, load in taken.items() if load}
    records = [record for known in campaign.records.values() for record in known]
    return Findings(
        init_seconds=mean_estimate(campaign.init_times, "s"),
        points=points,
        choice=choice,
        gpu_ram=_gpu_line(campaign.settings.device, runs, records),
        ram=_ram_line(runs),
        seconds_used=campaign.used,
        runs=len(records),
        notes=tuple(_notes(campaign, points, choice)),
    )


def _point(campaign: Campaign, batch: int, loads: dict[int, Load]) -> BatchPoint:
    tried = [
        record
        for load, records in campaign.records.items()
        if load.batch_size == batch and load != campaign.settings.init
        for record in records
    ]
    load = _taken(campaign, batch, loads)
    end = campaign.ended.get(batch)
    if end is None and load is None:
        end = Ended(FAILED, _why_unused(tried)) if tried else Ended(NOT_TRIED, SPENT)
    if end is not None or load is None:
        end = end or Ended(NOT_TRIED, SPENT)
        return _empty(batch, end, len(tried))
    runs = campaign.accepted(load)
    totals = [record.totals for record in runs if record.totals]
    return BatchPoint(
        batch_size=batch,
        status=MEASURED,
        input_size=load.input_size,
        rps=campaign.rps(load),
        ram_bytes=_median((t.ram_pss_peak_bytes for t in totals), _lacking(runs, "pss")),
        ram_anon_bytes=_median((t.ram_anon_peak_bytes for t in totals), _lacking(runs, "anon")),
        gpu_ram_bytes=_median(
            (r.gpu.ram_peak_bytes for r in runs if r.gpu),
            _gpu_reason(campaign.settings.device, runs),
        ),
        runs_accepted=len(runs),
        runs_rejected=len(campaign.records[load]) - len(runs),
    )


def _empty(batch: int, end: Ended, tried: int) -> BatchPoint:
    memory = absent("bytes", end.reason)
    return BatchPoint(
        batch_size=batch,
        status=end.status,
        input_size=None,
        rps=absent("records/s", end.reason),
        ram_bytes=memory,
        ram_anon_bytes=memory,
        gpu_ram_bytes=memory,
        runs_accepted=0,
        runs_rejected=tried,
        reason=end.reason,
    )


def _taken(campaign: Campaign, batch: int, loads: dict[int, Load]) -> Load | None:
    """The load whose runs stand for a batch size.

    The one last wanted, unless the budget ended in it: then the largest that is resolved, or else
    the largest with two runs.
    """
    own = [load for load in campaign.records if load.batch_size == batch]
    known = [load for load in own if load != campaign.settings.init and campaign.accepted(load)]
    if batch not in loads or not known:
        return None
    resolved = [load for load in known if campaign.rps(load).value is not None]
    if loads[batch] in resolved:
        return loads[batch]
    several = [load for load in known if len(campaign.accepted(load)) > 1]
    return max(resolved or several or known)


def _notes(campaign: Campaign, points: Sequence[BatchPoint], choice: Choice) -> list[str]:
    settings = campaign.settings
    notes = []
    if campaign.spent:
        notes.append(f"{SPENT} ({settings.budget_seconds:.0f} s): a larger --budget would do more")
    for point in points:
        share = point.edge_share
        if choice.load and point.batch_size == choice.load.batch_size and share:
            if share <= settings.max_relative_half_width:
                continue
            notes.append(
                f"the chosen load has few batches: its speed may be too high by up to "
                f"{100 * share:.2g} % (one batch of it)"
            )
    return notes


def _median(values: Iterable[int | None], none: str) -> Estimate:
    known = [float(value) for value in values if value is not None]
    return median_estimate(known, "bytes") if known else absent("bytes", none)


def _lacking(runs: Sequence[RunRecord], kind: str) -> str:
    for run in runs:
        if run.totals:
            return run.totals.absent.get(f"ram_{kind}_peak_bytes", "not measured")
    return "no totals were measured"


def _gpu_reason(device: str, records: Sequence[RunRecord]) -> str:
    if device == "cpu":
        return "no GPU was used: the model runs on the CPU"
    for record in records:
        if record.gpu:
            return record.gpu.absent.get("ram_peak_bytes", "no GPU memory was seen")
    return "no accepted run"


def _why_unused(records: Sequence[RunRecord]) -> str:
    codes = sorted({reason.code for record in records for reason in record.verdict.reasons})
    return f"no usable run of {len(records)}: {', '.join(codes) or 'all lie apart'}"


Runs = dict[int, list[RunRecord]]  # by batch size


def _peaks(runs: Runs, value: Callable[[RunRecord], int | None]) -> dict[int, list[float]]:
    seen = {batch: [value(record) for record in records] for batch, records in runs.items()}
    return {
        batch: [float(peak) for peak in peaks if peak is not None] for batch, peaks in seen.items()
    }


def _gpu_line(device: str, runs: Runs, records: Sequence[RunRecord]) -> MemoryLine:
    peaks = _peaks(runs, lambda record: record.gpu.ram_peak_bytes if record.gpu else None)
    return memory_line("GPU RAM", peaks, _gpu_reason(device, records))


def _ram_line(runs: Runs) -> MemoryLine:
    """Anonymous memory: sampled fast enough for a batch's peak; PSS where it is not counted."""
    anon = _peaks(runs, lambda r: r.totals.ram_anon_peak_bytes if r.totals else None)
    if any(anon.values()):
        return memory_line("RAM (anonymous)", anon)
    pss = _peaks(runs, lambda r: r.totals.ram_pss_peak_bytes if r.totals else None)
    return memory_line("RAM (PSS)", pss, "no memory of any run was seen")
