"""The order of a tuning's runs and what it finds, on machines whose truth is known."""

from __future__ import annotations

import itertools

import pytest
from fake_machine import MIB, FakeMachine

from morocco.errors import MoroccoError
from morocco.estimate.results import NOT_RESOLVED
from morocco.suite.model import Load
from morocco.tune.results import FAILED, MEASURED, NOT_TRIED, OUT_OF_MEMORY


class Bursty(FakeMachine):
    """Its probes are slow: a cold cache that does not last."""

    def measure(self, load, index, round):
        self.per_record = 0.004 if len(self.runs) < 8 else 0.001
        return super().measure(load, index, round)


def point(findings, batch):
    return next(p for p in findings.points if p.batch_size == batch)


@pytest.mark.parametrize("per_record", [0.5, 0.01, 1e-4, 2e-6])
def test_speed_is_found_whatever_its_order(per_record):
    machine = FakeMachine(per_record=per_record)
    found = machine.tune(batch_sizes=(1, 8), budget_seconds=36000.0)
    for batch in (1, 8):
        rps = point(found, batch).rps
        assert rps.value == pytest.approx(1 / per_record, rel=0.05)
        assert rps.high - rps.low < 2 * 0.05 * rps.value
    assert found.choice.load.batch_size == 1
    assert found.choice.ties == (8,)


def test_sizes_grow_from_small_and_every_size_is_whole_batches():
    machine = FakeMachine(per_record=1e-5)
    machine.tune(batch_sizes=(1, 32))
    first = [x.input_size for x in machine.runs if x.batch_size == 1 and x.input_size > 1]
    probes = sorted(dict.fromkeys(first))
    assert first[: len(probes)] == probes
    assert probes[0] == 20
    assert all(b <= 45 * a for a, b in itertools.pairwise(probes))
    assert all(x.input_size % x.batch_size == 0 for x in machine.runs)


def test_best_batch_of_a_batched_model_and_the_bias_of_one_batch():
    machine = FakeMachine(per_record=1e-4, per_batch=0.05, noise=0.002)
    found = machine.tune()
    for batch in (1, 8, 32, 128):
        measured = point(found, batch)
        assert measured.edge_share <= 0.05
        assert measured.rps.low <= machine.speed(batch) * (1 + measured.edge_share)
        assert machine.speed(batch) <= measured.rps.high
    assert found.choice.load.batch_size == 128
    assert found.choice.ties == ()


def test_ties_go_to_the_smaller_batch():
    found = FakeMachine(per_record=1e-3, per_batch=3e-4, noise=0.03).tune(
        batch_sizes=(1, 32, 64, 128)
    )
    assert found.choice.load.batch_size == 32  # 991, 995 and 998 records/s
    assert found.choice.ties == (64, 128)


def test_aim_seconds_has_ten_seconds_of_work():
    machine = FakeMachine(per_record=1e-3)
    found = machine.tune(batch_sizes=(1, 8), aim="seconds")
    for batch in (1, 8):
        assert 10 <= point(found, batch).input_size * 1e-3 <= 25


def test_aim_seconds_grows_where_the_probe_took_the_model_for_slower():
    machine = Bursty()
    found = machine.tune(batch_sizes=(1,), aim="seconds")
    assert any("larger inputs" in line for line in machine.told)
    assert point(found, 1).input_size * 1e-3 >= 10


def test_init_half_counts_where_start_is_long():
    found = FakeMachine(init=40.0, per_record=0.01).tune(
        batch_sizes=(1,), aim="seconds", budget_seconds=1e5
    )
    assert found.points[0].input_size * 0.01 >= 20


# --- memory -------------------------------------------------------------------------------------


def test_memory_is_a_line_of_the_batch_size():
    found = FakeMachine().tune()
    assert found.ram.quantity == "RAM (anonymous)"
    assert found.ram.fixed_bytes.value == pytest.approx(100 * MIB)
    assert found.ram.bytes_per_item.value == pytest.approx(2 * MIB)
    assert found.gpu_ram.fixed_bytes.value is None
    assert "no GPU" in found.gpu_ram.fixed_bytes.reason
    assert point(found, 8).gpu_ram_bytes.value is None


