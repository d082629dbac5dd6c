"""Which runs count and which are measured again."""

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from record_factory import make_cell, make_record

from morocco.errors import MoroccoError
from morocco.formats.names import CellId
from morocco.screen.settle import model_fault, settle_cell

CLEAN = [10.0, 10.1, 9.9, 10.05, 9.95]


def settle(records, previous=None, **options):
    defaults = {"round": 1, "max_rounds": 3, "repeats": 5}
    return settle_cell(records, previous, **(defaults | options))


def accepted(state):
    return [run.index for run in state.runs if run.accepted]


def codes(state, index):
    (run,) = [run for run in state.runs if run.index == index]
    return [reason.code for reason in run.reasons]


def test_clean_cell_is_settled():
    state, again = settle(make_cell(CLEAN))
    assert (state.settled, again, accepted(state)) == (True, [], [1, 2, 3, 4, 5])
    assert state.cell == CellId("tfidf", "terra", 2000, 32)
    assert state.note == "5 runs accepted"


@pytest.mark.parametrize("code", ["killed", "foreign_load", "exit_code", "timeout", "swap"])
def test_one_bad_run_is_replaced_by_one_of_the_next_index(code):
    records = make_cell(CLEAN)
    records[2] = make_record(3, 10.0, codes=(code,), predictions=None)
    state, again = settle(records)
    assert (state.settled, again) == (False, [6])
    assert codes(state, 3) == [code]
    assert code in state.note


def test_killed_disturbed_and_slowed_lead_to_exactly_three_new_runs():
    records = make_cell([*CLEAN, *CLEAN])
    records[1] = make_record(2, 4.0, codes=("killed",), predictions=None)
    records[4] = make_record(5, 14.0, codes=("foreign_load",))
    records[7] = make_record(8, 20.1, cpu=8.0)
    state, again = settle(records, repeats=10)
    assert again == [11, 12, 13]
    assert accepted(state) == [1, 3, 4, 6, 7, 9, 10]
    more = [make_record(k, 10.0 + k / 100, cpu=8.0, round=2) for k in again]
    done, none = settle([*records, *more], state, round=2, repeats=10)
    assert (done.settled, none, len(accepted(done))) == (True, [], 10)
    assert codes(done, 8) == ["outlier"]


def test_outlier_reason_tells_waiting_from_work():
    waited = [make_record(k, t, cpu=8.0) for k, t in enumerate([*CLEAN[:4], 20.0], 1)]
    state, _ = settle(waited)
    (reason,) = state.runs[4].reasons
    assert "1.99 times the median 10.050 s" in reason.detail
    assert "the same work: it waited more" in reason.detail
    worked, _ = settle(make_cell([*CLEAN[:4], 20.0]))
    assert "the work itself differed" in worked.runs[4].reasons[0].detail
    unknown, _ = settle([replace(record, totals=None) for record in waited])
    assert "CPU" not in unknown.runs[4].reasons[0].detail


def test_replacements_are_judged_with_all_the_rest():
    # two of five were fast; the replacements show that the fast level is the usual one
    first = make_cell([20.0, 20.1, 19.9, 10.0, 10.1])
    state, again = settle(first)
    assert accepted(state) == [1, 2, 3]
    records = [*first, *(make_record(k, 10.05, round=2) for k in again)]
    state, again = settle(records, state, round=2)
    # seven runs, four against three: two levels, none can be left out
    assert again == []
    assert len(accepted(state)) == 7
    assert "two levels" in state.note


def test_two_cold_runs_of_five_stay_out_after_their_replacement():
    first = make_cell([25.0, 17.0, 10.0, 10.1, 9.9])
    state, again = settle(first)
    assert (accepted(state), again) == ([3, 4, 5], [6, 7])
    records = [*first, make_record(6, 10.05, round=2), make_record(7, 9.95, round=2)]
    state, again = settle(records, state, round=2)
    assert (accepted(state), again, state.settled) == ([3, 4, 5, 6, 7], [], True)
    assert [run.round for run in state.runs] == [1] * 5 + [2] * 2


def failed(n, code="exit_code", **changes):
    return [
        make_record(k, 1.0, codes=(code,), predictions=None, **changes) for k in range(1, n + 1)
    ]


def test_a_model_that_fails_alike_every_time_has_settled():
    state, again = settle(failed(5))
    assert (state.settled, again, accepted(state)) == (True, [], [])
    assert "exit_code" in state.note
    assert "5 of 5" in state.note


def test_a_single_failure_is_tried_once_more():
    state, again = settle(failed(1), repeats=1)
    assert again == [2]
    state, again = settle(failed(2), state, round=2, repeats=1)
    assert (state.settled, again) == (True, [])


def test_a_machine_failure_is_never_settled_before_the_last_round():
    for round in (1, 2):
        state, again = settle(failed(5, "foreign_load"), round=round)
        assert (state.settled, again) == (False, [6, 7, 8, 9, 10])
    state, again = settle(failed(5, "foreign_load"), round=3)
    assert (state.settled, again) == (True, [])
    assert "last of max_rounds: foreign_load 5" in state.note


def test_failures_of_different_kinds_are_tried_again():
    records = [*failed(3), *failed(5, "timeout")[3:]]
    assert settle(records)[1] == [6, 7, 8, 9, 10]


def test_failures_beside_disturbed_runs_settle_by_the_undisturbed():
    records = [*failed(3), *failed(5, "swap")[3:]]
    assert settle(records)[0].settled


def test_raised_maximum_continues_a_settled_cell():
    records = failed(5, "steal")
    state, again = settle(records, max_rounds=1)
    assert (state.settled, again) == (True, [])
    assert settle(records, state, max_rounds=2)[1] == [6, 7, 8, 9, 10]


