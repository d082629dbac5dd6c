"""Speed from logs of the first MOROCCO, whose clock started too late.

It wrote all of the input before it looked for the container's process and took its first sample.
With a large input that write blocks until the model begins to read, so the log lacks the run's
first seconds, while the init time of the small runs is subtracted in full: the speed comes out too
high. What is missing shows in the log itself: the same start-up (memory growing as libraries and
weights are read, first memory on the GPU) comes earlier on the late clock than on the right one.
"""

from __future__ import annotations

import itertools
import math
import statistics
from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass

from morocco.estimate.intervals import t_quantile
from morocco.formats.log import Sample, wall_seconds

START_SAMPLES = 1000  # of the start-up, more than five minutes at three samples a second
LEVELS = 25  # of memory at which start-ups are compared
PROFILES = 15  # init runs to compare with; more would cost time and tell nothing new
# A clock that is right begins within two sampling intervals of the start (some 10 MB of RAM in the
# archived campaign); the late ones began when imports were done, after about 3 s (some 300 MB).
LATE_SECONDS = 0.7
MAX_SPREAD = 0.5  # s; start-ups whose shapes differ more than this are not the same start-up
RAM_FLOOR = 0.05  # s; what remains of sampling three times a second after interpolation (measured)
# Standard error of the median over that of the mean, normal values; 1.2533 in the limit
# (David & Nagaraja, Order Statistics, 2003, 2.5 and 8.6).
MEDIAN_FACTOR = {1: 1.0, 2: 1.0, 3: 1.160, 4: 1.092, 5: 1.198, 6: 1.135, 7: 1.214}


@dataclass(frozen=True)
class RunShape:
    """What one archived log says, in little room. Times in s after its first sample."""

    input_size: int
    batch_size: int
    index: int
    started: float  # s since the epoch
    wall: float
    samples: int
    interval: float  # median time between samples
    first_ram: int | None  # bytes
    ram_peak: int | None
    gpu_peak: int | None
    first_gpu: float | None  # first sample with memory on a GPU
    start: tuple[tuple[float, int], ...]  # (time, largest RAM so far), up to first GPU memory

    @property
    def name(self) -> str:
        return f"{self.input_size}_{self.batch_size}_{self.index:02d}"

    @property
    def blind(self) -> bool:
        """The sampler never found the process (PID 0, a container not yet started)."""
        return self.ram_peak is None


def run_shape(name: tuple[int, int, int], samples: Sequence[Sample]) -> RunShape:
    """``name``: input size, batch size, index."""
    zero = samples[0].timestamp
    first_gpu = next((s.timestamp - zero for s in samples if s.gpu_ram), None)
    start: list[tuple[float, int]] = []
    for sample in samples[:START_SAMPLES]:
        at = sample.timestamp - zero
        if first_gpu is not None and at > first_gpu:
            break
        if sample.ram is not None:
            start.append((at, max(sample.ram, start[-1][1] if start else 0)))
    steps = [b.timestamp - a.timestamp for a, b in itertools.pairwise(samples)]
    return RunShape(
        *name,
        started=zero,
        wall=wall_seconds(samples),
        samples=len(samples),
        interval=statistics.median(steps) if steps else 0.0,
        first_ram=samples[0].ram,
        ram_peak=max((s.ram for s in samples if s.ram is not None), default=None),
        gpu_peak=max((s.gpu_ram for s in samples if s.gpu_ram is not None), default=None),
        first_gpu=first_gpu,
        start=tuple(start),
    )


def is_late(run: RunShape, init: Sequence[RunShape]) -> bool:
    """The first sample shows memory that the init runs reached clearly after their start."""
    profiles = [shape.start for shape in init[:PROFILES] if shape.start]
    if run.first_ram is None or not profiles:
        return False
    reached = statistics.median(_reached(profile, run.first_ram) for profile in profiles)
    return reached > LATE_SECONDS


def _reached(profile: Sequence[tuple[float, int]], level: float) -> float:
    """When memory was first at ``level``: 0 if from the start, infinite if never."""
    if profile[0][1] >= level:
        return 0.0
    time = _crossing(profile, level)
    return math.inf if time is None else time


@dataclass(frozen=True)
class Delay:
    """How much of a run's start its log lacks."""

    seconds: float
    sd: float  # of its error that repeats do not average out
    marker: str


def missing_start(run: RunShape, init: Sequence[RunShape]) -> Delay | None:
    """Time of the start-up in the init runs minus that in ``run``; None where it cannot be told.

    Two markers: first GPU memory, exact to one sampling interval (uniform error); and the times at
    which RAM grows past 25 levels, interpolated, of which the median counts. They are weighted by
    the inverse of their variances; where they contradict each other (3 sigma), GPU memory stands,
    with the contradiction as its uncertainty.
    """
    gpu = _delay_by_gpu(run, init)
    ram = _delay_by_ram(run, init)
    if gpu is None or ram is None:
        return gpu or ram
    apart = abs(gpu.seconds - ram.seconds)
    if apart > 3 * math.hypot(gpu.sd, ram.sd):
        return Delay(gpu.seconds, math.hypot(gpu.sd, apart / 2), gpu.marker)
    weights = (gpu.sd**-2, ram.sd**-2)
    seconds = (weights[0] * gpu.seconds + weights[1] * ram.seconds) / sum(weights)
    return Delay(seconds, sum(weights) ** -0.5, f"{gpu.marker} and {ram.marker}")


