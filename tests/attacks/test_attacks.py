"""A hostile container gets nowhere, and what it tried stands in the evidence.

It runs under the options of every measured run; nothing here is switched on for the test.
"""

from __future__ import annotations

import os

import pytest
from calibrated_runs import MIB, leftovers, make_spec, measure_spec

pytestmark = [pytest.mark.engine, pytest.mark.usefixtures("own_lock", "calibrated_image")]


def attempts(run):
    """What was tried -> what came of it."""
    return {attempt["tried"]: attempt for attempt in run.attempts}


def attack(engine, folder, kind, *args, **more):
    run = measure_spec(engine, folder, make_spec("--attack", kind, *args, **more))
    tried = attempts(run)
    assert len(tried) >= 5, run.files.stderr.read_text()
    assert all(attempt["kind"] == kind for attempt in tried.values())
    # It went on as if nothing were: the measurement stands, the attempts beside it.
    assert run.record.verdict.valid, run.record.verdict
    assert f'"kind": "{kind}"' in run.record.output.stderr_tail
    assert leftovers(engine, folder) == []
    return run, tried


@pytest.mark.parametrize("kind", ["network", "host", "root", "privileges"])
def test_nothing_succeeds(engine, tmp_path, kind):
    _, tried = attack(engine, tmp_path, kind)
    succeeded = {name: a["outcome"] for name, a in tried.items() if a["succeeded"]}
    assert succeeded == {}


def test_the_options_that_hold_it_are_in_the_record(engine, tmp_path):
    run, _ = attack(engine, tmp_path, "privileges")
    options = run.record.options
    assert options["network_mode"] == "none"
    assert options["read_only"] is True
    assert options["cap_drop"] == ["ALL"]
    assert options["security_opt"] == ["no-new-privileges"]
    assert options["memswap_limit"] == options["mem_limit"]
    assert options["pids_limit"] == 256


def test_disk_can_be_filled_in_memory_alone_and_to_its_bound(engine, tmp_path):
    limits = {"tmpfs": 64 * MIB, "shm": 16 * MIB, "memory": 512 * MIB}
    run, tried = attack(engine, tmp_path, "disk", "--fill", "256", **limits)
    assert not any(attempt["succeeded"] for attempt in tried.values())
    outcome = {name.rsplit(" in ", 1)[1]: a["outcome"] for name, a in tried.items()}
    assert "No space left on device after 64 MiB" in outcome["/tmp"]
    assert "No space left on device after 16 MiB" in outcome["/dev/shm"]
    for folder in ("/", "/var/tmp", "/model"):
        assert "after" not in outcome[folder]  # not one byte
    assert run.record.totals.ram_cgroup_peak_bytes >= 64 * MIB  # what it filled is its memory


def test_what_is_written_to_tmp_counts_against_the_memory_limit(engine, tmp_path):
    spec = make_spec(
        "--attack", "disk", "--fill", "400", tmpfs=400 * MIB, shm=16 * MIB, memory=128 * MIB
    )
    run = measure_spec(engine, tmp_path, spec)
    assert run.codes == ["oom_killed"]
    assert leftovers(engine, tmp_path) == []


def test_memory_stops_at_the_limit_without_swap(engine, tmp_path):
    spec = make_spec("--fail", "oom", memory=128 * MIB)
    run = measure_spec(engine, tmp_path, spec)
    assert run.codes == ["oom_killed"]
    # The parent also counts what the engine used below it to set the container up.
    assert run.record.totals.ram_cgroup_peak_bytes <= 132 * MIB
    assert run.record.totals.ram_anon_peak_bytes <= 128 * MIB


def test_the_process_table_is_safe_from_5000_forks(engine, tmp_path):
    run = measure_spec(engine, tmp_path, make_spec("--fail", "forks", processes=100))
    forked = run.events["forked"]
    assert forked["processes"] < 100
    assert "unavailable" in forked["refused"]
    assert run.record.totals.processes_peak <= 100


def test_output_cannot_fill_the_disk(engine, tmp_path):
    limits = {"stdout": 5 * MIB, "stderr": 1 * MIB}
    for mode in ("flood-stdout", "flood-stderr"):
        run = measure_spec(engine, tmp_path, make_spec("--fail", mode, "--flood", "2000", **limits))
        assert run.codes == ["output_limit"]
        size = run.files.predictions.stat().st_size + run.files.stderr.stat().st_size
        assert size <= 6 * MIB


def test_five_thousand_children_and_a_deaf_one_are_gone_afterwards(engine, tmp_path):
    """Ignores TERM with children around: one kill ends the whole tree."""
    spec = make_spec("--fail", "ignore-term", "--children", "20", timeout_seconds=2.0)
    run = measure_spec(engine, tmp_path, spec)
    assert run.codes == ["timeout"]
    assert run.record.exit.killed_by_harness == "timeout"
    assert leftovers(engine, tmp_path) == []
    names = [
        entry.name
        for entry in os.scandir("/proc")
        if entry.name.isdigit() and b"ignore-term" in command_line(entry.name)
    ]
    assert names == []


def command_line(pid):
    try:
        with open(f"/proc/{pid}/cmdline", "rb") as file:
            return file.read()
    except OSError:
        return b""
