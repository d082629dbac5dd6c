"""Decide which runs of a cell count and what is to be measured again. Pure: records in, state out.

All evidence is judged anew each time, replacements together with everything before them, so the
answer depends on the records alone, and what one round took for an outlier may turn out with more
runs to be the cell's own behaviour.
"""

from __future__ import annotations

import math
import statistics
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from morocco.errors import MoroccoError
from morocco.formats.record import (
    DISTURBED_REASONS,
    MODEL_REASONS,
    REASONS,
    Reason,
    RunRecord,
)
from morocco.screen.cell import CellState, RunState
from morocco.screen.outliers import Outlier, find_outliers
from morocco.screen.stability import CODE as UNSTABLE
from morocco.screen.stability import unstable

# From six runs on, more than a third apart is no accident of single runs any more: the times have
# two levels. Then all count and the interval says so, instead of a narrow one around one level.
# Two cold runs of five, replaced, are two of seven and stay out.
MAX_OUTLIER_SHARE = 1 / 3
MIN_RUNS_FOR_SHARE = 6
# A load may make any model late; no load makes it exit, drop a line or invent a label.
_LOAD_MAY_CAUSE = frozenset({"timeout"})
_NOT_THE_MODEL = frozenset({"killed", "gpu_lost"})


@dataclass(frozen=True)
class _Judged:
    states: tuple[RunState, ...]
    notes: tuple[str, ...]


def judge_runs(records: Sequence[RunRecord]) -> tuple[RunState, ...]:
    """Every run of one cell, by index: accepted, or why not."""
    return _judge(_checked(records, None)).states


def settle_cell(
    records: Sequence[RunRecord],
    previous: CellState | None,
    *,
    round: int,
    max_rounds: int,
    repeats: int,
    target_half_width: float | None = None,
    max_repeats: int | None = None,
) -> tuple[CellState, list[int]]:
    """State of a cell after ``round`` (from 1), and the indices to measure in the next one.

    ``records``: all measured runs of the cell so far, any order; ``previous``: the state a round
    before, whose evidence must still be there (MoroccoError otherwise). Runs that failed, were
    disturbed or lie apart are replaced one for one under the next free indices until ``repeats``
    runs are accepted, in at most ``max_rounds`` rounds of measuring, the first included. A model
    that failed the same way in every run (two at least) has settled: that is its result.
    ``target_half_width``: relative half-width of the mean wall time's 95 % interval to go on for,
    up to ``max_repeats`` (default 4 · repeats) accepted runs.
    """
    if not records:
        raise MoroccoError(
            "no run of this cell was measured", hint="measure its first round before settling it"
        )
    if min(repeats, round, max_rounds) < 1:
        raise MoroccoError(
            f"repeats {repeats}, round {round} and max_rounds {max_rounds} count from 1"
        )
    ordered = _checked(records, previous)
    judged = _judge(ordered)
    accepted = [state.index for state in judged.states if state.accepted]
    cap = max(repeats, max_repeats if max_repeats is not None else 4 * repeats)
    wanted = repeats
    notes = list(judged.notes)
    if target_half_width is not None and len(accepted) >= repeats:
        times = [r.wall_seconds for r in ordered if r.id.index in set(accepted)]
        wanted, note = _wanted_for_target(
            [t for t in times if t is not None], target_half_width, cap
        )
        notes.append(note)
    missing = max(0, wanted - len(accepted))

    failure = _settled_failure(ordered, judged.states)
    if failure:
        missing = 0
        notes.append(failure)
    elif missing and round >= max_rounds:
        notes.append(
            f"{len(accepted)} of {wanted} runs accepted after round {round}, the last of "
            f"max_rounds: {_why_not(judged.states)}"
        )
        missing = 0
    elif missing:
        notes.append(
            f"{len(accepted)} of {wanted} runs accepted, {missing} to measure again: "
            f"{_why_not(judged.states)}"
        )
    else:
        notes.append(f"{len(accepted)} runs accepted")
    last = ordered[-1].id.index
    again = list(range(last + 1, last + 1 + missing))
    state = CellState(
        cell=ordered[0].id.cell,
        round=round,
        runs=judged.states,
        settled=not again,
        note="; ".join(note for note in notes if note),
    )
    return state, again


def _checked(records: Sequence[RunRecord], previous: CellState | None) -> list[RunRecord]:
    """Records by index; MoroccoError where they are no single cell's or evidence was lost."""
    ordered = sorted(records, key=lambda record: record.id.index)
    cells = {record.id.cell for record in ordered}
    if previous is not None:
        cells.add(previous.cell)
    if len(cells) > 1:
        raise MoroccoError(f"runs of {len(cells)} cells: {', '.join(map(str, sorted(cells)))}")
    counts = Counter(record.id.index for record in ordered)
    twice = sorted(index for index, count in counts.items() if count > 1)
    if twice:
        raise MoroccoError(f"run {ordered[0].id.cell.name}_{twice[0]:02d} is given twice")
    for record in ordered:
        if record.kind != "measured":
            raise MoroccoError(f"a {record.kind} run is no repeat", place=str(record.id))
    if previous is not None:
        lost = sorted({state.index for state in previous.runs} - set(counts))
        if lost:
            raise MoroccoError(
                f"the record of run {lost[0]} is gone, though round {previous.round} judged it",
                place=f"{previous.cell.model}/{previous.cell.task}/{previous.cell.name}",
                hint="put it back, or remove the cell's state to start it anew",
            )
    return ordered


