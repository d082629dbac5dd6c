import json
import random
import tracemalloc

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from morocco.errors import MoroccoError
from morocco.tasks.predictions import (
    MAX_LINE_BYTES,
    check_predictions,
    predictions_sha256,
    read_predictions,
)
from morocco.tasks.registry import TASKS

TERRA, PARUS, MUSERC = TASKS["terra"], TASKS["parus"], TASKS["muserc"]
IDX = [4, 7, 9, 4, 7]  # an input of 5 records cycled from a split of 3


def jsonl(rows):
    return b"".join(
        (row if isinstance(row, bytes) else json.dumps(row).encode()) + b"\n" for row in rows
    )


@pytest.fixture
def check(tmp_path):
    def run(task, given, output):
        source, got = tmp_path / "in.jsonl", tmp_path / "out"
        source.write_bytes(jsonl(given))
        got.write_bytes(output if isinstance(output, bytes) else jsonl(output))
        return check_predictions(task, source, got)

    return run


def given_rows():
    return [{"idx": idx, "premise": "п", "hypothesis": "г"} for idx in IDX]


def good_rows():
    return [{"idx": idx, "label": "entailment" if idx > 4 else "not_entailment"} for idx in IDX]


def codes(result):
    return [reason.code for reason in result.reasons]


def test_valid_output(check):
    result = check(TERRA, given_rows(), good_rows())
    assert result.valid
    assert result.reasons == ()
    assert result.predictions == {4: "not_entailment", 7: "entailment", 9: "entailment"}
    assert (result.lines, result.expected, result.inconsistent) == (5, 5, 0)
    assert len(result.predictions_sha256) == 64


def test_any_order_any_spelling_and_no_last_newline_give_one_hash(check):
    given = [{"idx": str(i)} for i in range(20)]
    rows = [{"idx": i, "label": i % 2} for i in range(20)]
    wanted = check(PARUS, given, rows)
    spelled = [{"label": str(row["label"]), "idx": str(row["idx"]), "p": 0.5} for row in rows]
    random.Random(1).shuffle(spelled)
    other = check(PARUS, given, jsonl(spelled).rstrip(b"\n"))
    assert wanted.valid
    assert other.valid
    assert wanted.predictions_sha256 == other.predictions_sha256
    changed = [{**row, "label": 0} for row in rows]
    assert check(PARUS, given, changed).predictions_sha256 != wanted.predictions_sha256


def test_hash_separates_types_of_label():
    assert predictions_sha256([(1, True)]) != predictions_sha256([(1, 1)])
    assert predictions_sha256([(1, "1")]) != predictions_sha256([(1, 1)])
    assert predictions_sha256([(1, 0), (1, 1)]) == predictions_sha256([(1, 1), (1, 0)])
    assert predictions_sha256([(1, 0)]) != predictions_sha256([(1, 0), (1, 0)])


def test_label_that_changes_between_cycles_is_counted_and_the_first_kept(check):
    rows = good_rows()
    rows[4]["label"] = "not_entailment"  # idx 7, second cycle
    result = check(TERRA, given_rows(), rows)
    assert result.valid
    assert result.inconsistent == 1
    assert result.predictions[7] == "entailment"


@pytest.mark.parametrize(
    ("edit", "wanted", "detail"),
    [
        (lambda rows: rows[1:], ["prediction_count"], "4 predictions for 5 records, missing idx 4"),
        (lambda rows: [], ["prediction_count"], "0 predictions for 5 records"),
        (
            lambda rows: [*rows, rows[2]],
            ["prediction_count", "prediction_idx"],
            "6 predictions for 5 records, surplus idx 9",
        ),
        (
            lambda rows: [*rows[:4], rows[2]],
            ["prediction_idx"],
            "idx 9 comes 2 times, not 1; missing idx 7",
        ),
        (
            lambda rows: [*rows[:4], {"idx": 8, "label": "entailment"}],
            ["prediction_idx"],
            "line 5: idx 8 is not in the input",
        ),
        (lambda rows: [*rows[:4], b"oops"], ["prediction_format"], "line 5: JSON is malformed"),
        (lambda rows: [*rows[:4], b""], ["prediction_format"], "line 5: empty line"),
        (lambda rows: [*rows[:4], b'{"idx": 7}'], ["prediction_format"], "line 5, idx 7: no label"),
        (lambda rows: [*rows[:4], b"[7]"], ["prediction_format"], "Expected `object`"),
        (lambda rows: [*rows[:4], {"label": "entailment"}], ["prediction_format"], "idx"),
        (
            lambda rows: [*rows[:4], {"idx": 7.0, "label": "entailment"}],
            ["prediction_format"],
            "line 5",
        ),
        (
            lambda rows: [*rows[:4], {"idx": 7, "label": "neutral"}],
            ["prediction_label"],
            "line 5, idx 7: 'neutral' is not one of entailment, not_entailment",
        ),
        (
            lambda rows: [*rows[:4], {"idx": 7, "label": None}],
            ["prediction_label"],
            "line 5, idx 7: null",
        ),
        (
            lambda rows: [b"Loading model", *rows],
            ["prediction_count", "prediction_format"],
            "6 predictions for 5 records",
        ),
    ],
)
def test_each_fault_is_named_with_its_place(check, edit, wanted, detail):
    result = check(TERRA, given_rows(), edit(good_rows()))
    assert codes(result) == wanted
    assert detail in result.reasons[0].detail
    assert result.predictions_sha256 is None
    assert result.predictions == {}


