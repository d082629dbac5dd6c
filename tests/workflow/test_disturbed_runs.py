"""Runs that were killed, held up, slowed or disturbed: one call measures just those again."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import threading
import time

import pytest
from suite_runs import foreign_cores, model, owner_pid, read_stats, running, wait_until

pytestmark = [pytest.mark.engine, pytest.mark.workflow]

REPEATS = 8
# Others may run this test on this engine at the same time: each meddles with its own runs.
MODEL = f"one{os.getpid()}"
RUN = MODEL + "/terra/2_1_0{}"


def disturbing(suite, engine, plan):
    """Call the suite; ``plan``: repeat -> what is done to its container while it runs."""
    suite.write(
        model(MODEL, "--init", "0.8"),
        repeats=REPEATS,
        init_size=2,
        loads=[{"input_size": 2, "batch_size": 1}],
        screening={"rounds": 3},
        **plan.pop("options", {}),
    )
    failures = []

    def meddle(index, action):
        try:
            action(wait_until(lambda: running(engine, RUN.format(index)), 120))
        except Exception as error:
            failures.append(error)

    threads = [threading.Thread(target=meddle, args=item) for item in plan.items()]
    for thread in threads:
        thread.start()
    done = suite.call(f"results/stats/{MODEL}")
    for thread in threads:
        thread.join()
    assert not failures
    assert done.returncode == 0, done.stdout
    return suite.records()


def test_killed_held_up_and_slowed_runs_are_measured_again(suite, engine):
    def kill(entry):
        engine.api.kill(entry["Id"])

    def hold_up_the_harness(entry):
        pid = owner_pid(entry)
        os.kill(pid, signal.SIGSTOP)
        time.sleep(3)
        os.kill(pid, signal.SIGCONT)

    def slow(entry):
        engine.api.pause(entry["Id"])
        time.sleep(4)
        engine.api.unpause(entry["Id"])

    records = disturbing(suite, engine, {2: kill, 4: hold_up_the_harness, 5: slow})
    again = {record.id.index for record in records.values() if record.round > 1}
    assert again == {REPEATS + 1, REPEATS + 2, REPEATS + 3}
    codes = {
        record.id.index: [reason.code for reason in record.verdict.reasons]
        for record in records.values()
        if not record.verdict.valid
    }
    assert codes == {2: ["killed"], 4: ["sampling_gap"]}
    stats = read_stats(suite, MODEL)
    assert stats["runs_valid"] == REPEATS
    assert stats["invalid_reasons"] == {"killed": 1, "outlier": 1, "sampling_gap": 1}
    assert suite.left(engine) == []
    before = suite.state()
    assert "Nothing to be done" in suite.call(f"results/stats/{MODEL}").stdout
    assert suite.state() == before


def test_foreign_load_disturbs_a_run(suite, engine):
    if (ambient := foreign_cores()) > 0.3:
        pytest.skip(f"{ambient:.1f} cores of other people's load: no quiet to disturb")

    def burn(entry):
        code = "import time\nend = time.time() + 20\nwhile time.time() < end: pass"
        # Not below the harness: its own descendants' work is no foreign load.
        burners = [
            subprocess.Popen([sys.executable, "-c", code], start_new_session=True)
            for _ in range(os.cpu_count() or 1)
        ]
        with contextlib.suppress(AssertionError):
            wait_until(lambda: not running(engine, RUN.format(3)), 15)
        for burner in burners:
            burner.kill()
            burner.wait()

    noise = {"foreign_cores": 0.8, "steal_share": 1, "psi_share": 1, "swap_pages": 10**9}
    records = disturbing(suite, engine, {3: burn, "options": {"noise": noise}})
    assert [r.id.index for r in records.values() if r.round > 1] == [REPEATS + 1]
    (reason,) = records[RUN.format(3)].verdict.reasons
    assert reason.code == "foreign_load"
