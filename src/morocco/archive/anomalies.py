"""What is wrong with runs of an archive: cold, truncated, slow, blind, late.

The first MOROCCO looked at no exit code and counted no predictions, so only times and memory can
tell. Cold and slow runs are longer than they should be, truncated ones shorter; which of two
groups is the right one follows from pauses, from numbers, and from how much a cold start can cost.
"""

from __future__ import annotations

import itertools
import statistics
from collections.abc import Sequence
from dataclasses import dataclass

from morocco.estimate.archived import RunShape, is_late

# No slow 1_1 run of the archived campaign came within 5 minutes after one of the same image.
PAUSE_SECONDS = 300.0
# Cold 1_1 runs took 1.4 to 4 times as long there, warm ones lay within 8 % of each other.
COLD_FACTOR = 1.25
# Reading the same files from disk costs the same whatever the input: at most what it cost an init
# run, 3 times its own time. More than that above the warm runs is no cold start.
COLD_EXCESS = 3.0
# A cold start hidden in a long run: above its cell by 15 % of the init time and by 6 robust
# standard deviations of the cell.
HIDDEN_SHARE, HIDDEN_SIGMAS = 0.15, 6.0
SPLIT = 1.5  # between two groups of times: nothing the runs have in common varies so much

REASONS = {
    "cold": "started from a cold page cache after a pause",
    "truncated": "ended long before the others",
    "slow": "took much longer than the others, without a pause before it",
    "blind": "the sampler never found the process",
    "late_clock": "the clock started late",
}


@dataclass(frozen=True)
class Anomaly:
    run: str  # 2000_32_01
    code: str  # a key of REASONS
    detail: str

    @property
    def excluded(self) -> bool:
        """Late clocks are corrected, everything else is left out."""
        return self.code != "late_clock"


@dataclass(frozen=True)
class Screened:
    """Runs of one task, by (input_size, batch_size), and what was found."""

    usable: dict[tuple[int, int], tuple[RunShape, ...]]
    everything: dict[tuple[int, int], tuple[RunShape, ...]]
    anomalies: tuple[Anomaly, ...]
    warnings: tuple[str, ...]


def screen_task(runs: Sequence[RunShape]) -> Screened:
    """``runs``: all runs of one task's image, in order of time."""
    pauses = _pauses(runs)
    cells: dict[tuple[int, int], list[RunShape]] = {}
    for run in runs:
        cells.setdefault((run.input_size, run.batch_size), []).append(run)
    everything = {cell: tuple(sorted(cells[cell], key=_index)) for cell in sorted(cells)}
    found: list[Anomaly] = []
    warnings: list[str] = []
    usable: dict[tuple[int, int], tuple[RunShape, ...]] = {}
    init_seconds = 0.0
    for cell, members in everything.items():  # sorted: init runs first
        seen = [run for run in members if not run.blind]
        found += [_anomaly(run, "blind", "no sample shows memory") for run in members if run.blind]
        wrong, warning = _screen_cell(seen, pauses, init_seconds)
        found += wrong
        if warning:
            warnings.append(f"{cell[0]}_{cell[1]}: {warning}")
        out = {anomaly.run for anomaly in wrong}
        usable[cell] = tuple(run for run in seen if run.name not in out)
        if cell[0] == 1 and usable[cell] and not init_seconds:
            init_seconds = statistics.median(run.wall for run in usable[cell])
    init = [run for cell, members in usable.items() if cell[0] == 1 for run in members]
    for run in (run for members in usable.values() for run in members):
        if run.input_size > 1 and is_late(run, init):
            detail = f"first sample at {(run.first_ram or 0) / 1e6:.0f} MB of RAM"
            found.append(_anomaly(run, "late_clock", detail))
    return Screened(usable, everything, tuple(found), tuple(warnings))


def _pauses(runs: Sequence[RunShape]) -> dict[str, float | None]:
    """Seconds since the image's last run ended; None for its first."""
    pauses: dict[str, float | None] = {}
    last: float | None = None
    for run in sorted(runs, key=lambda run: run.started):
        pauses[run.name] = None if last is None else run.started - last
        last = max(last or 0.0, run.started + run.wall)
    return pauses