def test_gpu_memory_is_the_gpus():
    found = FakeMachine(gpu=True, item_mib=3.0).tune(device="gpu")
    assert found.gpu_ram.bytes_per_item.value == pytest.approx(3 * MIB)
    assert point(found, 32).gpu_ram_bytes.value == pytest.approx(196 * MIB)


def test_a_gpu_that_tells_nothing_is_absent():
    found = FakeMachine().tune(device="gpu")
    assert found.gpu_ram.fixed_bytes.value is None
    assert found.gpu_ram.fixed_bytes.reason


def test_out_of_memory_is_an_answer():
    machine = FakeMachine(per_batch=0.01, oom_from=32)
    found = machine.tune(batch_sizes=(1, 8, 32, 128))
    assert [p.status for p in found.points] == [MEASURED, MEASURED, OUT_OF_MEMORY, NOT_TRIED]
    assert "8192 MiB" in point(found, 32).reason
    assert point(found, 32).rps.value is None
    assert "32 ran out of memory" in point(found, 128).reason
    assert found.choice.load.batch_size == 8
    assert [load for load in machine.runs if load.batch_size == 32][1:] == []
    assert not [load for load in machine.runs if load.batch_size == 128]


def test_out_of_memory_later_ends_a_batch_size_that_fitted_its_probe():
    class Leaky(FakeMachine):
        def measure(self, load, index, round):
            self.oom_from = 8 if load.batch_size == 8 and len(self.runs) > 15 else None
            return super().measure(load, index, round)

    found = Leaky(per_batch=0.01).tune(batch_sizes=(1, 8))
    assert point(found, 8).status == OUT_OF_MEMORY
    assert found.choice.load.batch_size == 1
    assert 8 not in [p.batch_size for p in found.points if p.input_size]


def test_nothing_fits():
    found = FakeMachine(oom_from=2).tune(batch_sizes=(2, 4))
    assert found.choice.load is None
    assert "no batch size could be measured" in found.choice.reason
    assert found.ram.fixed_bytes.value is None


def test_a_model_that_fails_on_one_record_is_an_error():
    with pytest.raises(MoroccoError, match="does not manage one record: killed for memory"):
        FakeMachine(oom_from=1).tune()
    with pytest.raises(MoroccoError, match="one record: prediction_label"):
        FakeMachine(codes={1: "prediction_label"}).tune()


def test_a_batch_size_that_fails_otherwise_is_left_out_and_larger_ones_are_tried():
    found = FakeMachine(broken_batch=8).tune(batch_sizes=(1, 8, 32))
    assert [p.status for p in found.points] == [MEASURED, FAILED, MEASURED]
    assert "prediction_label" in point(found, 8).reason


# --- disturbed runs -----------------------------------------------------------------------------


def test_disturbed_runs_are_repeated():
    spoilt = dict.fromkeys((2, 9, 12, 15), "foreign_load")
    machine = FakeMachine(codes=spoilt)
    found = machine.tune(batch_sizes=(1, 8))
    assert machine.runs[:6] == [Load(1, 1)] * 6
    assert found.init_seconds.n == 5
    assert [p.runs_accepted for p in found.points] == [5, 5]
    assert sum(p.runs_rejected for p in found.points) >= 2


def test_a_machine_that_is_never_quiet_is_said_so():
    machine = FakeMachine(codes=dict.fromkeys(range(1, 1000), "foreign_load"))
    with pytest.raises(MoroccoError, match=r"0 usable runs.*foreign_load"):
        machine.tune()
    assert len(machine.runs) == 15


def test_probes_that_are_always_killed_end_the_batch_size():
    machine = FakeMachine(codes=dict.fromkeys(range(6, 1000), "killed"))
    found = machine.tune(batch_sizes=(1,))
    assert point(found, 1).status == FAILED
    assert "3 runs spoilt: killed" in point(found, 1).reason


# --- budget -------------------------------------------------------------------------------------


