"""The sampler: a thread that reads a run's counters at fixed rates, from before its start on.

Three clocks in one loop: cgroup counters at ``rate_hz`` (a 20 ms peak is seen whole at 100 Hz),
the log line, the processes' own high-water marks and the GPUs at ``log_hz``, and PSS at ``pss_hz``
or, where it is cheap, more often: reading it walks page tables (11 ms a GiB), so its pace is what
keeps it below a share of a core.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Protocol

from morocco.formats.log import Sample
from morocco.formats.record import Sampling
from morocco.sampling.carrier import Carrier
from morocco.sampling.memory import read_high_water, read_pss
from morocco.sampling.tree import Counters
from morocco.suite.model import SamplingRates


class GpuReading(Protocol):
    """What one look at the GPUs gives to the log."""

    @property
    def gpu_usage(self) -> float | None: ...
    @property
    def gpu_ram(self) -> int | None: ...


class GpuSource(Protocol):
    """GPU figures of a run's processes: ``morocco.sampling.nvml.GpuWatch``."""

    def read(self, pids: frozenset[int]) -> GpuReading: ...


_PSS_CORE_SHARE = 0.004  # of a core that reading PSS at a steady size may use
_PSS_FASTEST_SECONDS = 0.02
# A new peak of anonymous memory this much above the last look at PSS calls for another once growth
# has paused: looks while it grows see nothing that the one after does not.
_PSS_GROWTH = 1.1
_PSS_GROWTH_BYTES = 2**20
_STEADY_SECONDS = 0.05
_STEADY_CHANGE = 0.01
# Anonymous memory hardly grows while what is charged stands still (the kernel charges by 256 KiB a
# core): only if page cache gives way to it in the same moment. Then it is seen ten times a second.
_AT_REST_SECONDS = 0.1
# A rise of what is charged by so much has the processes' own marks looked at in the same tick: the
# statistics may be late, and the process gone before the next look.
_RISE = 1.005
_RISE_BYTES = 2**19
# time.sleep costs 30 µs less than waiting for an event, but cannot be cut short.
_SLEEP_SECONDS = 0.02
_EDGE_TICKS = 300  # 3 s at 100 Hz: the start and exit lie well within


@dataclass
class Peak:
    """A running maximum that keeps its first values, so that the start can be set afterwards."""

    largest: int | None = None
    first: list[tuple[float, int]] = field(default_factory=list)  # s since the epoch, value

    def take(self, value: int) -> None:
        if len(self.first) < _EDGE_TICKS:
            self.first.append((time.time(), value))
        else:
            self.largest = max(self.largest or 0, value)

    def since(self, started_at: float | None) -> int | None:
        known = [value for moment, value in self.first if moment >= (started_at or 0.0)]
        known += [self.largest] if self.largest is not None else []
        # A run shorter than the pause between two looks: the set-up process bounds it from above.
        return max(known) if known else max((value for _, value in self.first), default=None)


@dataclass(frozen=True)
class Peaks:
    """Largest values seen, bytes."""

    anon_bytes: int | None
    pss_bytes: int | None
    processes: int | None
    pss_refused: bool  # the kernel did not let us read a process's map


@dataclass(frozen=True)
class CpuSample:
    """A look at the run; CPU time as the counter gives it, from which the log's rates are made."""

    timestamp: float
    cpu_seconds: float | None
    ram: int | None
    gpu_usage: float | None
    gpu_ram: int | None