def _delay_by_gpu(run: RunShape, init: Sequence[RunShape]) -> Delay | None:
    times = [shape.first_gpu for shape in init if shape.first_gpu is not None]
    if run.first_gpu is None or not times:
        return None
    # Repeats run in step with the sampler to some 10 ms, so their errors do not average out.
    steps = [run.interval, max(shape.interval for shape in init)]
    sd = math.sqrt(sum(step**2 for step in steps) / 12) or RAM_FLOOR
    return Delay(statistics.median(times) - run.first_gpu, sd, "first GPU memory")


def _delay_by_ram(run: RunShape, init: Sequence[RunShape]) -> Delay | None:
    profiles = [shape.start for shape in init[:PROFILES] if len(shape.start) > 2]
    if len(run.start) < 3 or not profiles:
        return None
    low = 1.1 * run.start[0][1]
    # Without a GPU the start-up has no end mark: stay below what the records themselves may need.
    share = 0.95 if run.first_gpu is not None else 0.8
    high = share * min(max(ram for _, ram in profile) for profile in [*profiles, run.start])
    if high < 1.2 * low:
        return None
    apart = []
    for k in range(LEVELS):
        level = low + (high - low) * k / (LEVELS - 1)
        times = [t for profile in profiles if (t := _crossing(profile, level)) is not None]
        here = _crossing(run.start, level)
        if times and here is not None:
            apart.append(statistics.median(times) - here)
    if len(apart) < LEVELS // 2:
        return None
    first, middle, third = statistics.quantiles(apart, n=4)
    spread = (third - first) / 1.349  # the standard deviation, if normal
    if spread > MAX_SPREAD:
        return None
    # Neighbouring levels lie on the same ramp: they count as four independent ones.
    return Delay(middle, math.hypot(spread / 2, RAM_FLOOR), "growth of RAM")


def _crossing(profile: Sequence[tuple[float, int]], level: float) -> float | None:
    """When memory first reaches ``level``, interpolated; None if it starts there or never does."""
    at = bisect_left(profile, level, key=lambda point: point[1])
    if at in (0, len(profile)):
        return None
    (t0, ram0), (t1, ram1) = profile[at - 1], profile[at]
    return t0 + (t1 - t0) * (level - ram0) / (ram1 - ram0)


@dataclass(frozen=True)
class Difference:
    """T_N − T_1 in s with its 95 % interval."""

    seconds: float
    low: float
    high: float
    times: tuple[float, ...]  # corrected T_N of each run
    delay: Delay | None  # mean over the late runs; null: none was late
    late: int  # runs whose clock was late


def pooled_sd(groups: Sequence[Sequence[float]]) -> tuple[float, int] | None:
    """Common standard deviation of several small groups, and its degrees of freedom."""
    groups = [group for group in groups if len(group) > 1]
    df = sum(len(group) - 1 for group in groups)
    if not df:
        return None
    return math.sqrt(sum(statistics.variance(g) * (len(g) - 1) for g in groups) / df), df


def corrected_difference(
    load: Sequence[RunShape], init: Sequence[RunShape], init_sd: tuple[float, int]
) -> Difference | str:
    """Difference of medians with the late starts put back, or why there is none.

    ``init_sd``: spread of init times within a task, pooled over the model's tasks, as two or three
    warm runs a task say little of it. The interval (Welch–Satterthwaite) holds the spread of the
    runs, and what does not average out: the last sample lies up to one interval before the exit,
    in both groups, and the error of the missing start.
    """
    if len(load) < 2 or not init:
        return f"{len(load)} usable runs and {len(init)} init runs: at least 2 and 1 are needed"
    delays: list[Delay] = []
    times = []
    for run in load:
        seconds = run.wall
        if is_late(run, init):
            delay = missing_start(run, init)
            if delay is None:
                return f"late clock in {run.name}, and nothing in the log tells by how much"
            delays.append(delay)
            seconds += delay.seconds
        times.append(seconds)
    value = statistics.median(times) - statistics.median(run.wall for run in init)
    own = _median_variance(statistics.stdev(times), len(times))
    base = _median_variance(init_sd[0], len(init))
    fixed = sum(statistics.median(run.interval for run in runs) ** 2 / 12 for runs in (load, init))
    delay = None
    if delays:
        sd = math.sqrt(statistics.fmean(d.sd**2 for d in delays))
        delay = Delay(statistics.fmean(d.seconds for d in delays), sd, delays[0].marker)
        fixed += (sd * len(delays) / len(load)) ** 2
    variance = own + base + fixed
    spread = own**2 / (len(times) - 1) + base**2 / init_sd[1]
    half = t_quantile(variance**2 / spread if spread else 1e6) * math.sqrt(variance)
    return Difference(value, value - half, value + half, tuple(times), delay, len(delays))


def _median_variance(sd: float, n: int) -> float:
    return (MEDIAN_FACTOR.get(n, 1.2533) * sd) ** 2 / n
