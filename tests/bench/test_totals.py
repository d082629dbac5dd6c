"""Totals and peaks of real runs against what the calibrated model is known to use."""

from __future__ import annotations

import itertools

import pytest
from calibrated_runs import MIB, leftovers, make_spec, measure_spec

from morocco.sampling.cgroup import detect_layout

pytestmark = [pytest.mark.engine, pytest.mark.usefixtures("own_lock", "calibrated_image")]


def test_cpu_time_of_parent_and_children_is_exact(engine, tmp_path):
    spec = make_spec(
        "--work", "cpu", "--seconds", "0.1", "--children", "2", "--child-cpu", "0.3", cpus=2.0
    )
    run = measure_spec(engine, tmp_path, spec)
    totals = run.record.totals
    own = run.events["end"]["cpu_seconds"]
    assert own >= 0.3
    # What is above the model's own clocks: the engine's set-up in the cgroup and forks, 10s of ms.
    assert own + 0.6 <= totals.cpu_seconds <= own + 0.6 + 0.25
    assert totals.cpu_user_seconds + totals.cpu_system_seconds == pytest.approx(
        totals.cpu_seconds, abs=0.03
    )


def test_cpu_time_of_a_run_shorter_than_a_sample(engine, tmp_path):
    """The counter is read after the exit: no sampling interval can lose any of it."""
    run = measure_spec(engine, tmp_path, make_spec(size=1))
    assert run.record.totals.cpu_seconds >= run.events["end"]["cpu_seconds"]


def test_memory_shared_by_forks_counts_once(engine, tmp_path):
    spec = make_spec(
        *("--memory", "100", "--children", "1", "--child-memory", "200", "--init", "1.5")
    )
    run = measure_spec(engine, tmp_path, spec)
    totals = run.record.totals
    bare = measure_spec(engine, tmp_path, make_spec("--init", "1", size=1)).record.totals
    # The bare interpreter's own pages come on top of the 300 MiB.
    pss = totals.ram_pss_peak_bytes - bare.ram_pss_peak_bytes
    assert pss == pytest.approx(300 * MIB, rel=0.02)
    assert totals.ram_anon_peak_bytes == pytest.approx(300 * MIB, rel=0.05)
    assert totals.ram_cgroup_peak_bytes >= 300 * MIB
    assert totals.processes_peak == 2


def test_a_mapped_file_counts(engine, tmp_path):
    """Weights that are mapped are memory the model needs, though none of it is anonymous."""
    run = measure_spec(engine, tmp_path, make_spec("--map", "300", "--init", "1.5"))
    totals = run.record.totals
    assert 300 * MIB <= totals.ram_pss_peak_bytes <= 330 * MIB
    assert totals.ram_anon_peak_bytes <= 30 * MIB


def test_a_spike_of_20_ms_is_in_the_peak(engine, tmp_path):
    spec = make_spec("--spike", "400", "--spike-ms", "20", "--init", "0.3")
    run = measure_spec(engine, tmp_path, spec)
    # A busy machine may hold up the sampler for longer than the spike lasts; it says so.
    held = run.events["spike"]["seconds"]
    if run.record.sampling.longest_gap_seconds > held:
        run = measure_spec(engine, tmp_path, spec, index=2)
    assert run.record.totals.ram_anon_peak_bytes >= 400 * MIB


def test_the_log_is_framed_by_the_run_and_adds_up(engine, tmp_path):
    spec = make_spec("--work", "cpu", "--init", "0.5", "--seconds", "0.01", size=50)
    run = measure_spec(engine, tmp_path, spec)
    log, clock, totals = run.log, run.record.clock, run.record.totals
    assert log[0].timestamp == clock.started_at
    assert log[-1].timestamp == clock.finished_at
    assert clock.wall_seconds == pytest.approx(clock.finished_at - clock.started_at)
    assert clock.source == "engine"
    used = sum(
        sample.cpu_usage * (sample.timestamp - before.timestamp)
        for before, sample in itertools.pairwise(log)
    )
    # The total less what the engine used in the cgroup before the start.
    assert totals.cpu_seconds - 0.25 <= used <= totals.cpu_seconds + 0.002
    assert used >= run.events["end"]["cpu_seconds"] - 0.05
    assert all(sample.gpu_usage is None and sample.gpu_ram is None for sample in log)
    assert max(sample.ram for sample in log) <= totals.ram_pss_peak_bytes + 20 * MIB
    assert len(log) >= 4


def test_the_clock_is_the_containers_own(engine, tmp_path):
    run = measure_spec(engine, tmp_path, make_spec("--init", "0.5"))
    clock, events = run.record.clock, run.events
    # The kernel tells the start of the process in steps of 10 ms.
    assert events["main"]["process_start"] - 0.5 <= clock.started_at
    assert clock.started_at <= events["main"]["realtime"] + 0.02
    assert clock.finished_at >= events["end"]["realtime"] - 0.001
    assert clock.wall_seconds >= 0.5


def test_nothing_is_left_behind(engine, tmp_path):
    run = measure_spec(engine, tmp_path, make_spec("--children", "3"))
    assert leftovers(engine, tmp_path) == []
    assert sorted(path.name for path in run.files.record.parent.iterdir()) == [
        "3_1_01.json",
        "3_1_01.jsonl",
        "3_1_01.predictions",
        "3_1_01.stderr",
    ]
    layout = detect_layout()
    assert run.record.totals.source == f"cgroup{layout.version}"
    assert run.record.machine.cgroup_version == layout.version
