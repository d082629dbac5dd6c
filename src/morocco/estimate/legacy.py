"""The first MOROCCO's estimator, kept to compare with and for people who need its figures.

Medians of run times, input_size over the time above the init time, median of that over all runs:
no interval, no check of any run. Known to be off: see ``morocco.estimate.speed``.
"""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass

from morocco.errors import MoroccoError
from morocco.formats.log import Sample, wall_seconds

GIB = 2**30


@dataclass(frozen=True)
class LegacyStats:
    """Exactly the object that ``main.py stats`` printed."""

    task: str
    gpu_ram: float  # GiB
    rps: float  # records/s; negative or infinite where the init time is not the smaller one


def legacy_stats(task: str, runs: Sequence[tuple[int, Sequence[Sample]]]) -> LegacyStats:
    """``runs``: (input_size, log). MoroccoError without a run of size 1 or a larger one."""
    init = [samples for size, samples in runs if size == 1]
    loads = [(size, samples) for size, samples in runs if size > 1]
    if not init:
        raise MoroccoError(f"no log of a run with input size 1 for {task}")
    if not loads:
        raise MoroccoError(f"no log of a run with an input size above 1 for {task}")
    # null counts as 0 here, as it did there
    gpu_ram = statistics.median(max(s.gpu_ram or 0 for s in samples) for samples in init)
    init_time = statistics.median(wall_seconds(samples) for samples in init)
    differences = [(size, wall_seconds(samples) - init_time) for size, samples in loads]
    if any(seconds == 0 for _, seconds in differences):
        raise MoroccoError(
            f"a larger run of {task} took exactly the init time: this estimator divides by zero"
        )
    rps = statistics.median(size / seconds for size, seconds in differences)
    return LegacyStats(task, gpu_ram / GIB, rps)
