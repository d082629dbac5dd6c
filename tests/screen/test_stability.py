"""Outputs of repeats must agree."""

from dataclasses import replace

from record_factory import make_record

from morocco.screen.stability import unstable


def test_equal_outputs_are_stable():
    assert unstable([make_record(k) for k in range(1, 6)]) == {}


def test_one_deviating_output_spoils_every_run_of_the_cell():
    records = [make_record(k) for k in range(1, 5)] + [make_record(5, predictions="other")]
    found = unstable(records)
    assert sorted(found) == [1, 2, 3, 4, 5]
    assert found[1].code == "prediction_unstable"
    assert found[1].detail == "2 different outputs of 5 runs: run 1, 2, 3, 4 against run 5"


def test_runs_without_a_valid_output_have_their_own_reasons():
    records = [
        make_record(1),
        make_record(2, predictions=None, codes=("timeout",)),
        make_record(3, output=None, codes=("start_failed",)),
    ]
    assert unstable(records) == {}


def test_a_disturbed_run_must_answer_alike_too():
    records = [make_record(1), make_record(2, predictions="other", codes=("foreign_load",))]
    assert sorted(unstable(records)) == [1, 2]


def test_different_inputs_are_not_compared():
    other = make_record(2, predictions="other")
    other = replace(other, input=replace(other.input, sha256="another input"))
    assert unstable([make_record(1), other]) == {}
