"""Expected values are worked out by hand beside each case."""

import json
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from morocco.errors import MoroccoError
from morocco.tasks.gold import read_gold
from morocco.tasks.metrics import (
    compute_metrics,
    muserc_metrics,
    normalise_answer,
    query_scores,
    rucos_metrics,
    task_score,
)
from morocco.tasks.registry import TASKS

E, N, C, U = "entailment", "not_entailment", "contradiction", "neutral"


def indexed(values):
    return dict(enumerate(values))


def test_accuracy_of_booleans():
    # 3 of 4 right
    gold, said = [True, False, True, True], [True, False, False, True]
    metrics = compute_metrics(TASKS["danetqa"], indexed(gold), indexed(said))
    assert metrics == {"accuracy": 0.75}
    assert task_score(TASKS["danetqa"], metrics) == 0.75


def test_matthews_correlation():
    # Entailment as positive: tp 3, fn 1, fp 2, tn 4.
    # (3*4 - 2*1) / sqrt((3+2)(3+1)(4+2)(4+1)) = 10 / sqrt(600)
    gold = [E] * 4 + [N] * 6
    said = [*[E, E, E, N], *[E, E, N, N, N, N]]
    metrics = compute_metrics(TASKS["lidirus"], indexed(gold), indexed(said))
    assert metrics["mcc"] == pytest.approx(10 / math.sqrt(600), abs=1e-15)
    assert metrics["accuracy"] == 0.7
    assert task_score(TASKS["lidirus"], metrics) == metrics["mcc"]


def test_matthews_correlation_of_a_constant_answer_is_zero():
    metrics = compute_metrics(TASKS["lidirus"], indexed([E, N, N]), indexed([N, N, N]))
    assert metrics["mcc"] == 0.0


def test_macro_f1():
    # entailment: tp 2 fp 1 fn 0 -> 2*2/(4+1) = 0.8
    # contradiction: tp 1 fp 0 fn 1 -> 2/3; neutral: tp 1 fp 1 fn 1 -> 1/2
    gold = [E, E, C, C, U, U]
    said = [E, E, C, U, U, E]
    metrics = compute_metrics(TASKS["rcb"], indexed(gold), indexed(said))
    assert metrics["f1"] == pytest.approx((0.8 + 2 / 3 + 0.5) / 3, abs=1e-15)
    assert metrics["accuracy"] == pytest.approx(4 / 6, abs=1e-15)
    wanted = (metrics["f1"] + metrics["accuracy"]) / 2
    assert task_score(TASKS["rcb"], metrics) == pytest.approx(wanted, abs=1e-15)


def test_muserc():
    # Passage 1, question 0: gold 1 0, said 1 0 (exact); question 1: gold 1 1 0, said 1 0 1.
    # Passage 2, question 5: gold 0 1, said 0 1 (exact).
    # Positives: tp 3, fp 1, fn 1 -> F1a 6/8; exact 2 of 3 questions.
    rows = [
        ({0: {0: 1, 1: 0}, 1: {2: 1, 3: 1, 4: 0}}, {0: {0: 1, 1: 0}, 1: {2: 1, 3: 0, 4: 1}}),
        ({5: {9: 0, 10: 1}}, {5: {10: 1, 9: 0}}),
    ]
    metrics = muserc_metrics(rows)
    assert metrics["f1a"] == pytest.approx(0.75, abs=1e-15)
    assert metrics["em"] == pytest.approx(2 / 3, abs=1e-15)


def test_muserc_without_a_positive_answer():
    assert muserc_metrics([({0: {0: 1}}, {0: {0: 0}})]) == {"f1a": 0.0, "em": 0.0}
    assert muserc_metrics([({0: {0: 0}}, {0: {0: 0}})]) == {"f1a": 0.0, "em": 1.0}


def test_muserc_of_other_answers_is_an_error():
    with pytest.raises(MoroccoError, match="not those of the split"):
        compute_metrics(TASKS["muserc"], {0: {0: {0: 1}}}, {0: {0: {1: 1}}})


@pytest.mark.parametrize(
    ("text", "normal"),
    [
        ("  Северная\tКорея,\n", "северная корея"),
        ("«Барс»", "«барс»"),  # only ASCII punctuation goes, as in the official code
        ("Нарьян-Мар", "нарьянмар"),
        ("США.", "сша"),
        ("...", ""),
    ],
)
def test_rucos_normal_form(text, normal):
    assert normalise_answer(text) == normal


