import json
import math
import random
from dataclasses import dataclass
from pathlib import Path

import pytest

from morocco.cli.main import main
from morocco.errors import MoroccoError
from morocco.estimate.published import read_published
from morocco.estimate.results import Score
from morocco.estimate.score import (
    absent_score,
    given_score,
    overall_score,
    score_interval,
    score_task,
    wilson_interval,
)
from morocco.tasks.inputs import make_input
from morocco.tasks.metrics import check_metrics, compute_metrics, task_score
from morocco.tasks.predictions import check_predictions
from morocco.tasks.registry import TASKS

ROOT = Path(__file__).resolve().parents[2]
SHARED = ROOT / ".." / "shared"
REFERENCE = SHARED / "reference" / "predictions"
E, N = "entailment", "not_entailment"


@dataclass
class Done:
    returncode: int
    stdout: str
    stderr: str


@pytest.fixture
def morocco(capsys):
    def run(*args):
        code = main(["score", *map(str, args)])
        return Done(code, *capsys.readouterr())

    return run


def jsonl(path, rows):
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


# against the first MOROCCO


@pytest.mark.parametrize(
    ("task", "split", "file"),
    [
        ("LiDiRus", "LiDiRus/LiDiRus.jsonl", "rubert-lidirus.jsonl"),
        ("lidirus", "LiDiRus/LiDiRus.jsonl", "tfidf-lidirus.jsonl"),
        ("TERRa", "TERRa/val.jsonl", "tfidf-terra-val.jsonl"),
    ],
)
def test_command_scores_reference_predictions_as_expected(morocco, task, split, file):
    if not REFERENCE.is_dir():
        pytest.skip(f"{REFERENCE} is not here")
    wanted = json.loads((REFERENCE / "expected.json").read_text())[file]
    done = morocco(task, SHARED / "russian-superglue" / split, REFERENCE / file)
    assert done.returncode == 0, done.stderr
    got = json.loads(done.stdout)
    for name, value in wanted.items():
        assert got[name] == pytest.approx(value, abs=1e-12)
    assert got["score"] == got["mcc" if "mcc" in got else "accuracy"]
    assert got["low"] < got["score"] < got["high"]


# one task


@pytest.fixture
def terra(tmp_path):
    return jsonl(tmp_path / "val.jsonl", [{"idx": i, "label": E if i < 3 else N} for i in range(5)])


def test_cycled_input_counts_every_record_once(tmp_path, terra):
    task = TASKS["terra"]
    made = make_input(terra, 13, tmp_path / "in.jsonl")
    labels = {0: E, 1: E, 2: N, 3: N, 4: N}
    with open(made.path) as file:
        rows = [{"idx": i, "label": labels[i]} for i in (json.loads(x)["idx"] for x in file)]
    check = check_predictions(task, Path(made.path), jsonl(tmp_path / "out", rows))
    score = score_task(task, terra, check.predictions)
    assert score.metrics == {"accuracy": 0.8}
    assert (score.score, score.records, score.source, score.reason) == (0.8, 5, "measured", None)
    assert (score.low, score.high) == wilson_interval(4, 5)


def test_part_of_the_split_says_on_what_it_rests(terra):
    score = score_task(TASKS["terra"], terra, {0: E, 3: E})
    assert score.score == 0.5
    assert score.records == 2
    assert score.reason == "rests on 2 of the split's 5 records"


def test_unlabelled_split_has_no_score(tmp_path):
    path = jsonl(tmp_path / "test.jsonl", [{"idx": 0, "premise": "п"}])
    score = score_task(TASKS["terra"], path, {0: E})
    assert (score.score, score.source, score.low, score.metrics) == (None, "absent", None, {})
    assert score.reason == f"{path} has no gold answers"


def test_predictions_of_another_split_are_an_error(terra):
    with pytest.raises(MoroccoError, match="idx 77"):
        score_task(TASKS["terra"], terra, {77: E})


