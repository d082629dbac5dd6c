"""Noise: what of the machine's work is foreign, and when it disturbs a run."""

from __future__ import annotations

import dataclasses
import os
import subprocess
import sys

import pytest

from morocco.formats.record import Noise
from morocco.sampling.noise import MachineState, compare, judge, read_machine_state
from morocco.suite.model import NoiseBounds

CORES = os.cpu_count() or 1
BEFORE = MachineState(
    moment=50.0,
    busy_seconds=1000.0,
    steal_seconds=5.0,
    engine_seconds=40.0,
    own_seconds=3.0,
    psi_seconds=100.0,
    swap_pages=7,
    thermal_events=2,
    load=0.5,
)
QUIET = Noise(0.0, 0.0, 0.0, 0, 0.0, 0.1)


def after(**more: float) -> MachineState:
    changed = {name: getattr(BEFORE, name) + value for name, value in more.items()}
    return dataclasses.replace(BEFORE, **changed)


def test_the_runs_the_engines_and_our_own_work_are_not_foreign():
    state = after(moment=10.0, busy_seconds=10.0, engine_seconds=0.5, own_seconds=0.25)
    assert compare(BEFORE, state, 9.2, 0.0).foreign_cpu_cores == 0.0
    noise = compare(BEFORE, state, 4.05, 0.0)
    # 10 - 4.05 - 0.5 - 0.25 - 0.2 for the engine's helpers = 5 s in 10 s
    assert noise.foreign_cpu_cores == pytest.approx(0.5)
    assert noise.load_before == 0.5
    # the shim used 1 s more of them
    assert compare(BEFORE, state, 4.05, 0.0, 1.0).foreign_cpu_cores == pytest.approx(0.4)


def test_shares_of_the_run():
    state = after(
        moment=10.0,
        steal_seconds=0.1 * 10 * CORES,
        psi_seconds=3.0,
        swap_pages=4,
        thermal_events=1,
    )
    noise = compare(BEFORE, state, 0.0, 1.5)
    assert noise.steal_share == pytest.approx(0.1)
    assert noise.psi_some_share == pytest.approx(0.3)
    assert (noise.swap_pages, noise.thermal_events) == (4, 1)
    assert noise.throttled_seconds == 1.5


def test_what_is_not_known_is_null_with_a_reason():
    blind = dataclasses.replace(BEFORE, psi_seconds=None, swap_pages=None, thermal_events=None)
    noise = compare(blind, after(moment=1.0), None, None)
    assert noise.foreign_cpu_cores is None
    assert noise.psi_some_share is None
    assert noise.swap_pages is None
    assert noise.thermal_events is None
    assert set(noise.absent) == {"foreign_cpu_cores", "psi_some_share", "swap_pages"}
    assert judge(noise, NoiseBounds()) == []


@pytest.mark.parametrize(
    ("field", "bound", "over", "code"),
    [
        ("foreign_cpu_cores", 0.25, 0.26, "foreign_load"),
        ("steal_share", 0.05, 0.051, "steal"),
        ("psi_some_share", 0.6, 0.61, "pressure"),
        ("swap_pages", 0, 1, "swap"),
        ("thermal_events", 0, 1, "throttled"),
    ],
)
def test_a_run_is_disturbed_above_its_bound(field, bound, over, code):
    assert judge(QUIET, NoiseBounds()) == []
    assert judge(dataclasses.replace(QUIET, **{field: bound}), NoiseBounds()) == []
    (reason,) = judge(dataclasses.replace(QUIET, **{field: over}), NoiseBounds())
    assert reason.code == code
    assert "the bound is" in reason.detail


def test_the_containers_own_quota_disturbs_nothing():
    """A model with more threads than its limit allows is held back: that is its speed there."""
    assert judge(dataclasses.replace(QUIET, throttled_seconds=9.0), NoiseBounds()) == []


def test_a_foreign_process_is_seen_on_this_machine():
    code = "import time\nwhile time.process_time() < 1.0: pass"
    command = [sys.executable, "-c", code]
    before = read_machine_state()
    # Not a child of ours: work of those we wait for counts as the harness's.
    subprocess.run(["setsid", "-f", *command], check=True)
    busy = before.busy_seconds
    while read_machine_state().busy_seconds < busy + 0.9:
        pass
    state = read_machine_state()
    noise = compare(before, state, 0.0, None)
    assert noise.foreign_cpu_cores > 0.2
    assert state.own_seconds > before.own_seconds


def test_what_an_engines_process_reaped_is_not_its_own_work():
    code = """
import os, time
open("/proc/self/comm", "w").write("containerd")
child = os.fork()
if child == 0:
    while time.process_time() < 1.0: pass
    os._exit(0)
os.waitpid(child, 0)
print(os.times().children_user + os.times().children_system, flush=True)
input()
"""
    before = read_machine_state().engine_seconds
    with subprocess.Popen(
        [sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as engine:
        assert engine.stdout
        assert float(engine.stdout.readline()) >= 0.9
        assert read_machine_state().engine_seconds - before < 0.5
        engine.communicate("\n")
