"""The sampler: peaks, the frame of the log, CPU time at the container's start."""

from __future__ import annotations

import itertools
import threading
import time

import pytest

from morocco.sampling.memory import read_pss
from morocco.sampling.sampler import (
    CpuSample,
    Peak,
    Sampler,
    frame_samples,
    interpolate,
)
from morocco.suite.model import SamplingRates

MIB = 2**20


class Counters:
    """A run whose memory and CPU time follow the time since ``begin``."""

    def __init__(self, anon, cores=0.5):
        self.begin = time.monotonic()
        self.anon = anon
        self.cores = cores

    def pids(self):
        return frozenset()

    def charged_bytes(self):
        return None

    def anon_bytes(self):
        return self.anon(time.monotonic() - self.begin)

    def cpu_seconds(self):
        return self.cores * (time.monotonic() - self.begin)


def run_sampler(counters, seconds, **rates):
    sampler = Sampler(counters, SamplingRates(**rates))
    sampler.start()
    time.sleep(seconds)
    sampler.stop()
    return sampler


def test_the_peak_is_the_largest_of_all_samples():
    counters = Counters(lambda t: 500 * MIB if 0.2 < t < 0.3 else 100 * MIB)
    sampler = run_sampler(counters, 0.5)
    assert sampler.peaks(None).anon_bytes == 500 * MIB
    assert sampler.peaks(None).pss_bytes is None
    assert not sampler.peaks(None).pss_refused


def test_no_more_is_anonymous_than_the_kernel_counted_in_all():
    sampler = run_sampler(Counters(lambda t: 500 * MIB), 0.1)
    assert sampler.peaks(None, 450 * MIB).anon_bytes == 450 * MIB
    assert sampler.peaks(None, 900 * MIB).anon_bytes == 500 * MIB


def test_memory_at_rest_is_looked_at_less_often():
    """Reading what is anonymous is the dear part; while nothing is charged it stands still."""
    looks = []

    def anon(t):
        looks.append(t)
        return 300 * MIB if 0.3 < t < 0.32 else 100 * MIB

    counters = Counters(anon)
    counters.charged_bytes = lambda: 0.3 < time.monotonic() - counters.begin < 0.32
    sampler = run_sampler(counters, 0.6)
    assert sampler.peaks(None).anon_bytes == 300 * MIB
    assert len(looks) < 30  # of 60 ticks


def test_rates_and_its_own_cost_are_told():
    sampler = run_sampler(Counters(lambda t: MIB), 0.6, rate_hz=50, log_hz=10)
    summary = sampler.summary()
    assert summary.rate_hz == 50
    assert 2 <= summary.samples <= 32
    assert 2 <= len(sampler.samples) <= 8
    assert 0 < summary.longest_gap_seconds < 0.7
    assert 0 < summary.sampler_cpu_seconds < 0.5
    assert not any(thread.name == "sampler" for thread in threading.enumerate())


def test_a_counter_that_is_not_there_stays_none():
    class Nothing(Counters):
        def cpu_seconds(self):
            return None

    sampler = run_sampler(Nothing(lambda t: None), 0.15)
    assert sampler.peaks(None).anon_bytes is None
    assert {(sample.cpu_seconds, sample.ram) for sample in sampler.samples} == {(None, None)}
    assert sampler.cpu_at(time.time()) is None


def test_a_peak_counts_from_the_start_on():
    """Before it, the engine's own set-up process is in the cgroup."""
    peak = Peak()
    peak.first = [(1.0, 900), (2.0, 50), (3.0, 70)]
    assert peak.since(1.5) == 70
    assert peak.since(None) == 900
    # Shorter than a pause between two looks: set-up bounds it from above.
    assert peak.since(4.0) == 900
    peak.largest = 60
    assert peak.since(4.0) == 60
    assert Peak().since(None) is None


def test_pss_of_ourselves_and_of_none():
    import os

    reading = read_pss([os.getpid(), 2**22 + 1])
    assert reading.processes == 1
    assert reading.total_bytes > reading.anon_bytes > MIB
    assert read_pss([]).total_bytes is None


def test_interpolation():
    points = [(1.0, 10.0), (2.0, 20.0), (2.0, 25.0), (4.0, 29.0)]
    assert interpolate(points, 1.5) == 15.0
    assert interpolate(points, 0.0) == 10.0
    assert interpolate(points, 3.0) == 27.0
    assert interpolate(points, 9.0) == 29.0
    assert interpolate([], 1.0) is None


def sample(at, cpu, ram=MIB):
    return CpuSample(at, cpu, ram, None, None)


def integral(log):
    return sum(
        here.cpu_usage * (here.timestamp - before.timestamp)
        for before, here in itertools.pairwise(log)
    )


def test_the_frame_starts_and_ends_with_the_run_and_keeps_the_total():
    samples = [sample(9.5, 0.1), sample(10.5, 0.4), sample(11.5, 1.2), sample(12.5, 2.0)]
    log = frame_samples(samples, 10.0, 12.2, 0.2, 1.9)
    assert [row.timestamp for row in log] == [10.0, 10.5, 11.5, 12.2]
    assert log[0].cpu_usage == 0.0
    assert log[0].ram == 0
    assert integral(log) == pytest.approx(1.9 - 0.2)
    assert log[1].cpu_usage == pytest.approx((0.4 - 0.2) / 0.5)


def test_a_run_without_one_sample_has_two_lines():
    log = frame_samples([], 10.0, 10.05, 0.01, 0.05)
    assert [row.timestamp for row in log] == [10.0, 10.05]
    assert integral(log) == pytest.approx(0.04)


def test_a_log_without_counters_has_null_and_not_zero():
    log = frame_samples([sample(10.5, None)], 10.0, 11.0, None, None)
    assert [row.cpu_usage for row in log] == [None, None, None]


def test_a_counter_that_stands_still_or_falls_gives_no_negative_load():
    log = frame_samples([sample(10.2, 0.5), sample(10.4, 0.4)], 10.0, 11.0, 0.1, 0.45)
    assert all(row.cpu_usage >= 0 for row in log)