def _screen_cell(
    runs: Sequence[RunShape], pauses: dict[str, float | None], init_seconds: float
) -> tuple[list[Anomaly], str | None]:
    """``init_seconds``: time of a usable init run, 0 when the cell is the init cell itself."""
    if len(runs) < 2:
        return [], None
    short, long = _split(runs)
    if not long:
        return _hidden_cold(runs, pauses, init_seconds), None
    found, warning = _judge_groups(short, long, pauses, init_seconds)
    if not found:
        return [], warning
    out = {anomaly.run for anomaly in found}
    more, other = _screen_cell([r for r in runs if r.name not in out], pauses, init_seconds)
    return found + more, warning or other


def _split(runs: Sequence[RunShape]) -> tuple[list[RunShape], list[RunShape]]:
    """Two groups where one clear step divides the sorted times; else the second is empty."""
    ordered = sorted(runs, key=lambda run: run.wall)
    steps = [b.wall / max(a.wall, 1e-3) for a, b in itertools.pairwise(ordered)]
    at = max(range(len(steps)), key=steps.__getitem__)
    # Among init runs the warm ones agree well and 1.25 is a step already.
    if steps[at] < (SPLIT if runs[0].input_size > 1 else COLD_FACTOR):
        return ordered, []
    return ordered[: at + 1], ordered[at + 1 :]


def _judge_groups(
    short: Sequence[RunShape],
    long: Sequence[RunShape],
    pauses: dict[str, float | None],
    init_seconds: float,
) -> tuple[list[Anomaly], str | None]:
    low = statistics.median(run.wall for run in short)
    high = statistics.median(run.wall for run in long)
    excess = max(run.wall for run in long) - low
    paused = all(_after_pause(run, pauses) for run in long)
    if paused and excess <= COLD_EXCESS * (init_seconds or low):
        return [_anomaly(run, "cold", _cold(run, low, pauses)) for run in long], None
    if short[0].input_size == 1:  # one record: there is nothing to truncate but a failed start
        if len(long) < len(short):
            return [_slow(run, low) for run in long], None
        warning = f"{len(short)} runs near {low:.4g} s, {len(long)} near {high:.4g} s: which of "
        return [], warning + "them are disturbed cannot be told"
    # Work cannot be done in a fraction of its time: runs that agree on the longer one are whole.
    agree = len(long) > 1 and max(r.wall for r in long) < 1.1 * min(r.wall for r in long)
    if agree or len(long) >= len(short):
        share = f"{{:.1f}} s, {low / high:.0%} of the others' {high:.4g} s"
        return [_anomaly(run, "truncated", share.format(run.wall)) for run in short], None
    doubt = (
        f"{long[0].name} took {high / low:.1f} times as long: should it be the only whole run, "
        f"the others are truncated"
    )
    return [_slow(run, low) for run in long], doubt if high > 2 * low else None


def _hidden_cold(
    runs: Sequence[RunShape], pauses: dict[str, float | None], init_seconds: float
) -> list[Anomaly]:
    """A cold start adds the same seconds to a long run, where it is no longer a large share."""
    warm = [run.wall for run in runs if not _after_pause(run, pauses)]
    if len(warm) < 2 or not init_seconds:
        return []
    middle = statistics.median(warm)
    sigma = 1.4826 * statistics.median(abs(wall - middle) for wall in warm)
    bound = middle + max(HIDDEN_SHARE * init_seconds, HIDDEN_SIGMAS * sigma)
    return [
        _anomaly(run, "cold", _cold(run, middle, pauses))
        for run in runs
        if _after_pause(run, pauses) and run.wall > bound
    ]


def _after_pause(run: RunShape, pauses: dict[str, float | None]) -> bool:
    pause = pauses[run.name]
    return pause is None or pause > PAUSE_SECONDS


def _cold(run: RunShape, usual: float, pauses: dict[str, float | None]) -> str:
    pause = pauses[run.name]
    since = "the image's first run" if pause is None else f"after {pause / 60:.0f} minutes' pause"
    return f"{run.wall:.1f} s against {usual:.1f} s, {since}"


def _slow(run: RunShape, usual: float) -> Anomaly:
    return _anomaly(run, "slow", f"{run.wall:.1f} s against {usual:.1f} s")


def _anomaly(run: RunShape, code: str, detail: str) -> Anomaly:
    return Anomaly(run.name, code, detail)


def _index(run: RunShape) -> int:
    return run.index