@dataclass
class Sampler:
    """Samples one run between ``start()`` and ``stop()``; results are valid after ``stop()``."""

    cgroup: Counters | None
    rates: SamplingRates
    gpu: GpuSource | None = None
    carrier: Carrier | None = None  # followed where there is an engine
    samples: list[CpuSample] = field(default_factory=list)
    _anon: Peak = field(default_factory=Peak)
    _pss: Peak = field(default_factory=Peak)
    _processes: Peak = field(default_factory=Peak)
    _pss_last: int | None = None
    _anon_last: int | None = None
    _pss_refused: bool = False
    _pss_seconds: float = 0.0
    _steady_anon: int = 0
    _steady_since: float = 0.0
    _not_anon: dict[int, int] = field(default_factory=dict)  # pid -> most file and shared pages
    _anon_at_pss: int = 0
    _charged: int | None = None
    _anon_due: float = 0.0
    _low: int = 0  # least that was charged since the last rise
    _ticks: int = 0
    _pss_ticks: int = 0
    _longest_gap: float = 0.0
    _cpu_seconds: float = 0.0
    _cpu_first_ticks: list[tuple[float, float]] = field(default_factory=list)
    _cpu_last_ticks: deque[tuple[float, float]] = field(
        default_factory=lambda: deque(maxlen=_EDGE_TICKS)
    )
    _gpu_last: tuple[float | None, int | None] = (None, None)
    _stop: threading.Event = field(default_factory=threading.Event)
    _thread: threading.Thread | None = None

    def start(self) -> None:
        self._thread = threading.Thread(target=self._loop, name="sampler", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        self._stop.set()
        if self._thread:
            self._thread.join()

    def peaks(self, started_at: float | None, at_most: int | None = None) -> Peaks:
        """Peaks since ``started_at``: before, the engine's own set-up process is in the cgroup.

        Σ PSS holds all anonymous memory, so its peak is no less than that one's, which is seen
        far more often. ``at_most``: what the kernel counted of the whole cgroup, which bounds the
        anonymous part where file pages came and went between two looks at a process's own mark.
        """
        anon, pss = self._anon.since(started_at), self._pss.since(started_at)
        if anon is not None and at_most is not None:
            anon = min(anon, at_most)
        return Peaks(
            anon,
            None if pss is None else max(pss, anon or 0),
            self._processes.since(started_at),
            self._pss_refused,
        )

    def summary(self) -> Sampling:
        return Sampling(
            rate_hz=self.rates.rate_hz,
            samples=self._ticks,
            longest_gap_seconds=self._longest_gap,
            pss_samples=self._pss_ticks,
            sampler_cpu_seconds=self._cpu_seconds,
            log_rate_hz=self.rates.log_hz,
        )

    def _loop(self) -> None:
        period = 1 / self.rates.rate_hz
        pause_for = time.sleep if period <= _SLEEP_SECONDS else self._stop.wait
        begin = last = time.monotonic()
        next_log = next_pss = begin
        tick = 0
        while not self._stop.is_set():
            now = time.monotonic()
            self._longest_gap = max(self._longest_gap, now - last)
            last = now
            self._tick(now)
            if now >= next_pss or self._has_grown(now):
                self._look_at_processes()
                pause = max(self._pss_seconds / _PSS_CORE_SHARE, _PSS_FASTEST_SECONDS)
                next_pss = time.monotonic() + min(pause, 1 / self.rates.pss_hz)
            if now >= next_log:
                pids = self.cgroup.pids() if self.cgroup else frozenset()
                self._log(time.time(), pids)
                self._look_at_high_water(pids)
                if self.carrier:
                    self.carrier.look(pids)
                next_log = max(next_log + 1 / self.rates.log_hz, now)
            tick = max(tick + 1, int((time.monotonic() - begin) / period))
            pause_for(max(0.0, begin + tick * period - time.monotonic()))
        self._cpu_seconds = time.thread_time()

    def _tick(self, now: float) -> None:
        self._ticks += 1
        if self.cgroup is None:
            return
        charged = self.cgroup.charged_bytes()
        if charged is None or charged != self._charged or now >= self._anon_due:
            self._charged, self._anon_due = charged, now + _AT_REST_SECONDS
            self._take_anon(self.cgroup.anon_bytes())
        if charged is not None:
            self._low = min(self._low, charged) if self._low else charged
            if charged > self._low * _RISE + _RISE_BYTES:
                self._low = charged
                self._look_at_high_water(self.cgroup.pids())
        cpu = self.cgroup.cpu_seconds()
        if cpu is not None:
            edge = self._cpu_first_ticks
            (edge if len(edge) < _EDGE_TICKS else self._cpu_last_ticks).append((time.time(), cpu))

    def _has_grown(self, now: float) -> bool:
        anon = self._anon_last or 0
        if abs(anon - self._steady_anon) > _STEADY_CHANGE * self._steady_anon:
            self._steady_anon, self._steady_since = anon, now
        steady = now - self._steady_since >= _STEADY_SECONDS
        return steady and anon > self._anon_at_pss * _PSS_GROWTH + _PSS_GROWTH_BYTES

    def _take_anon(self, anon: int | None) -> None:
        if anon is not None:
            self._anon_last = anon
            self._anon.take(anon)

    def _look_at_processes(self) -> None:
        if self.cgroup is None:
            return
        pids = self.cgroup.pids()
        if not pids:
            return
        self._pss_ticks += 1
        self._processes.take(len(pids))
        self._anon_at_pss = max(self._anon_at_pss, self._anon_last or 0)
        begin = time.monotonic()
        reading = read_pss(pids)
        self._pss_seconds = time.monotonic() - begin
        self._pss_refused |= reading.refused > 0
        if reading.total_bytes is not None and not reading.refused:
            self._pss_last = reading.total_bytes
            self._pss.take(reading.total_bytes)
            # The kernel brings cgroup statistics up to date late for small changes (some MiB);
            # the processes' own maps are exact.
            self._take_anon(reading.anon_bytes)

    def _look_at_high_water(self, pids: frozenset[int]) -> None:
        """A peak between two looks, or one that the cgroup's statistics were late for.

        Linux 6 brings ``memory.stat`` up to date now and then only: a spike of 400 MiB was seen
        250 ms long as 207. A process keeps its own mark. Less all file pages ever seen in it, it
        bounds the anonymous peak of the whole run from below, exactly where one process spikes.
        """
        for pid in pids:
            mark = read_high_water(pid)
            if mark is not None:
                other = max(self._not_anon.get(pid, 0), mark.not_anon_bytes)
                self._not_anon[pid] = other
                self._anon.take(mark.rss_bytes - other)

    def _log(self, timestamp: float, pids: frozenset[int]) -> None:
        if self.gpu is not None:
            reading = self.gpu.read(pids)
            self._gpu_last = (reading.gpu_usage, reading.gpu_ram)
        cpu = self.cgroup.cpu_seconds() if self.cgroup else None
        known = [size for size in (self._pss_last, self._anon_last) if size is not None]
        ram = max(known) if known else None
        self.samples.append(CpuSample(timestamp, cpu, ram, *self._gpu_last))

    def cpu_at(self, moment: float) -> float | None:
        """CPU seconds used until ``moment`` (s since the epoch), between the nearest ticks."""
        return interpolate([*self._cpu_first_ticks, *self._cpu_last_ticks], moment)


def interpolate(points: Iterable[tuple[float, float]], at: float) -> float | None:
    """Value at ``at`` on the line through ``points`` (rising times); the end's value outside."""
    before: tuple[float, float] | None = None
    for moment, value in points:
        if moment >= at:
            if before is None or moment == before[0]:
                return value
            share = (at - before[0]) / (moment - before[0])
            return before[1] + share * (value - before[1])
        before = (moment, value)
    return before[1] if before else None


def frame_samples(
    samples: list[CpuSample],
    started_at: float,
    finished_at: float,
    cpu_at_start: float | None,
    cpu_total: float | None,
) -> list[Sample]:
    """The log as published: first record at container start, last at its exit.

    ``cpu_at_start`` is what the engine used inside the cgroup to set the container up. The log's
    integral of cpu_usage is the run's total less that.
    """
    known = cpu_total is not None and cpu_at_start is not None
    framed = [Sample(started_at, 0.0 if known else None, 0, None, None)]
    used, before = cpu_at_start or 0.0, started_at
    for sample in samples:
        if not started_at < sample.timestamp < finished_at:
            continue
        usage = None
        if known and sample.cpu_seconds is not None:
            # From counter to counter: the first interval began before the start.
            usage = max(0.0, sample.cpu_seconds - used) / (sample.timestamp - before)
            used = max(used, sample.cpu_seconds)
        framed.append(Sample(sample.timestamp, usage, sample.ram, sample.gpu_usage, sample.gpu_ram))
        before = sample.timestamp
    end = framed[-1]
    rest = max(0.0, (cpu_total or 0.0) - used) / max(finished_at - before, 1e-3) if known else None
    framed.append(Sample(finished_at, rest, end.ram, end.gpu_usage, end.gpu_ram))
    return framed
