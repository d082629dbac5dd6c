"""A machine whose truth is known: every run takes what the model below says, by its own clock."""

from __future__ import annotations

import dataclasses
import math
import random
from dataclasses import dataclass, field

from record_factory import make_record

from morocco.formats.record import Exit, Reason, RunRecord, Verdict
from morocco.suite.model import Load
from morocco.tune.results import Findings, Settings
from morocco.tune.search import search

MIB = 2**20


@dataclass
class FakeMachine:
    """T = init + N · per_record + whole batches · per_batch, with normal noise, s.

    ``growing``: noise as a share of the work. ``oom_from``: batch sizes from there run out of
    memory. ``codes``: what a run's verdict says, by its number from 1.
    """

    init: float = 1.0
    per_record: float = 0.001
    per_batch: float = 0.0
    noise: float = 0.005
    growing: float = 0.0
    overhead: float = 0.4
    oom_from: int | None = None
    fixed_mib: float = 100.0
    item_mib: float = 2.0
    gpu: bool = False
    codes: dict[int, str] = field(default_factory=dict)
    broken_batch: int | None = None
    seed: int = 1
    now: float = 0.0
    runs: list[Load] = field(default_factory=list)
    told: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.random = random.Random(self.seed)

    def speed(self, batch: int) -> float:
        return 1 / (self.per_record + self.per_batch / batch)

    def measure(self, load: Load, index: int, round: int) -> RunRecord:
        self.runs.append(load)
        size, batch = load.input_size, load.batch_size
        work = size * self.per_record + math.ceil(size / batch) * self.per_batch
        spread = math.hypot(self.noise, self.growing * work)
        wall = max(0.01, self.init + work + self.random.gauss(0, spread))
        if self.oom_from is not None and batch >= self.oom_from:
            self.now += self.init + self.overhead
            return out_of_memory_record(index, size, batch)
        self.now += wall + self.overhead
        code = self.codes.get(len(self.runs))
        peak = int((self.fixed_mib + self.item_mib * min(batch, size)) * MIB)
        if batch == self.broken_batch and size > 1:
            return make_record(index, wall, size=size, batch=batch, codes=("prediction_label",))
        return make_record(
            index,
            wall,
            size=size,
            batch=batch,
            codes=(code,) if code else (),
            pss=peak,
            gpu_ram=peak if self.gpu else None,
        )

    def tune(self, **changes: object) -> Findings:
        settings = dataclasses.replace(SETTINGS, **changes)
        return search(settings, self.measure, lambda: self.now, self.told.append)


SETTINGS = Settings(
    init=Load(1, 1),
    batch_sizes=(1, 8, 32, 128),
    repeats=5,
    budget_seconds=3600.0,
    max_relative_half_width=0.05,
    timeout_seconds=600.0,
    memory_limit=8 * 2**30,
    stdout_limit=64 * MIB,
)


def out_of_memory_record(index: int, size: int, batch: int) -> RunRecord:
    record = make_record(index, 1.0, size=size, batch=batch, predictions=None)
    reason = Reason("oom_killed", "passed the memory limit")
    return dataclasses.replace(
        record, verdict=Verdict(False, (reason,)), exit=Exit(137, True, False, None)
    )
