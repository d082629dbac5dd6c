"""High-water marks of processes: a peak that no sample saw."""

from __future__ import annotations

import subprocess
import sys
import time

from morocco.sampling.memory import read_high_water
from morocco.sampling.sampler import Sampler
from morocco.suite.model import SamplingRates

MIB = 2**20
SPIKE = "b = bytearray(200 << 20); del b; print(flush=True); input()"


class Stale:
    """A cgroup whose statistics never hear of the spike."""

    def __init__(self, pid):
        self.pid = pid

    def pids(self):
        return frozenset({self.pid})

    def charged_bytes(self):
        return None

    def anon_bytes(self):
        return 5 * MIB

    def cpu_seconds(self):
        return 0.0


def spiked():
    process = subprocess.Popen(
        [sys.executable, "-c", SPIKE], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    process.stdout.readline()
    return process


def test_a_peak_is_remembered_after_it_is_over():
    with spiked() as process:
        mark = read_high_water(process.pid)
        process.communicate(b"\n")
    assert 200 * MIB <= mark.rss_bytes < 260 * MIB
    assert MIB < mark.not_anon_bytes < 60 * MIB
    assert read_high_water(process.pid) is None


def test_the_sampler_takes_it_for_the_anonymous_peak():
    with spiked() as process:
        sampler = Sampler(Stale(process.pid), SamplingRates())
        sampler.start()
        time.sleep(0.2)
        sampler.stop()
        process.communicate(b"\n")
    peaks = sampler.peaks(None)
    assert 200 * MIB <= peaks.anon_bytes < 225 * MIB
    # All anonymous memory is part of Σ PSS: its peak cannot have been lower.
    assert peaks.pss_bytes == peaks.anon_bytes
