"""The order of a tuning's runs, over a function that measures one: nothing here knows an engine.

Init runs first; then a probe a batch size, from the smallest on, until one runs out of memory; from
the probes an input size each; then the repeats, in turns with new init runs, so that a drift hits
all alike; then, while the budget lasts, larger inputs or more repeats for what is not resolved.
"""

from __future__ import annotations

from collections.abc import Callable

from morocco.errors import MoroccoError
from morocco.estimate.speed import needed_input_size
from morocco.suite.model import Load
from morocco.tune import sizes
from morocco.tune.campaign import (
    ATTEMPTS,
    Campaign,
    Ended,
    Measure,
    Tell,
    count_records,
    has_run_through,
)
from morocco.tune.choose import out_of_memory, own_fault
from morocco.tune.findings import SPENT, find
from morocco.tune.results import FAILED, NOT_TRIED, OUT_OF_MEMORY, Findings, Settings

MAX_GROWTHS = 3  # rounds of larger inputs or more repeats


def search(
    settings: Settings, measure: Measure, clock: Callable[[], float], tell: Tell
) -> Findings:
    """Find the input size that resolves the speed and the batch size with the best one that fits.

    ``measure(load, index, round)`` gives the record of one run; ``clock`` is monotonic, in s.
    MoroccoError where one record at the init batch size cannot be done, or the budget does not
    reach for two such runs. What it does not reach for after that is "not resolved".
    """
    campaign = Campaign(settings, measure, clock, tell)
    _init_runs(campaign)
    for batch in sorted(settings.batch_sizes):
        _probe(campaign, batch)
    loads = _first_loads(campaign)
    campaign.planned_with = len(campaign.records[settings.init])
    campaign.fill(dict.fromkeys((settings.init, *loads.values()), settings.repeats))
    for _ in range(MAX_GROWTHS):
        if not _improve(campaign, loads):
            break
    return find(campaign, loads)


def _init_runs(campaign: Campaign) -> None:
    settings, init = campaign.settings, campaign.settings.init
    for _ in range(ATTEMPTS * settings.repeats):
        if len(campaign.accepted(init)) >= settings.repeats:
            return
        if not campaign.affords(campaign.fixed_seconds):
            break
        record = campaign.take(init)
        if why := out_of_memory(record, settings.memory_limit) or own_fault(record):
            raise MoroccoError(
                f"the model does not manage {count_records(init.input_size)}: {why}",
                place=str(record.id),
                hint="nothing can be tuned before that works; `morocco bench` shows one run",
            )
    usable = len(campaign.accepted(init))
    if usable >= 2:
        return
    codes = sorted({r.code for x in campaign.records.get(init, ()) for r in x.verdict.reasons})
    seen = f" (the others: {', '.join(codes)})" if codes else ""
    raise MoroccoError(
        f"{usable} usable runs of {count_records(init.input_size)} in {campaign.used:.0f} s of the "
        f"budget of {settings.budget_seconds:.0f} s{seen}: two are needed",
        hint="give a larger --budget, or measure on a quieter machine",
    )


def _probe(campaign: Campaign, batch: int) -> None:
    """Find how fast this batch size is, roughly, or that it does not fit."""
    failed = [b for b, end in campaign.ended.items() if end.status == OUT_OF_MEMORY]
    if failed:
        reason = f"batch size {min(failed)} ran out of memory already"
        campaign.ended[batch] = Ended(NOT_TRIED, reason)
        return
    smaller = [speed for b, speed in sorted(campaign.speeds.items()) if b < batch]
    speed = smaller[-1] if smaller else None
    size: int | None = sizes.first_probe(batch, speed)
    spoilt = 0
    while size is not None:
        load = Load(size, batch)
        if not campaign.affords(campaign.fixed_seconds + (size / speed if speed else 0.0)):
            campaign.ended[batch] = Ended(NOT_TRIED, SPENT)
            return
        record = campaign.take(load)
        if batch in campaign.ended:
            return
        if record.clock is None or not has_run_through(record):
            spoilt += 1  # the machine's fault: once more
            if spoilt < ATTEMPTS:
                continue
            codes = sorted({reason.code for reason in record.verdict.reasons})
            campaign.ended[batch] = Ended(FAILED, f"{spoilt} runs spoilt: {', '.join(codes)}")
            return
        seconds = record.clock.wall_seconds
        work = max(seconds - campaign.init_mean, 1e-3)  # lost in the spread: a ms bounds the guess
        speed = (size - campaign.settings.init.input_size) / work
        size = sizes.next_probe(
            size, seconds, campaign.init_times, _largest(campaign, batch, speed), batch
        )
    assert speed is not None
    campaign.speeds[batch] = speed