DEEP = b"[" * 500_000
HOSTILE = {
    "invalid UTF-8": b'{"idx": 4, "label": "\xff\xfe"}',
    "binary": bytes(range(256)).replace(b"\n", b""),
    "nested label": b'{"idx": 4, "label": ' + DEEP,
    "nested unknown field": b'{"idx": 4, "x": ' + DEEP + b"]" * 500_000 + b"}",
    "NaN": b'{"idx": 4, "label": NaN}',
    "Infinity idx": b'{"idx": 1e999, "label": 1}',
    "huge integer idx": b'{"idx": ' + b"9" * 100_000 + b', "label": 1}',
    "huge text idx": b'{"idx": "' + b"9" * 100_000 + b'", "label": 1}',
    "huge integer label": b'{"idx": 4, "label": ' + b"9" * 100_000 + b"}",
    "lone surrogate": b'{"idx": 4, "label": "\\ud800"}',
    "nul": b"\0",
    "truncated": b'{"idx": 4, "label": "entail',
    "two in one line": b'{"idx": 4, "label": "entailment"} {"idx": 4, "label": "entailment"}',
    "line over the bound": b'{"idx": 4, "label": "' + b"x" * MAX_LINE_BYTES + b'"}',
}


@pytest.mark.parametrize("name", HOSTILE)
@pytest.mark.parametrize("key", ["terra", "rucos", "muserc"])
def test_hostile_line_is_a_reason_and_the_rest_is_still_read(check, name, key):
    task = TASKS[key]
    source, rows = given_rows(), good_rows()
    if key == "muserc":
        source, rows = muserc_input(IDX), muserc_rows(IDX)
    result = check(task, source, [HOSTILE[name], *rows[1:]])
    assert not result.valid
    assert set(codes(result)) <= {"prediction_format", "prediction_label"}
    assert "line 1" in result.reasons[0].detail
    assert len(result.reasons[0].detail) < 1000


@pytest.mark.parametrize(
    "output",
    [b"\n" * 30_000_000, b"\0" * 50_000_000, b'{"idx": 4, "label": "' + b"x" * 50_000_000],
    ids=["newlines", "nul bytes", "one endless line"],
)
def test_huge_output_takes_little_memory(check, output):
    tracemalloc.start()
    try:
        check(TERRA, given_rows(), b"")
        tracemalloc.reset_peak()
        result = check(TERRA, given_rows(), output)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert codes(result)[0] == "prediction_count"
    assert result.lines == (30_000_000 if output[:1] == b"\n" else 1)
    assert peak < 8 * MAX_LINE_BYTES


def test_surplus_flood_is_counted_but_not_kept(check):
    result = check(TERRA, given_rows(), jsonl(good_rows()) * 2000 + b"{")
    assert codes(result) == ["prediction_count"]
    assert result.lines == 10_001


@settings(max_examples=200, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.binary(max_size=300))
def test_any_bytes_give_reasons_never_a_crash(check, output):
    result = check(TERRA, given_rows(), output)
    assert not result.valid
    assert result.lines == output.count(b"\n") + (output[-1:] not in (b"\n", b""))


@settings(max_examples=50, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.permutations(range(5)), st.lists(st.integers(0, 4), max_size=3))
def test_valid_exactly_when_the_multiset_is_the_inputs(check, order, twice):
    rows = [good_rows()[i] for i in order]
    result = check(TERRA, given_rows(), rows + [rows[i] for i in twice])
    assert result.valid == (not twice)


# MuSeRC

SHAPE = {0: [0, 1], 1: [2, 3, 4]}