def test_majority_on_every_sample_task(tmp_path):
    """All nine tasks from input to score, with an answer of the official form."""
    for task in TASKS.values():
        source = ROOT / "data" / "sample" / task.eval_file
        made = make_input(source, 100, tmp_path / task.key)
        rows = []
        for line in Path(made.path).read_text().splitlines():
            record = json.loads(line)
            if task.key == "muserc":
                questions = [
                    {
                        "idx": q["idx"],
                        "answers": [{"idx": a["idx"], "label": 1} for a in q["answers"]],
                    }
                    for q in record["passage"]["questions"]
                ]
                rows.append({"idx": record["idx"], "passage": {"questions": questions}})
            elif task.key == "rucos":
                entity = record["passage"]["entities"][0]
                text = record["passage"]["text"][entity["start"] : entity["end"]]
                rows.append({"idx": record["idx"], "label": text})
            else:
                rows.append({"idx": record["idx"], "label": task.labels[0]})
        check = check_predictions(task, Path(made.path), jsonl(tmp_path / "out", rows))
        assert check.reasons == ()
        score = score_task(task, source, check.predictions)
        assert set(score.metrics) >= set(task.metrics)
        assert score.records == made.source_records
        assert score.score is not None
        assert score.low <= score.score <= score.high
        if task.key != "lidirus":
            assert 0.1 < score.score < 0.9


# intervals


def test_wilson_interval():
    # Brown, Cai & DasGupta 2001 give the formula; 8 of 10: (0.4902, 0.9433)
    low, high = wilson_interval(8, 10)
    assert low == pytest.approx(0.49016, abs=1e-5)
    assert high == pytest.approx(0.94332, abs=1e-5)
    assert wilson_interval(0, 10)[0] == 0.0
    assert wilson_interval(10, 10)[1] == 1.0
    assert wilson_interval(10, 10)[0] == pytest.approx(0.72247, abs=1e-5)
    with pytest.raises(MoroccoError):
        wilson_interval(2, 1)


def draw(key, rng, n=150):
    """Gold and predictions of a model that is right about 7 times in 10."""
    labels = list(TASKS[key].labels)
    gold = [rng.choice(labels) for _ in range(n)]
    said = [x if rng.random() < 0.7 else rng.choice(labels) for x in gold]
    return dict(enumerate(gold)), dict(enumerate(said))


@pytest.mark.parametrize("key", ["lidirus", "rcb"])
def test_bootstrap_interval_covers_the_truth(key):
    """Of 200 samples at most 8 % miss the score of a very large one (5 % wanted)."""
    rng = random.Random(3)
    task = TASKS[key]
    truth = task_score(task, compute_metrics(task, *draw(key, rng, 60_000)))
    missed = 0
    for _ in range(200):
        low, high = score_interval(task, *draw(key, rng))
        missed += not low <= truth <= high
    assert missed <= 16


def test_interval_of_questions_in_passages_is_by_passage():
    """Ten times the questions in the same passages, all alike, are no more evidence."""
    rng = random.Random(1)
    task = TASKS["muserc"]

    def data(questions):
        gold, said = {}, {}
        for i in range(40):
            right = rng.random() < 0.6
            gold[i] = {q: {0: 1, 1: 0} for q in range(questions)}
            said[i] = {q: {0: 1, 1: 0} if right else {0: 0, 1: 1} for q in range(questions)}
        return gold, said

    few, many = score_interval(task, *data(1)), score_interval(task, *data(10))
    assert many[1] - many[0] > 0.7 * (few[1] - few[0])


def test_interval_is_the_same_each_time():
    gold, said = draw("lidirus", random.Random(5))
    shuffled = dict(random.Random(6).sample(sorted(said.items()), len(said)))
    task = TASKS["lidirus"]
    assert score_interval(task, gold, said) == score_interval(task, gold, shuffled)