def test_unstable_output_settles_at_once_as_the_models_failure():
    records = [*make_cell(CLEAN)[:4], make_record(5, 10.0, cpu=8.0, predictions="other")]
    records.append(make_record(6, 1.0, codes=("timeout",), predictions=None))
    state, again = settle(records)
    assert (state.settled, again, accepted(state)) == (True, [], [])
    assert codes(state, 1) == ["prediction_unstable"]
    assert codes(state, 6) == ["timeout"]
    assert "more runs cannot mend" in state.note


@pytest.mark.parametrize(
    ("reasons", "fault"),
    [
        (("exit_code", "foreign_load"), {"exit_code"}),
        (("timeout", "foreign_load"), set()),
        (("timeout",), {"timeout"}),
        (("exit_code", "killed"), set()),
        (("foreign_load",), set()),
    ],
)
def test_whose_fault(reasons, fault):
    assert model_fault(make_record(codes=reasons).verdict.reasons) == fault


def test_target_asks_for_more_runs_up_to_the_cap():
    wide = make_cell([10.0, 11.0, 9.0, 10.5, 9.5])  # ± 10 %
    state, again = settle(wide, target_half_width=0.05)
    assert (state.settled, again[0]) == (False, 6)
    assert len(again) == 8  # t(12) · 0.079 / √13 < 5 %
    assert "± 9.8 %, wanted ± 5 %" in state.note
    assert settle(wide, target_half_width=0.05, max_repeats=7)[1] == [6, 7]
    capped, none = settle(wide, target_half_width=0.05, max_repeats=5)
    assert (capped.settled, none) == (True, [])
    assert "max_repeats is reached" in capped.note
    assert settle(wide, target_half_width=0.2)[1] == []
    assert settle(wide, target_half_width=0.05, round=3)[1] == []


def test_no_target_below_the_clocks_own_spread():
    short = make_cell([0.020, 0.024, 0.022, 0.026, 0.018])
    assert settle(short, target_half_width=0.01)[1] == []


def test_target_waits_for_the_repeats_first():
    records = make_cell(CLEAN)
    records[0] = make_record(1, 10.0, codes=("swap",))
    assert settle(records, target_half_width=0.001)[1] == [6]


def test_a_valid_record_without_a_time_does_not_count():
    state, again = settle([*make_cell(CLEAN)[:4], make_record(5, None)])
    assert (accepted(state), again) == ([1, 2, 3, 4], [6])
    assert codes(state, 5) == ["start_failed"]


def test_mistakes_of_the_caller_are_named():
    cell = make_cell(CLEAN)
    with pytest.raises(MoroccoError, match="no run of this cell"):
        settle([])
    with pytest.raises(MoroccoError, match="given twice"):
        settle([*cell, cell[0]])
    with pytest.raises(MoroccoError, match="2 cells"):
        settle([*cell, make_record(6, size=1000)])
    with pytest.raises(MoroccoError, match="a cold run"):
        settle([replace(cell[0], kind="cold")])
    with pytest.raises(MoroccoError, match="count from 1"):
        settle(cell, repeats=0)
    state, _ = settle(cell)
    with pytest.raises(MoroccoError, match="record of run 5 is gone"):
        settle(cell[:4], state, round=2)


# Machines and models at their worst: any time, any verdict, any output.
outcome = st.tuples(
    st.one_of(st.floats(0.05, 500), st.sampled_from([10.0, 10.1, 9.9, 20.0])),
    st.sampled_from([(), (), (), ("exit_code",), ("timeout",), ("killed",), ("foreign_load",)]),
    st.sampled_from(["same"] * 9 + ["other", None]),
)


@settings(max_examples=150, deadline=None)
@given(
    st.lists(outcome, min_size=60, max_size=60),
    st.integers(1, 6),
    st.integers(1, 4),
    st.none() | st.floats(0.01, 0.5),
)
def test_settling_ends_keeps_all_evidence_and_does_not_depend_on_order(
    outcomes, repeats, max_rounds, target
):
    options = {"repeats": repeats, "max_rounds": max_rounds, "target_half_width": target}
    options["max_repeats"] = 2 * repeats
    supply = iter(outcomes)
    records, state, again = [], None, list(range(1, repeats + 1))
    for round in range(1, max_rounds + 1):
        for index in again:
            wall, reasons, predictions = next(supply)
            records.append(
                make_record(index, wall, codes=reasons, predictions=predictions, round=round)
            )
        before = state
        state, again = settle_cell(records, before, round=round, **options)
        assert (state, again) == settle_cell(records[::-1], before, round=round, **options)
        assert [run.index for run in state.runs] == [record.id.index for record in records]
        assert all(run.accepted or run.reasons for run in state.runs)
        assert not any(run.accepted and run.reasons for run in state.runs)
        assert len(accepted(state)) + len(again) <= max(2 * repeats, len(records))
        assert state.settled == (not again)
        assert again == list(range(len(records) + 1, len(records) + 1 + len(again)))
        if state.settled:
            break
    assert state.settled
    assert settle_cell(records, state, round=max_rounds, **options)[1] == []


@given(st.lists(st.floats(9.9, 10.1), min_size=5, max_size=5), st.integers(1, 3))
def test_clean_cell_is_a_no_op_in_any_round(walls, round):
    cell = [make_record(k, wall) for k, wall in enumerate(walls, 1)]
    # 0.2 s apart at most: below the floor on the scale, 20.8 / 0.6745 · 0.2 % of 10 s = 0.6 s
    first, again = settle(cell)
    assert again == []
    assert accepted(first) == [1, 2, 3, 4, 5]
    assert settle(cell, first, round=round) == (replace(first, round=round), [])
