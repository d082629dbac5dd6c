"""The sampler: a thread that reads a run's counters at fixed rates, from before its start on.

Three clocks in one loop: anonymous memory at ``rate_hz`` (a 20 ms peak is seen whole at 100 Hz),
the log line at ``log_hz``, PSS and GPU on their own slower ones (PSS walks page tables).
"""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass, field
from typing import Protocol

from morocco.formats.log import Sample
from morocco.formats.record import Sampling
from morocco.sampling.cgroup import CgroupParent
from morocco.sampling.memory import read_pss
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


@dataclass(frozen=True)
class Peaks:
    """Largest values seen, bytes."""

    anon_bytes: int | None
    pss_bytes: int | None
    processes: int | None
    pss_refused: bool  # the kernel did not let us read a process's map


@dataclass
class Sampler:
    """Samples one run between ``start()`` and ``stop()``; results are valid after ``stop()``."""

    cgroup: CgroupParent | None
    rates: SamplingRates
    gpu: GpuSource | None = None
    samples: list[Sample] = field(default_factory=list)
    _anon_peak: int | None = None
    _pss_peak: int | None = None
    _pss_last: int | None = None
    _anon_last: int | None = None
    _processes_peak: int | None = None
    _pss_refused: bool = False
    _ticks: int = 0
    _pss_ticks: int = 0
    _longest_gap: float = 0.0
    _cpu_seconds: float = 0.0
    _cpu_last: tuple[float, float] | None = None
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

    @property
    def peaks(self) -> Peaks:
        return Peaks(self._anon_peak, self._pss_peak, self._processes_peak, self._pss_refused)

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
        begin = last = time.monotonic()
        next_log = begin
        # Processes show their size only after a moment: the first look comes early, then at pss_hz.
        next_pss = begin + 0.15
        tick = 0
        while not self._stop.is_set():
            now = time.monotonic()
            self._longest_gap = max(self._longest_gap, now - last)
            last = now
            self._tick()
            if now >= next_pss:
                self._look_at_processes()
                next_pss = max(next_pss + 1 / self.rates.pss_hz, time.monotonic())
            if now >= next_log:
                self._log(time.time())
                next_log = max(next_log + 1 / self.rates.log_hz, now)
            tick = max(tick + 1, int((time.monotonic() - begin) / period))
            self._stop.wait(max(0.0, begin + tick * period - time.monotonic()))
        self._cpu_seconds = time.thread_time()

    def _tick(self) -> None:
        self._ticks += 1
        anon = self.cgroup.anon_bytes() if self.cgroup else None
        if anon is not None:
            self._anon_last = anon
            self._anon_peak = max(self._anon_peak or 0, anon)

    def _look_at_processes(self) -> None:
        if self.cgroup is None:
            return
        pids = self.cgroup.pids()
        if not pids:
            return
        self._pss_ticks += 1
        self._processes_peak = max(self._processes_peak or 0, len(pids))
        reading = read_pss(pids)
        self._pss_refused |= reading.refused > 0
        if reading.total_bytes is not None and not reading.refused:
            self._pss_last = reading.total_bytes
            self._pss_peak = max(self._pss_peak or 0, reading.total_bytes)

    def _log(self, timestamp: float) -> None:
        if self.gpu is not None:
            reading = self.gpu.read(self.cgroup.pids() if self.cgroup else frozenset())
            self._gpu_last = (reading.gpu_usage, reading.gpu_ram)
        usage = None
        cpu = self.cgroup.cpu_seconds() if self.cgroup else None
        if cpu is not None:
            if self._cpu_last is not None and timestamp > self._cpu_last[0]:
                usage = max(0.0, (cpu - self._cpu_last[1]) / (timestamp - self._cpu_last[0]))
            self._cpu_last = (timestamp, cpu)
        ram = (
            self._anon_last if self._pss_last is None else max(self._pss_last, self._anon_last or 0)
        )
        self.samples.append(Sample(timestamp, usage, ram, *self._gpu_last))


def frame_samples(
    samples: list[Sample], started_at: float, finished_at: float, cpu_seconds: float | None
) -> list[Sample]:
    """The log as published: first record at container start, last at its exit.

    Samples outside are dropped; the last record's CPU use makes the log's integral the exact total.
    """
    inside = [sample for sample in samples if started_at < sample.timestamp < finished_at]
    first = Sample(started_at, 0.0 if cpu_seconds is not None else None, 0, None, None)
    framed, used, before = [first], 0.0, started_at
    for number, sample in enumerate(inside):
        usage = sample.cpu_usage
        if usage is not None:
            if number == 0 and cpu_seconds is not None:
                # its interval began before the start: count its CPU time over the run's part
                usage = min(usage, cpu_seconds / (sample.timestamp - started_at))
            used += usage * (sample.timestamp - before)
        framed.append(Sample(sample.timestamp, usage, sample.ram, sample.gpu_usage, sample.gpu_ram))
        before = sample.timestamp
    rest = None
    if cpu_seconds is not None and finished_at > before:
        rest = max(0.0, cpu_seconds - used) / (finished_at - before)
    elif cpu_seconds is not None:
        rest = 0.0
    end = framed[-1]
    framed.append(Sample(finished_at, rest, end.ram, end.gpu_usage, end.gpu_ram))
    return framed