@pytest.mark.parametrize("key", ["lidirus", "rcb", "rucos", "muserc"])
def test_perfect_scores_still_have_a_width(key):
    gold = {
        "lidirus": {i: (E, N)[i % 2] for i in range(30)},
        "rcb": {i: (E, "neutral", "contradiction")[i % 3] for i in range(30)},
        "rucos": dict.fromkeys(range(30), (("Минск",),)),
        "muserc": {i: {0: {0: 1, 1: 0}} for i in range(30)},
    }[key]
    said = dict.fromkeys(range(30), "Минск") if key == "rucos" else gold
    low, high = score_interval(TASKS[key], gold, said)
    wilson = wilson_interval(30, 30)[0]
    assert high == 1.0
    assert low == pytest.approx(2 * wilson - 1 if key == "lidirus" else wilson, abs=1e-12)


def test_no_right_answer_still_has_a_width():
    gold = dict.fromkeys(range(30), (("Минск",),))
    low, high = score_interval(TASKS["rucos"], gold, dict.fromkeys(range(30), "Пермь"))
    assert low == 0.0
    assert high == pytest.approx(wilson_interval(0, 30)[1], abs=1e-12)


# overall


def nine(value=0.5, half=0.09):
    return {
        key: Score({}, value, "measured", 10, None, value - half, value + half) for key in TASKS
    }


def test_overall_is_the_plain_mean_with_a_narrower_interval():
    scores = nine()
    scores["terra"] = Score({}, 0.95, "measured", 30, None, 0.95, 0.95)
    overall = overall_score(scores)
    assert overall.score == pytest.approx(0.55, abs=1e-15)
    assert overall.records == 110
    assert overall.source == "measured"
    assert overall.reason is None
    # eight equal half-widths of 0.09, independent: sqrt(8) * 0.09 / 9
    assert overall.high - overall.score == pytest.approx(math.sqrt(8) * 0.01, abs=1e-12)
    assert overall.score - overall.low == pytest.approx(math.sqrt(8) * 0.01, abs=1e-12)


def test_overall_needs_all_nine():
    scores = nine()
    del scores["parus"]
    scores["rwsd"] = absent_score("no labels")
    overall = overall_score(scores)
    assert (overall.score, overall.source) == (None, "absent")
    assert overall.reason == "no score for PARus, RWSD"


def test_overall_says_what_was_given_and_what_is_partial():
    scores = nine()
    scores["terra"] = given_score(TASKS["terra"], {"accuracy": 0.5})
    scores["rcb"] = Score({}, 0.5, "measured", 5, "rests on 5 of the split's 9 records", 0.1, 0.9)
    overall = overall_score(scores)
    assert overall.source == "given"
    assert overall.reason == "given, not measured: TERRa; rests on a part of RCB"
    assert overall.low is None


# published scores

PUBLISHED = {"HUMAN BENCHMARK": 0.811, "RuBERT plain": 0.521, "RuGPT3Large": 0.505}
OTHERS = {
    "RuBERT conversational": 0.5,
    "Multilingual Bert": 0.495,
    "RuGPT3Medium": 0.468,
    "RuGPT3Small": 0.438,
    "FRED-T5 1.7B finetune": 0.762,
    "ruT5-base finetune": 0.635,
    "Baseline TF-IDF1.1": 0.434,
}


def test_published_rows_average_to_the_published_overall_score():
    rows = read_published(ROOT / "data" / "published_scores.yaml")
    assert len(rows) >= 20
    for name, scores in rows.items():
        overall = overall_score(scores)
        assert overall.source == "given"
        assert overall.reason is None
        if name in PUBLISHED:
            assert round(overall.score, 3) == PUBLISHED[name]
        # Published metrics are rounded to two or three digits: so is what follows from them.
        if name in OTHERS:
            assert overall.score == pytest.approx(OTHERS[name], abs=1e-3)
    assert rows.keys() >= PUBLISHED.keys() | OTHERS.keys()
    assert rows["RuBERT plain"]["rcb"].metrics == {"f1": 0.367, "accuracy": 0.463}