@pytest.mark.parametrize(
    ("answers", "text", "f1", "exact"),
    [
        (["Ангела Меркель", "Меркель"], "меркель.", 1.0, 1.0),
        # one token of two against one of one: p 1/2, r 1 -> 2/3
        (["Меркель"], "Ангела Меркель", 2 / 3, 0.0),
        # a repeated token counts once: p 1/3, r 1 -> 1/2
        (["Меркель"], "Меркель Меркель Меркель", 0.5, 0.0),
        # word order does not count for F1, it does for the exact match
        (["северная корея"], "Корея Северная", 1.0, 0.0),
        # the best of each, over different answers
        (["а б в", "г"], "а б", 0.8, 0.0),
        (["Россия"], "США", 0.0, 0.0),
        (["Россия"], "", 0.0, 0.0),
        ([], "Россия", 0.0, 0.0),
    ],
)
def test_rucos_query(answers, text, f1, exact):
    assert query_scores(answers, text) == (pytest.approx(f1, abs=1e-15), exact)


def test_rucos_averages_over_queries():
    # 1 and 2/3 in the first passage, 0 in the second, over 3 queries
    rows = [((("а",), ("а б",)), "а"), ((("в",),), "г")]
    metrics = rucos_metrics(rows)
    assert metrics["f1"] == pytest.approx((1 + 2 / 3) / 3, abs=1e-15)
    assert metrics["em"] == pytest.approx(1 / 3, abs=1e-15)


def test_a_second_metric_of_zero_counts():
    assert task_score(TASKS["rucos"], {"f1": 0.4, "em": 0.0}) == 0.2


def test_errors():
    with pytest.raises(MoroccoError, match="no predictions"):
        compute_metrics(TASKS["terra"], {0: E}, {})
    with pytest.raises(MoroccoError, match="idx 3 is predicted but not in"):
        compute_metrics(TASKS["terra"], {0: E}, {3: E})


labels = st.lists(st.tuples(st.sampled_from([E, C, U]), st.sampled_from([E, C, U])), min_size=1)


@given(labels, st.randoms())
def test_order_of_records_does_not_matter_and_perfect_is_one(pairs, random):
    gold, said = indexed([g for g, _ in pairs]), indexed([p for _, p in pairs])
    shuffled = list(said.items())
    random.shuffle(shuffled)
    task = TASKS["rcb"]
    assert compute_metrics(task, gold, said) == compute_metrics(task, gold, dict(shuffled))
    assert compute_metrics(task, gold, gold) == {"f1": 1.0, "accuracy": 1.0}


# gold answers


def split(tmp_path, *rows):
    path = tmp_path / "val.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def test_gold_of_flat_tasks_takes_spellings(tmp_path):
    path = split(tmp_path, {"idx": "0", "label": "True"}, {"idx": 1, "label": False})
    assert read_gold(TASKS["russe"], path) == {0: True, 1: False}


def test_gold_of_nested_tasks(tmp_path):
    question = {"question": "?", "idx": 4, "answers": [{"idx": 7, "text": "т", "label": 1}]}
    path = split(tmp_path, {"idx": 0, "passage": {"text": "т", "questions": [question]}})
    assert read_gold(TASKS["muserc"], path) == {0: {4: {7: 1}}}
    query = {"query": "q", "idx": 0, "answers": [{"text": "А"}, {"text": "Б"}, {"text": "А"}]}
    path = split(tmp_path, {"idx": 0, "passage": {"text": "т"}, "qas": [query]})
    assert read_gold(TASKS["rucos"], path) == {0: (("А", "Б"),)}


def test_unlabelled_splits_have_no_gold(tmp_path):
    assert read_gold(TASKS["terra"], split(tmp_path, {"idx": 0}, {"idx": 1})) is None
    question = {"question": "?", "idx": 4, "answers": [{"idx": 7, "text": "т"}]}
    path = split(tmp_path, {"idx": 0, "passage": {"text": "т", "questions": [question]}})
    assert read_gold(TASKS["muserc"], path) is None
    path = split(tmp_path, {"idx": 0, "qas": [{"query": "q", "idx": 0}]})
    assert read_gold(TASKS["rucos"], path) is None


@pytest.mark.parametrize(
    ("key", "rows", "message"),
    [
        ("terra", [{"idx": 0, "label": E}, {"idx": 1}], r"val.jsonl:2: idx 1 has no gold answer"),
        ("terra", [{"idx": 5, "label": "x"}], r"val.jsonl:1: idx 5: label 'x' is not"),
        ("parus", [{"idx": 0, "label": True}], r"label true is not"),
        ("muserc", [{"idx": 0, "label": 1}], r"val.jsonl:1: idx 0: not a record of this task"),
        ("muserc", [{"idx": 0, "passage": {"questions": []}}], r"'questions' is missing, empty"),
        ("rucos", [{"idx": 0, "qas": [{"answers": [{"text": 3}]}]}], r"an answer has no text"),
        ("rucos", [{"idx": 0, "label": E}], r"'qas' is missing"),
    ],
)
def test_invalid_gold_is_named(tmp_path, key, rows, message):
    with pytest.raises(MoroccoError, match=message):
        read_gold(TASKS[key], split(tmp_path, *rows))
