"""TaskStats from run records: what counts, what is chosen, what is said."""

from dataclasses import replace

import numpy as np
import pytest
from record_factory import MACHINE, make_cell, make_record

from morocco.errors import MoroccoError
from morocco.estimate.results import ABSENT, NOT_RESOLVED, RESOLVED, Score, TaskStats
from morocco.estimate.select import split_by_machine
from morocco.estimate.stats import estimate_task
from morocco.formats.files import decode_json, encode_json
from morocco.formats.names import RunId
from morocco.formats.record import Arrivals, Image
from morocco.screen.settle import settle_cell

INIT = [2.00, 2.02, 1.98, 2.01, 1.99]


def campaign(**changes):
    """Start 2 s, then 100 records/s at batch size 32: T(2000) = 22 s."""
    load = [21.95, 22.05, 22.0, 22.02, 21.98]
    return [*make_cell(INIT, size=1, batch=1, **changes), *make_cell(load, **changes)]


def test_the_usual_campaign():
    stats = estimate_task(campaign(), score=Score({"accuracy": 0.6}, 0.6, "measured"))
    assert stats.rps.status == RESOLVED
    assert stats.rps.value == pytest.approx(1999 / 20)
    assert stats.rps.low < stats.rps.value < stats.rps.high
    assert stats.init_seconds.value == pytest.approx(2.0)
    assert stats.cpu_seconds_per_record.value == pytest.approx(0.8 * 20 / 1999)
    assert stats.headline == (2000, 32)
    assert (stats.runs_valid, stats.runs_invalid, stats.runs_repeated) == (10, 0, 0)
    assert stats.ram_bytes.value == 300_000_000
    assert stats.gpu_ram_bytes.status == stats.joules_per_record.status == ABSENT
    assert stats.warnings == ()
    assert stats.score.score == 0.6
    assert not stats.simulated


def test_survives_a_round_trip_through_json():
    stats = estimate_task(campaign(gpu_ram=2**30, joules=500.0), device="gpu")
    assert decode_json(encode_json(stats), TaskStats, "stats.json") == stats


def test_invalid_runs_never_reach_an_estimate_but_are_counted():
    bad = [make_record(6, 500.0, codes=("timeout",)), make_record(7, 1.0, codes=("exit_code",))]
    stats = estimate_task([*campaign(), *bad])
    assert stats.rps == estimate_task(campaign()).rps
    assert (stats.runs_valid, stats.runs_invalid) == (10, 2)
    assert stats.invalid_reasons == {"exit_code": 1, "timeout": 1}
    assert stats.loads[0].runs_invalid == 2
    (warning,) = stats.warnings
    assert "2 of 12 runs do not count" in warning
    assert "tfidf/terra/2000_32_06" in warning


def test_settled_states_decide_and_give_their_reasons():
    records = [*campaign(), make_record(6, 40.0, cpu=17.6, round=2)]
    loads = [r for r in records if r.id.input_size == 2000]
    state, _ = settle_cell(loads, None, round=2, max_rounds=3, repeats=5)
    init, _ = settle_cell(
        [r for r in records if r.id.input_size == 1], None, round=1, max_rounds=3, repeats=5
    )
    older = replace(state, round=1, runs=())
    stats = estimate_task(records, settled=[state, older, init])
    assert stats.rps == estimate_task(campaign()).rps
    assert stats.invalid_reasons == {"outlier": 1}
    assert (stats.runs_invalid, stats.runs_repeated) == (1, 1)
    assert any("outlier" in warning for warning in stats.warnings)


def test_accepted_runs_can_be_named():
    records = campaign()
    chosen = [r.id for r in records if r.id.index != 3]
    stats = estimate_task(records, settled=chosen)
    assert (stats.runs_valid, stats.runs_invalid, stats.rps.n) == (8, 2, 8)


def test_headline_is_the_fastest_batch_size_of_the_largest_size():
    records = [
        *campaign(),
        *make_cell([12.0, 12.02, 11.98], size=1000, batch=32),
        *make_cell([12.0, 12.02, 11.98], size=2000, batch=64, pss=900_000_000),
        *make_cell([4.5, 4.52, 4.48], size=1000, batch=64),
    ]
    stats = estimate_task(records)
    assert stats.headline == (2000, 64)
    assert stats.rps.value == pytest.approx(199.9)
    assert stats.ram_bytes.value == 900_000_000
    assert [(load.input_size, load.batch_size) for load in stats.loads] == [
        (1000, 32),
        (1000, 64),
        (2000, 32),
        (2000, 64),
    ]


def test_unresolved_load_yields_to_a_smaller_resolved_one():
    rng = np.random.default_rng(1)
    wild = make_cell((45 + 15 * rng.standard_normal(5)).tolist(), size=4000)
    stats = estimate_task([*campaign(), *wild])
    assert stats.headline == (2000, 32)
    assert any("rps at 4000 records" in warning for warning in stats.warnings)