def muserc_input(idxs):
    questions = [
        {"question": "?", "idx": q, "answers": [{"idx": a, "text": "т"} for a in answers]}
        for q, answers in SHAPE.items()
    ]
    return [{"idx": idx, "passage": {"text": "т", "questions": questions}} for idx in idxs]


def muserc_rows(idxs, label=1):
    return [
        {
            "idx": idx,
            "passage": {
                "questions": [
                    {"idx": q, "answers": [{"idx": a, "label": label} for a in answers]}
                    for q, answers in SHAPE.items()
                ]
            },
        }
        for idx in idxs
    ]


def test_muserc_valid_in_any_order_and_spelling(check):
    result = check(MUSERC, muserc_input([3, 5]), muserc_rows([3, 5]))
    assert result.valid
    assert result.predictions[3] == {0: {0: 1, 1: 1}, 1: {2: 1, 3: 1, 4: 1}}
    rows = muserc_rows(["5", "3"], "1")
    for row in rows:
        row["passage"]["questions"].reverse()
        for question in row["passage"]["questions"]:
            question["idx"] = str(question["idx"])
            question["answers"].reverse()
    assert check(MUSERC, muserc_input([3, 5]), rows).predictions_sha256 == result.predictions_sha256


def edited(edit):
    row = muserc_rows([3])[0]
    edit(row["passage"]["questions"])
    return [row]


@pytest.mark.parametrize(
    ("edit", "code", "detail"),
    [
        (lambda qs: qs.pop(0), "prediction_idx", "line 1, idx 3: question 0 is missing"),
        (lambda qs: qs.append(qs[0]), "prediction_idx", "line 1, idx 3: question 0 is twice"),
        (lambda qs: qs[0].update(idx=9), "prediction_idx", "question 9 is not in the input"),
        (
            lambda qs: qs[1]["answers"].pop(),
            "prediction_idx",
            "line 1, idx 3, question 1: answer 4 is missing",
        ),
        (
            lambda qs: qs[1]["answers"].append({"idx": 2, "label": 0}),
            "prediction_idx",
            "line 1, idx 3, question 1, answer 2 is twice",
        ),
        (
            lambda qs: qs[1]["answers"].append({"idx": 0, "label": 0}),
            "prediction_idx",
            "question 1, answer 0 is not in the input",
        ),
        (
            lambda qs: qs[0]["answers"][0].update(label=2),
            "prediction_label",
            "line 1, idx 3, question 0, answer 0: label 2 is not one of 0, 1",
        ),
        (
            lambda qs: qs[0]["answers"][0].pop("label"),
            "prediction_label",
            "answer 0: label missing",
        ),
        (lambda qs: qs[0].pop("answers"), "prediction_format", "line 1: "),
    ],
)
def test_muserc_needs_every_question_and_answer(check, edit, code, detail):
    result = check(MUSERC, muserc_input([3]), edited(edit))
    assert code in codes(result)
    assert any(detail in reason.detail for reason in result.reasons)


def test_flat_lines_are_no_muserc_predictions(check):
    assert codes(check(MUSERC, muserc_input([3]), [{"idx": 3, "label": 1}])) == [
        "prediction_format"
    ]


# the input, and files of any origin


def test_broken_input_is_an_error_not_a_reason(check):
    with pytest.raises(MoroccoError, match=r"in.jsonl:2: not a TERRa record"):
        check(TERRA, [{"idx": 1}, b"{"], [])
    with pytest.raises(MoroccoError, match="no records"):
        check(TERRA, [], [])


def test_missing_output_is_an_error(tmp_path):
    (tmp_path / "in").write_bytes(jsonl(given_rows()))
    with pytest.raises(MoroccoError, match="cannot be read"):
        check_predictions(TERRA, tmp_path / "in", tmp_path / "none")


def test_read_predictions_lets_idx_be_missing_or_come_again(tmp_path):
    split, out = tmp_path / "in", tmp_path / "out"
    split.write_bytes(jsonl([{"idx": 1}, {"idx": 2}, {"idx": 3}]))
    out.write_bytes(
        jsonl([{"idx": "2", "label": 1}, {"idx": 1, "label": 0}, {"idx": 2, "label": 0}])
    )
    assert read_predictions(PARUS, split, out) == ({2: 1, 1: 0}, 1)
    out.write_bytes(jsonl([{"idx": 2, "label": 1}, {"idx": 4, "label": 0}, {"idx": 1, "label": 5}]))
    with pytest.raises(MoroccoError, match=r"out: line 2: idx 4 is not.*; line 3, idx 1: 5 is not"):
        read_predictions(PARUS, split, out)
