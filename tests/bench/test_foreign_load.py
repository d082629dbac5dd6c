"""What real runs record as foreign load: what others do, never what they do themselves."""

from __future__ import annotations

import os
import signal
import subprocess
import sys

import pytest
from calibrated_runs import make_spec, measure_spec
from suite_runs import foreign_cores, wait_until

pytestmark = [pytest.mark.engine, pytest.mark.usefixtures("own_lock", "calibrated_image")]
BURNER = """
import os, sys, time
with open(sys.argv[1], "w") as file:
    file.write(str(os.getpid()))
end = time.monotonic() + 60
while time.monotonic() < end: pass
"""
BUSY = ("--work", "cpu", "--init", "2")


def foreign_seconds(run):
    noise, clock = run.record.noise, run.record.clock
    return noise.foreign_cpu_cores * clock.harness_seconds


def test_load_beside_a_busy_container_is_seen(engine, tmp_path):
    """The model's own CPU time is taken off once: twice, it would hide as much foreign load."""
    told = tmp_path / "pid"
    # Not a child of ours: work of those we wait for counts as the harness's.
    subprocess.run(["setsid", "-f", sys.executable, "-c", BURNER, str(told)], check=True)
    wait_until(lambda: told.exists() and told.read_text())
    try:
        run = measure_spec(engine, tmp_path, make_spec(*BUSY, size=1))
    finally:
        os.kill(int(told.read_text()), signal.SIGKILL)
    # Two cores at the least share out to the two of them; a busier machine leaves it less.
    assert foreign_seconds(run) > 0.8


def test_a_runs_own_work_and_that_of_the_run_before_are_not_foreign(engine, tmp_path):
    """The engine's process of a container reaps it and outlives it by a moment."""
    if (ambient := foreign_cores()) > 0.3:
        pytest.skip(f"{ambient:.1f} cores of other people's load: no quiet here")
    for index in range(1, 4):
        busy = measure_spec(engine, tmp_path, make_spec(*BUSY, size=1), index)
        idle = measure_spec(engine, tmp_path, make_spec("--init", "1", size=1), index)
        # The tests' own processes are not foreign.
        assert foreign_seconds(busy) < 0.8
        assert foreign_seconds(idle) < 0.8