def _largest(campaign: Campaign, batch: int, speed: float) -> int:
    """Largest input that one run can take, by what its output lines take so far."""
    last = [records[-1].output for records in campaign.records.values()]
    settings = campaign.settings
    return sizes.largest_size(
        batch_size=batch,
        speed=speed,
        init_seconds=campaign.init_mean,
        timeout_seconds=settings.timeout_seconds,
        output_bytes_per_record=max((o.bytes / o.lines for o in last if o and o.lines), default=0),
        stdout_limit=settings.stdout_limit,
    )


def _first_loads(campaign: Campaign) -> dict[int, Load]:
    """The load of each batch size that fits, as the budget allows."""
    settings = campaign.settings
    bound = settings.max_relative_half_width
    work = _work_wanted(campaign)
    speeds = {batch: campaign.speeds[batch] for batch in campaign.open(campaign.speeds)}
    wanted = {
        batch: min(
            sizes.load_size(speed, work, batch, bound),
            _largest(campaign, batch, speed),
        )
        for batch, speed in speeds.items()
    }
    cut = sizes.within_budget(
        wanted,
        speeds,
        fixed_seconds=campaign.fixed_seconds,
        repeats=settings.repeats,
        seconds_left=campaign.left - settings.repeats * campaign.fixed_seconds,  # the init runs
    )
    if cut != wanted:
        campaign.tell("the budget does not reach for the sizes wanted: shorter inputs are taken")
    return {batch: Load(size, batch) for batch, size in cut.items()}


def _improve(campaign: Campaign, loads: dict[int, Load]) -> bool:
    """Larger inputs, or more repeats, for what falls short; False where nothing can be done."""
    settings = campaign.settings
    short = [batch for batch in campaign.open(loads) if _falls_short(campaign, loads[batch])]
    if campaign.spent or not short:
        return False
    grown, again = [], []
    for batch in short:
        size = _grown(campaign, loads[batch])
        load = Load(size, batch) if size else loads[batch]
        cost = settings.repeats * campaign.expected(load)
        if size and cost * len(short) <= sizes.BUDGET_SHARE * campaign.left:
            loads[batch] = load
            grown.append(load)
        elif len(campaign.accepted(loads[batch])) < settings.max_repeats:
            again.append(loads[batch])
    wanted = {settings.init: len(campaign.counted(settings.init)) + settings.repeats}
    for what, chosen in (("larger inputs", grown), ("more repeats", again)):
        if chosen:
            names = ", ".join(load.name for load in chosen)
            campaign.tell(f"{what} where the speed is not known well enough: {names}")
        for load in chosen:
            count = len(campaign.counted(load)) + settings.repeats
            wanted[load] = min(count, settings.max_repeats)
    if grown or again:
        campaign.fill(wanted)
    return bool(grown or again)


def _falls_short(campaign: Campaign, load: Load) -> bool:
    if campaign.settings.aim == "seconds":
        return campaign.work(load) < _work_wanted(campaign)
    return campaign.rps(load).value is None


def _grown(campaign: Campaign, load: Load) -> int | None:
    """Input size that should do; None where no larger one would, or can be run."""
    settings, work = campaign.settings, campaign.work(load)
    needed: float | None
    if settings.aim == "seconds":
        needed = 1.1 * load.input_size * _work_wanted(campaign) / work if work > 0 else None
    else:
        needed = needed_input_size(
            campaign.init_times,
            campaign.times(load),
            settings.init.input_size,
            load.input_size,
            max_relative_half_width=settings.max_relative_half_width,
        )
    if needed is None:
        return None
    speed = load.input_size / work if work > 0 else campaign.speeds[load.batch_size]
    most = _largest(campaign, load.batch_size, speed)
    size = min(sizes.whole_batches(needed, load.batch_size), most)
    return size if size > load.input_size else None


def _work_wanted(campaign: Campaign) -> float:
    settings = campaign.settings
    return sizes.wanted_work(
        campaign.init_times, settings.repeats, settings.aim, settings.max_relative_half_width
    )