def test_nothing_resolved_says_what_would():
    stats = estimate_task(
        [*make_cell([2.0, 2.4, 1.7], size=1, batch=1), *make_cell([2.6, 2.9, 2.2])]
    )
    assert stats.headline is None
    assert (stats.rps.value, stats.rps.status) == (None, NOT_RESOLVED)
    assert stats.rps.needed_input_size > 2000
    assert stats.ram_bytes.value == 300_000_000
    assert str(stats.rps.needed_input_size) in stats.warnings[0]


def test_time_that_bends_is_a_warning():
    # 1000 records in 5 s, 2000 in 20 s above the start
    stats = estimate_task([*campaign(), *make_cell([7.0, 7.02, 6.98], size=1000)])
    assert any("not linear" in warning for warning in stats.warnings)
    straight = estimate_task([*campaign(), *make_cell([12.0, 12.02, 11.98], size=1000)])
    assert straight.warnings == ()


def steady_arrivals(per_line):
    curve = tuple((3 + 10 * k * per_line, 10 * k) for k in range(1, 201))
    return Arrivals(200, curve[0][0], curve[-1][0], 0.005, curve)


def test_streaming_rate_stands_beside_rps_and_may_contradict_it():
    agreeing = estimate_task(campaign(arrivals=steady_arrivals(0.01)))
    assert agreeing.rps_streaming.value == pytest.approx(100)
    assert agreeing.warnings == ()
    apart = estimate_task(campaign(arrivals=steady_arrivals(0.005)))
    assert any("disagree" in warning for warning in apart.warnings)


def test_cold_runs_are_a_figure_of_their_own():
    cold = [make_record(k, t, size=1, batch=1, kind="cold") for k, t in enumerate([6.0, 6.4], 1)]
    warm_up = make_record(1, 9.0, size=1, batch=1, kind="warmup")
    stats = estimate_task([*campaign(), *cold, warm_up])
    assert stats.cold_start_seconds.value == pytest.approx(6.2)
    assert stats.init_seconds.value == pytest.approx(2.0)
    assert (stats.runs_valid, stats.runs_invalid) == (10, 0)
    assert estimate_task(campaign()).cold_start_seconds.reason == "no valid cold run"


def test_gpu_memory_comes_from_the_init_runs_and_stands_beside_that_at_load():
    records = [
        *make_cell(INIT, size=1, batch=1, gpu_ram=2 * 2**30, joules=100.0),
        *make_cell([22.0, 22.02, 21.98], gpu_ram=7 * 2**30, joules=2099.0),
    ]
    stats = estimate_task(records, device="gpu")
    assert stats.gpu_ram_bytes.value == 2 * 2**30
    assert stats.gpu_ram_load_bytes.value == 7 * 2**30
    assert stats.joules_per_record.value == pytest.approx(1.0)


def test_kinds_of_machine_are_never_mixed():
    records = campaign()
    other = replace(MACHINE, cpu="EPYC 7763", cores=64)
    mixed = [*records, *campaign(machine=other)]
    with pytest.raises(MoroccoError, match=r"2 kinds of machine.*EPYC 7763"):
        estimate_task(mixed)
    kinds = split_by_machine(mixed)
    assert [len(runs) for runs in kinds.values()] == [10, 10]
    assert estimate_task(kinds[other.kind]).machine_kind == other.kind


def test_a_kernel_that_changed_between_runs_shows_in_the_details():
    records = campaign()
    records[3] = replace(records[3], machine=replace(MACHINE, kernel="6.2.0"))
    details = estimate_task(records).machine_details
    assert details["kernel"] == "6.1.0, 6.2.0"
    assert details["cgroup"] == "v2"
    assert "driver" not in details


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"id": RunId("bert", "terra", 2000, 32, 9)}, "2 models"),
        ({"id": RunId("tfidf", "rcb", 2000, 32, 9)}, "2 tasks"),
        ({"runtime": "process"}, "2 runtimes"),
    ],
)
def test_records_that_do_not_belong_together_are_refused(changes, words):
    with pytest.raises(MoroccoError, match=words):
        estimate_task([*campaign(), make_record(9, **changes)])


def test_no_record_is_an_error_and_no_valid_one_is_an_empty_row():
    with pytest.raises(MoroccoError, match="no run record"):
        estimate_task([])
    broken = [
        make_record(k, None, size=size, batch=batch, codes=("start_failed",))
        for size, batch in ((1, 1), (2000, 32))
        for k in (1, 2)
    ]
    stats = estimate_task(broken)
    assert stats.rps.status == stats.init_seconds.status == stats.ram_bytes.status == ABSENT
    assert stats.rps.value is None
    assert (stats.runs_valid, stats.invalid_reasons) == (0, {"start_failed": 4})
    assert stats.loads[0].rps.reason == "no accepted run of 1 records to subtract"


def test_mixed_images_and_cold_runs_among_the_accepted_are_warned_of():
    records = campaign()
    records[0] = replace(records[0], image=Image("tfidf-terra", "sha256:2", None, 1))
    records[1] = replace(records[1], warmed=False)
    warnings = "\n".join(estimate_task(records).warnings)
    assert "2 images" in warnings
    assert "1 accepted runs followed a pause" in warnings


def test_simulated_records_mark_the_row():
    records = campaign()
    records[0] = replace(records[0], harness=replace(records[0].harness, simulated=True))
    assert estimate_task(records).simulated
