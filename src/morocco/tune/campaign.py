"""The runs of a tuning so far: what they cost, what they say, which batch sizes go on."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from morocco.estimate.results import Estimate, absent
from morocco.estimate.speed import estimate_rps
from morocco.formats.record import DISTURBED_REASONS, MODEL_REASONS, RunRecord
from morocco.screen.settle import judge_runs
from morocco.suite.model import Load
from morocco.tune.choose import out_of_memory, own_fault
from morocco.tune.results import FAILED, OUT_OF_MEMORY, Settings

Measure = Callable[[Load, int, int], RunRecord]  # load, index, round
Tell = Callable[[str], None]
ATTEMPTS = 3  # times the repeats: disturbed runs and outliers are replaced within that


@dataclass(frozen=True)
class Ended:
    """Why a batch size takes no more runs."""

    status: str
    reason: str


class Campaign:
    """``measure`` makes a run, ``clock`` (monotonic, s) says what it cost, ``tell`` gets a line."""

    def __init__(
        self, settings: Settings, measure: Measure, clock: Callable[[], float], tell: Tell
    ) -> None:
        self.settings = settings
        self.tell = tell
        self.records: dict[Load, list[RunRecord]] = {}
        self.ended: dict[int, Ended] = {}  # by batch size
        self.speeds: dict[int, float] = {}  # records/s by batch size, from probes
        self.spent = False  # something was left out for want of time
        self.planned_with = 0  # first init runs: they size the others and are no estimate's
        self._measure = measure
        self._clock = clock
        self._begin = clock()
        self._overheads: list[float] = []  # s of a run beside its wall time

    @property
    def used(self) -> float:
        return self._clock() - self._begin

    @property
    def left(self) -> float:
        return max(0.0, self.settings.budget_seconds - self.used)

    @property
    def init_times(self) -> list[float]:
        return self.times(self.settings.init)

    @property
    def init_mean(self) -> float:
        return statistics.fmean(self.init_times)

    @property
    def fixed_seconds(self) -> float:
        """Of each run, whatever its size: start, load and what the harness needs around it."""
        around = statistics.median(self._overheads) if self._overheads else 1.0
        return (self.init_mean if self.init_times else 1.0) + around

    def counted(self, load: Load) -> list[RunRecord]:
        """Valid runs that lie with the rest: a suite's screening, without its rounds.

        Of the init runs those that took turns with the others, or a drift of the machine since
        the first ones would pass for work.
        """
        first = self.planned_with if load == self.settings.init else 0
        return _accepted(self.records.get(load, [])[first:])

    def accepted(self, load: Load) -> list[RunRecord]:
        """The runs that estimates rest on: ``counted``, all where these are fewer than two."""
        runs = self.counted(load)
        return runs if len(runs) > 1 else _accepted(self.records.get(load, []))

    def times(self, load: Load) -> list[float]:
        """Wall times, s, of the accepted runs."""
        return [record.clock.wall_seconds for record in self.accepted(load) if record.clock]

    def work(self, load: Load) -> float:
        """T_N − T_init, s; 0 without an accepted run."""
        times = self.times(load)
        return statistics.fmean(times) - self.init_mean if times else 0.0

    def rps(self, load: Load) -> Estimate:
        settings = self.settings
        if not self.accepted(load):
            return absent("records/s", f"no accepted run of {load.name}")
        return estimate_rps(
            self.init_times,
            self.times(load),
            settings.init.input_size,
            load.input_size,
            max_relative_half_width=settings.max_relative_half_width,
        )

    def expected(self, load: Load) -> float:
        """Seconds that a run should take, all around it included."""
        if load == self.settings.init or load.batch_size not in self.speeds:
            return self.fixed_seconds
        return self.fixed_seconds + load.input_size / self.speeds[load.batch_size]

    def affords(self, seconds: float) -> bool:
        """Would a run of so many seconds end within the budget? Remembers it if not."""
        fits = self.used + seconds <= self.settings.budget_seconds
        self.spent |= not fits
        return fits

    def take(self, load: Load) -> RunRecord:
        """One more run of ``load``, whatever the budget; its batch size may end by it."""
        known = self.records.setdefault(load, [])
        index = len(known) + 1
        begun = self._clock()
        record = self._measure(load, index, 1 + (index - 1) // self.settings.repeats)
        if record.clock:
            around = self._clock() - begun - record.clock.wall_seconds
            self._overheads.append(max(0.0, around))
        known.append(record)
        self.tell(run_line(load, record, self.settings.memory_limit))
        if load != self.settings.init:
            self._judge(load, record)
        return record

    def _judge(self, load: Load, record: RunRecord) -> None:
        if why := out_of_memory(record, self.settings.memory_limit):
            self.ended[load.batch_size] = Ended(OUT_OF_MEMORY, why)
            return
        why = own_fault(record)
        faults = sum(own_fault(known) is not None for known in self.records[load])
        if why and (faults > 1 or not self.accepted(load)):
            self.ended[load.batch_size] = Ended(FAILED, why)

    def goes_on(self, load: Load) -> bool:
        return load == self.settings.init or load.batch_size not in self.ended

    def open(self, batches: Iterable[int]) -> list[int]:
        return [batch for batch in batches if batch not in self.ended]

    def fill(self, wanted: Mapping[Load, int]) -> None:
        """Run the loads in turns until each has its counted runs or may not go on."""
        limits = {
            load: len(self.records.get(load, ())) + ATTEMPTS * (count - len(self.counted(load)))
            for load, count in wanted.items()
        }
        ran = True
        while ran:
            ran = False
            for load, count in wanted.items():
                if (
                    self.goes_on(load)
                    and len(self.counted(load)) < count
                    and len(self.records.get(load, ())) < limits[load]
                    and self.affords(self.expected(load))
                ):
                    self.take(load)
                    ran = True


def _accepted(records: Sequence[RunRecord]) -> list[RunRecord]:
    taken = {state.index for state in judge_runs(records) if state.accepted} if records else ()
    return [record for record in records if record.id.index in taken]


def has_run_through(record: RunRecord) -> bool:
    """Did the model do all its work, disturbed or not? Its time then shows about how fast it is."""
    codes = {reason.code for reason in record.verdict.reasons}
    return record.clock is not None and not codes & (MODEL_REASONS | {"killed", "gpu_lost"})


def run_line(load: Load, record: RunRecord, memory_limit: int) -> str:
    """``2000 records at batch size 32: 1.234 s, valid``"""
    wall = f"{record.clock.wall_seconds:.3f} s" if record.clock else "did not start"
    if out_of_memory(record, memory_limit):
        what = "out of memory"
    elif record.verdict.valid:
        what = "valid"
    else:
        codes = [reason.code for reason in record.verdict.reasons]
        what = "disturbed" if set(codes) <= DISTURBED_REASONS else "invalid"
        what += f" ({', '.join(codes)})"
    return f"{count_records(load.input_size)} at batch size {load.batch_size}: {wall}, {what}"


def count_records(count: int) -> str:
    return "one record" if count == 1 else f"{count} records"
