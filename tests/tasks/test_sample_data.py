"""The embedded sample suite is what it claims to be, in the official schema."""

import itertools
import json
from collections import Counter
from pathlib import Path

import pytest

from morocco.tasks.gold import read_gold
from morocco.tasks.records import read_records
from morocco.tasks.registry import TASKS

SAMPLE = Path(__file__).resolve().parents[2] / "data" / "sample"
SHARED = Path(__file__).resolve().parents[3] / "shared" / "russian-superglue"
FILES = [
    pytest.param(task, file, id=file)
    for task in TASKS.values()
    for file in (task.train_file, task.eval_file)
    if file
]
TAGS = {"logic", "predicate-argument-structure", "lexical-semantics", "knowledge"}


def records(file):
    return [record.fields for record in read_records(SAMPLE / file)]


def shape(value):
    """Field names and types, with lists as the set of their items' shapes."""
    if isinstance(value, dict):
        return tuple(sorted((key, shape(item)) for key, item in value.items() if key not in TAGS))
    if isinstance(value, list):
        return tuple({shape(item) for item in value})
    return type(value).__name__


@pytest.mark.parametrize(("task", "file"), FILES)
def test_schema_is_the_official_one(task, file):
    official = SHARED / file
    if not official.is_file():
        pytest.skip(f"{official} is not here")
    wanted = {shape(json.loads(line)) for line in official.read_text().splitlines()}
    assert {shape(record) for record in records(file)} <= wanted


@pytest.mark.parametrize(("task", "file"), FILES)
def test_labelled_balanced_and_large_enough(task, file):
    gold = read_gold(task, SAMPLE / file)
    assert gold is not None
    if task.key in ("muserc", "rucos"):
        assert len(gold) >= (8 if task.key == "muserc" else 15)
        return
    counts = Counter(gold.values())
    assert set(counts) == set(task.labels)
    assert len(gold) >= (36 if file == task.train_file else 30)
    assert min(counts.values()) >= len(gold) / len(task.labels) * 0.8


@pytest.mark.parametrize(("task", "file"), FILES)
def test_no_text_twice_and_clean(task, file):
    lines = (SAMPLE / file).read_text().splitlines()
    bodies = []
    for line in lines:
        record = json.loads(line)
        bodies.append(json.dumps({k: v for k, v in record.items() if k not in ("idx", "label")}))
        assert line == json.dumps(record, ensure_ascii=False)
        assert "  " not in line
    assert len(set(bodies)) == len(bodies)


def texts(record):
    passage = record.get("passage")
    if isinstance(passage, dict):
        return [passage["text"]]
    names = ("premise", "sentence1", "sentence2", "text", "passage")
    return [record[name] for name in names if name in record]


@pytest.mark.parametrize("task", [t for t in TASKS.values() if t.train_file], ids=lambda t: t.key)
def test_val_shares_no_text_with_train(task):
    train = {text for record in records(task.train_file) for text in texts(record)}
    val = {text for record in records(task.eval_file) for text in texts(record)}
    assert not train & val


@pytest.mark.parametrize("file", ["RUSSE/train.jsonl", "RUSSE/val.jsonl"])
def test_russe_offsets_point_at_the_word(file):
    for record in records(file):
        for k in "12":
            sentence, start, end = (record[f"{name}{k}"] for name in ("sentence", "start", "end"))
            form = sentence[start:end]
            assert form.isalpha()
            assert form.lower()[:2] == record["word"][:2]
            assert not sentence[end : end + 1].isalpha()
            assert start == 0 or not sentence[start - 1].isalpha()
        assert record["label"] == (record["gold_sense1"] == record["gold_sense2"])


@pytest.mark.parametrize("file", ["RWSD/train.jsonl", "RWSD/val.jsonl"])
def test_rwsd_spans_stand_at_their_words(file):
    right = Counter()
    for record in records(file):
        words = record["text"].split()
        for k in "12":
            span = record["target"][f"span{k}_text"]
            at = record["target"][f"span{k}_index"]
            found = " ".join(words[at : at + len(span.split())])
            assert found.strip(".,") == span
        right[record["text"]] += record["label"]
    assert max(right.values()) == 1  # a pronoun has one referent


@pytest.mark.parametrize("file", ["RuCoS/train.jsonl", "RuCoS/val.jsonl"])
def test_rucos_entities_and_answers(file):
    for record in records(file):
        text = record["passage"]["text"]
        spans = [(entity["start"], entity["end"]) for entity in record["passage"]["entities"]]
        assert all(text[start:end].strip() == text[start:end] != "" for start, end in spans)
        assert all(first[1] <= second[0] for first, second in itertools.pairwise(spans))
        (query,) = record["qas"]
        assert query["query"].count("@placeholder") == 1
        assert query["idx"] == record["idx"]
        assert 0 < len(query["answers"]) < len(spans)
        for answer in query["answers"]:
            assert (answer["start"], answer["end"]) in spans
            assert text[answer["start"] : answer["end"]] == answer["text"]


@pytest.mark.parametrize("file", ["MuSeRC/train.jsonl", "MuSeRC/val.jsonl"])
def test_muserc_numbering(file):
    questions, answers = [], []
    for record in records(file):
        text = record["passage"]["text"]
        assert text.startswith("(1) ")
        assert f"({text.count('(')}) " in text
        for question in record["passage"]["questions"]:
            questions.append(question["idx"])
            answers += [answer["idx"] for answer in question["answers"]]
            labels = {answer["label"] for answer in question["answers"]}
            assert labels == {0, 1}
    assert questions == list(range(len(questions)))
    assert answers == list(range(len(answers)))


def test_lidirus_as_the_official_file_has_it():
    rows = records("LiDiRus/LiDiRus.jsonl")
    assert [row["idx"] for row in rows] == [str(i) for i in range(len(rows))]
    assert {tag for row in rows for tag in row if tag in TAGS} == TAGS


def test_nothing_of_the_official_data_is_in_it():
    if not SHARED.is_dir():
        pytest.skip(f"{SHARED} is not here")
    files = [task.eval_file for task in TASKS.values()]
    files += [task.train_file for task in TASKS.values() if task.train_file]
    ours = {text for file in files for record in records(file) for text in texts(record)}
    official = "".join(path.read_text() for path in SHARED.rglob("*.jsonl"))
    assert not [text for text in ours if json.dumps(text, ensure_ascii=False)[1:-1] in official]