def _judge(ordered: Sequence[RunRecord]) -> _Judged:
    reasons: dict[int, list[Reason]] = {
        record.id.index: [] if record.verdict.valid else list(record.verdict.reasons)
        for record in ordered
    }
    for index, reason in unstable(ordered).items():
        reasons[index].append(reason)
    for record in ordered:
        if record.verdict.valid and record.wall_seconds is None:
            reasons[record.id.index].append(Reason("start_failed", "the record has no wall time"))
    clean = [record for record in ordered if record.verdict.valid and not reasons[record.id.index]]
    notes = []
    outliers = find_outliers([record.wall_seconds or 0.0 for record in clean])
    if len(clean) >= MIN_RUNS_FOR_SHARE and len(outliers) > MAX_OUTLIER_SHARE * len(clean):
        notes.append(
            f"{len(outliers)} of {len(clean)} runs lie apart, too many to leave out: the times "
            f"have two levels, all count"
        )
        outliers = []
    for outlier in outliers:
        record = clean[outlier.position]
        reasons[record.id.index].append(_outlier_reason(outlier, record, clean))
    taken = {record.id.index for record in clean}
    states = tuple(
        RunState(
            index=record.id.index,
            round=record.round,
            accepted=record.id.index in taken and not reasons[record.id.index],
            reasons=tuple(reasons[record.id.index]),
        )
        for record in ordered
    )
    return _Judged(states, tuple(notes))


def _outlier_reason(outlier: Outlier, record: RunRecord, clean: Sequence[RunRecord]) -> Reason:
    """What was seen, and what the CPU total says of the cause."""
    ratio = outlier.seconds / outlier.median_seconds if outlier.median_seconds else math.inf
    detail = (
        f"T = {outlier.seconds:.3f} s, {ratio:.2f} times the median {outlier.median_seconds:.3f} s "
        f"of {len(clean)} runs (modified z-score {outlier.score:.1f})"
    )
    cpu = record.totals.cpu_seconds if record.totals else None
    others = [
        r.totals.cpu_seconds
        for r in clean
        if r is not record and r.totals and r.totals.cpu_seconds is not None
    ]
    if cpu is not None and others:
        usual = statistics.median(others)
        seen = f"CPU time {cpu:.3f} s against {usual:.3f} s"
        # CPU-seconds of equal work repeat to 0.05 % here and shift by a few % under load
        if usual > 0 and abs(cpu / usual - 1) < max(0.05, 0.2 * abs(ratio - 1)):
            detail += f"; {seen}, the same work: it waited {'more' if ratio > 1 else 'less'}"
        else:
            detail += f"; {seen}: the work itself differed"
    return Reason("outlier", detail)


def _settled_failure(ordered: Sequence[RunRecord], states: Sequence[RunState]) -> str | None:
    """Note of a model that failed alike in every run the machine did not spoil, two at least."""
    if any(state.accepted for state in states):
        return None
    if any(reason.code == UNSTABLE for state in states for reason in state.reasons):
        return f"settled as a failure of the model: {REASONS[UNSTABLE]}, more runs cannot mend that"
    common: set[str] | None = None
    count = 0
    for state in states:
        codes = model_fault(state.reasons)
        if not codes:
            if any(reason.code == "outlier" for reason in state.reasons):
                return None  # a run of the model that went well
            continue
        count += 1
        common = codes if common is None else common & codes
    if count < 2 or not common:
        return None
    code = next(code for code in REASONS if code in common)
    return f"settled as a failure of the model: {REASONS[code]} ({code}) in {count} of {count} runs"


def model_fault(reasons: Sequence[Reason]) -> set[str]:
    """The reason codes of a run that are the model's own doing; empty where the machine may be."""
    codes = {reason.code for reason in reasons}
    if codes & _NOT_THE_MODEL:
        return set()
    own = codes & MODEL_REASONS
    return own - _LOAD_MAY_CAUSE if codes & DISTURBED_REASONS else own


def _wanted_for_target(times: Sequence[float], target: float, cap: int) -> tuple[int, str]:
    """How many accepted runs would bring the mean's relative half-width below ``target``.

    What is known to the clock's own spread is known well enough: init runs of 20 ms would never do.
    """
    from morocco.estimate.intervals import mean_interval, t_quantile
    from morocco.estimate.speed import TIMING_SPREAD_SECONDS

    n = len(times)
    interval = mean_interval(times)
    width = interval.relative_half_width if interval else math.inf
    if width <= target or (interval and interval.half_width <= TIMING_SPREAD_SECONDS):
        return n, ""
    seen = f"mean time known to ± {100 * width:.2g} %, wanted ± {100 * target:.2g} %"
    if n >= cap:
        return n, f"{seen}, but max_repeats is reached"
    more = n + 1
    if interval:
        spread = statistics.stdev(times) / interval.value
        while more < cap and t_quantile(more - 1) * spread / math.sqrt(more) > target:
            more += 1
    return min(more, cap), seen


def _why_not(states: Sequence[RunState]) -> str:
    counts = Counter(reason.code for state in states for reason in state.reasons)
    if not counts:
        return "more runs wanted"
    return ", ".join(f"{code} {count}" for code, count in sorted(counts.items()))