@pytest.mark.parametrize("budget", [20.0, 40.0, 100.0, 300.0])
def test_the_budget_holds(budget):
    machine = FakeMachine(per_record=0.02, per_batch=0.1)
    found = machine.tune(budget_seconds=budget)
    # The first probe of a model of unknown speed may be longer than it seemed: 20 records.
    assert found.seconds_used <= budget + 20 * 0.12
    assert found.runs == len(machine.runs)
    for p in found.points:
        assert p.rps.value is not None or p.rps.reason


def test_a_short_budget_is_not_resolved_rather_than_wrong():
    machine = FakeMachine(noise=0.4)
    found = machine.tune(batch_sizes=(1, 8), budget_seconds=60.0)
    assert found.choice.load is None
    assert "not resolved" in found.choice.reason
    for p in found.points:
        assert p.rps.status == NOT_RESOLVED
        assert p.rps.value is None
        assert p.rps.reason


def test_a_budget_that_ends_in_the_init_runs():
    with pytest.raises(MoroccoError, match=r"1 usable runs .* two are needed"):
        FakeMachine(init=10.0).tune(budget_seconds=15.0)


def test_a_budget_that_ends_in_the_probes_leaves_the_rest_untried():
    machine = FakeMachine(init=5.0, per_record=0.3)
    found = machine.tune(budget_seconds=45.0)
    assert point(found, 128).status == NOT_TRIED
    assert "budget" in point(found, 128).reason
    assert any("larger --budget" in note for note in found.notes)


def test_few_batches_are_noted():
    found = FakeMachine(per_record=0.02, per_batch=0.2, noise=0.001).tune(
        batch_sizes=(1, 128), budget_seconds=180.0
    )
    assert found.choice.load.batch_size == 128
    assert point(found, 128).edge_share > 0.05
    assert any("too high by up to" in note for note in found.notes)


# --- not resolved -------------------------------------------------------------------------------


def test_larger_inputs_where_the_first_do_not_resolve():
    machine = Bursty(noise=0.05)
    found = machine.tune(batch_sizes=(1, 8))
    assert any("larger inputs" in line for line in machine.told)
    assert all(p.rps.value == pytest.approx(1000, rel=0.05) for p in found.points)
    assert found.choice.load.batch_size == 1


def test_more_repeats_where_the_spread_grows_with_the_work():
    machine = FakeMachine(growing=0.1, noise=0.001)
    found = machine.tune(batch_sizes=(1,))
    assert any("more repeats" in line for line in machine.told)
    assert point(found, 1).runs_accepted > 5


def test_a_hopeless_spread_stays_not_resolved_and_ends():
    machine = FakeMachine(growing=0.5, noise=0.001)
    found = machine.tune(batch_sizes=(1,))
    assert found.choice.load is None
    assert point(found, 1).rps.reason
    assert len(machine.runs) < 200


def test_runs_of_batch_sizes_take_turns_with_init_runs():
    machine = FakeMachine(per_record=1e-3, noise=0.001)
    machine.tune(batch_sizes=(2, 8, 32))
    assert machine.runs[:5] == [Load(1, 1)] * 5
    batches = [load.batch_size for load in machine.runs[5:]]
    turns = [i for i, batch in enumerate(batches) if batch == 1]
    assert len(turns) == 5
    # A probe of the size chosen is one of the repeats: a turn may go without that batch size.
    for begin, end in itertools.pairwise([*turns, len(batches)]):
        assert batches[begin:end] == sorted(set(batches[begin:end]))
        assert end - begin >= 2


def test_a_machine_that_was_busy_at_first_does_not_pass_for_speed():
    class Calming(FakeMachine):
        """Start takes longer while the first runs go on."""

        def measure(self, load, index, round):
            self.init = 1.4 if len(self.runs) < 8 else 1.0
            return super().measure(load, index, round)

    found = Calming().tune(batch_sizes=(1, 8))
    assert found.init_seconds.value == pytest.approx(1.0, abs=0.02)
    for p in found.points:
        assert p.rps.low <= 1000 * (1 + p.edge_share)
        assert p.rps.high >= 1000