def test_zero_as_a_score_counts():
    rows = read_published(ROOT / "data" / "published_scores.yaml")
    golden = rows["Golden Transformer v1.0"]
    assert golden["lidirus"].score == 0.0
    assert overall_score(golden).score == pytest.approx(0.679, abs=1e-3)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("m: {TERA: {accuracy: 0.5}}", "m: unknown task 'TERA'"),
        ("m: {TERRa: {accuracy: 52}}", "m: TERRa: accuracy is 52, not in 0..1"),
        ("m: {TERRa: {accuracy: 0.5, f1: 0.5}}", "TERRa is scored by accuracy"),
        ("m: {RCB: {f1: 0.5}}", "RCB is scored by f1 and accuracy"),
        ("m: {LiDiRus: {mcc: -2}}", "not in -1..1"),
        ("m: {TERRa: {accuracy: .nan}}", "accuracy is nan"),
        ("m: {TERRa: {accuracy: yes}}", "accuracy is True"),
        ("m: {TERRa: {accuracy: 0.5}, terra: {accuracy: 0.5}}", "TERRa stands twice"),
        ("m: 0.5", "not a table of tasks"),
        ("[]", "not a table of models"),
        ("{", "not valid YAML"),
    ],
)
def test_mistakes_in_published_scores_are_named(tmp_path, text, message):
    path = tmp_path / "scores.yaml"
    path.write_text(text)
    with pytest.raises(MoroccoError) as caught:
        read_published(path)
    assert message in str(caught.value)
    assert str(path) in str(caught.value)


def test_given_metrics_are_checked():
    assert check_metrics(TASKS["lidirus"], {"mcc": -0.013}, "x") == {"mcc": -0.013}
    assert given_score(TASKS["rucos"], {"f1": 0.2, "em": 0.0}).score == 0.1
    with pytest.raises(MoroccoError, match="given score of RuCoS: RuCoS is scored by f1 and em"):
        given_score(TASKS["rucos"], {"f1": 0.2})


# the command


def test_command_prints_metrics_and_counts_repeated_idx_once(morocco, tmp_path):
    split = jsonl(tmp_path / "val.jsonl", [{"idx": i, "label": i % 2} for i in range(4)])
    rows = [{"idx": str(i), "label": "1"} for i in range(4)] + [{"idx": 0, "label": 1}]
    done = morocco("parus", split, jsonl(tmp_path / "p", rows))
    got = json.loads(done.stdout)
    assert (got["accuracy"], got["score"], got["records"], got["reason"]) == (0.5, 0.5, 4, None)
    assert done.stderr == ""


def test_command_names_what_is_missing_unless_partial(morocco, tmp_path):
    split = jsonl(tmp_path / "val.jsonl", [{"idx": i, "label": 1} for i in range(9)])
    half = jsonl(tmp_path / "p", [{"idx": i, "label": 1} for i in range(4)])
    done = morocco("PARus", split, half)
    assert done.returncode == 2
    assert done.stdout == ""
    assert "5 of 9 records have no prediction: idx 4, 5, 6, …" in done.stderr
    got = json.loads(morocco("PARus", split, half, "--partial").stdout)
    assert got["score"] == 1.0
    assert got["reason"] == "rests on 4 of the split's 9 records"


def test_command_on_an_unlabelled_split(morocco, tmp_path):
    split = jsonl(tmp_path / "test.jsonl", [{"idx": 0, "premise": "п", "hypothesis": "г"}])
    done = morocco("TERRa", split, jsonl(tmp_path / "p", [{"idx": 0, "label": E}]))
    assert done.returncode == 0
    got = json.loads(done.stdout)
    assert got["score"] is None
    assert "no gold answers" in got["reason"]


def test_command_names_line_and_idx_of_a_wrong_label(morocco, tmp_path):
    split = jsonl(tmp_path / "val.jsonl", [{"idx": 3, "label": True}])
    done = morocco("DaNetQA", split, jsonl(tmp_path / "p", [{"idx": 3, "label": "да"}]))
    assert done.returncode == 2
    assert "line 1, idx 3: 'да' is not one of true, false" in done.stderr
    assert "Traceback" not in done.stderr
