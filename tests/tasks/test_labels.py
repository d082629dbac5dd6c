import pytest
from hypothesis import given
from hypothesis import strategies as st

from morocco.errors import MoroccoError
from morocco.tasks.labels import normalise_label, parse_choice, parse_idx, parse_label
from morocco.tasks.registry import TASKS


@pytest.mark.parametrize("value", [True, "true", "True"])
def test_true_has_three_spellings(value):
    assert parse_label(TASKS["danetqa"], value) is True


@pytest.mark.parametrize("value", [False, "false", "False"])
def test_false_has_three_spellings(value):
    assert parse_label(TASKS["russe"], value) is False


@pytest.mark.parametrize("value", [1, 0, "1", "yes", "TRUE", None, 1.0, [True], {}, " true"])
def test_other_booleans_are_no_label(value):
    assert parse_label(TASKS["rwsd"], value) is None


@pytest.mark.parametrize(("value", "label"), [(0, 0), ("0", 0), (1, 1), ("1", 1)])
def test_choices_as_number_or_text(value, label):
    parsed = parse_label(TASKS["parus"], value)
    assert parsed == label
    assert type(parsed) is int


@pytest.mark.parametrize("value", [True, False, 2, -1, "2", 0.0, 1.0, "", None, "choice1"])
def test_other_choices_are_no_label(value):
    assert parse_label(TASKS["parus"], value) is None


@pytest.mark.parametrize("value", ["Entailment", "entailment ", 0, None, "neutral"])
def test_classes_are_exact(value):
    assert parse_label(TASKS["terra"], value) is None
    assert parse_label(TASKS["rcb"], "neutral") == "neutral"


def test_rucos_takes_any_text_of_bounded_length():
    task = TASKS["rucos"]
    assert parse_label(task, "Россия") == "Россия"
    assert parse_label(task, "") == ""
    assert parse_label(task, 3) is None
    assert parse_label(task, "x" * 10_001) is None


@pytest.mark.parametrize(
    ("value", "idx"), [(7, 7), ("7", 7), (0, 0), ("-3", -3), ("0", 0), (10**17, 10**17)]
)
def test_idx_as_number_or_text(value, idx):
    assert parse_idx(value) == idx


@pytest.mark.parametrize(
    "value",
    [True, 1.0, None, "", "07", " 7", "7 ", "1e3", "٣", "a", [], 10**18, "9" * 19, "9" * 9999],
)
def test_other_idx_are_none(value):
    assert parse_idx(value) is None


@given(st.integers(-(10**18) + 1, 10**18 - 1))
def test_idx_round_trip(idx):
    assert parse_idx(idx) == parse_idx(str(idx)) == idx


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
        lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    )
)
def test_no_value_is_more_than_one_of_the_labels(value):
    for task in TASKS.values():
        label = parse_choice(task.labels, value)
        assert label is None or str(label).lower() == str(value).lower()


def test_error_names_place_idx_and_what_is_allowed():
    with pytest.raises(MoroccoError) as caught:
        normalise_label(TASKS["danetqa"], "maybe", place="val.jsonl:3", idx=12)
    text = str(caught.value)
    assert "val.jsonl:3" in text
    assert "idx 12" in text
    assert "'maybe'" in text
    assert "true, false" in text
