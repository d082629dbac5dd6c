"""Every reference model on every task: whole, valid, stable predictions that stream."""

from __future__ import annotations

import json
import pickle
import select
import subprocess
import sys
from collections import Counter
from functools import cache
from pathlib import Path

import pytest
from model_processes import (
    MODELS,
    SAMPLE,
    calibrated,
    clean_env,
    copy_model,
    run_all,
    train_file,
)

from morocco.tasks.inputs import make_input
from morocco.tasks.predictions import check_predictions
from morocco.tasks.registry import TASKS

LEARNING = ("majority", "random", "tfidf")
BATCHES = (1, 7, 1000)


def read(path: Path) -> list[dict]:
    return [json.loads(line) for line in path.read_text().splitlines()]


@pytest.fixture(scope="module")
def answers(tmp_path_factory):
    """answers(model): the folder and outputs of ``run_all``, made once."""

    @cache
    def made(model: str):
        folder = tmp_path_factory.mktemp(model)
        return folder, run_all(model, folder, BATCHES)

    return made


@pytest.mark.parametrize("model", LEARNING)
def test_predictions_are_whole_and_valid(answers, model):
    folder, outputs = answers(model)
    for (key, batch), output in outputs.items():
        check = check_predictions(TASKS[key], folder / f"{key}.jsonl", output)
        assert check.valid, (key, batch, check.reasons)
        # In the input's order, idx as it came: LiDiRus has strings.
        assert [r["idx"] for r in read(output)] == [r["idx"] for r in read(folder / f"{key}.jsonl")]


@pytest.mark.parametrize("model", LEARNING)
def test_batch_size_changes_no_prediction(answers, model):
    _, outputs = answers(model)
    for key in TASKS:
        assert len({outputs[key, batch].read_bytes() for batch in BATCHES}) == 1, key


@pytest.mark.parametrize("model", LEARNING)
def test_labels_are_plain_json_of_the_tasks_own_type(answers, model):
    _, outputs = answers(model)
    for key, task in TASKS.items():
        labels = [r.get("label") for r in read(outputs[key, 1])]
        if task.labels:
            assert all(type(label) is type(task.labels[0]) for label in labels), key
            assert set(labels) <= set(task.labels), key


@pytest.mark.parametrize("model", LEARNING)
def test_rucos_answers_are_entities_of_the_passage(answers, model):
    folder, outputs = answers(model)
    for record, reply in zip(read(folder / "rucos.jsonl"), read(outputs["rucos", 1]), strict=True):
        text = record["passage"]["text"]
        names = {text[e["start"] : e["end"]] for e in record["passage"]["entities"]}
        assert reply["label"] in names


@pytest.mark.parametrize("model", LEARNING)
def test_about_fits_the_labels_of_an_image(answers, model):
    folder, _ = answers(model)
    for key in TASKS:
        about = json.loads((folder / key / "about.json").read_text())
        weights = folder / key / ("model.pkl" if model == "tfidf" else "model.json")
        assert about["weight_bytes"] == weights.stat().st_size
        if model == "tfidf":
            # One inverse document frequency a term, and where there is a classifier its weights.
            classified = key not in ("muserc", "rucos")
            assert (about["parameters"] > about["vocabulary"]) is classified
            assert about["vocabulary"] > 50


def test_majority_is_the_most_frequent_label(answers):
    _, outputs = answers("majority")
    for key in ("danetqa", "parus", "rcb", "russe", "rwsd", "terra", "lidirus"):
        counts = Counter(r["label"] for r in read(train_file(TASKS[key])))
        labels = {r["label"] for r in read(outputs[key, 1])}
        assert len(labels) == 1
        assert counts[labels.pop()] == max(counts.values()), key


def test_random_has_the_frequencies_of_the_train_split(tmp_path):
    folder = copy_model("random", TASKS["rcb"], tmp_path / "rcb")
    shares = {"entailment": 0.6, "neutral": 0.3, "contradiction": 0.1}
    with (folder / "train.jsonl").open("w") as file:
        for label, share in shares.items():
            file.write(f'{{"idx": 0, "label": "{label}"}}\n' * round(10 * share))
    subprocess.run([sys.executable, folder / "train.py", "rcb"], check=True, env=clean_env())
    many = "".join(f'{{"premise": "П", "hypothesis": "Г", "idx": {i}}}\n' for i in range(5000))
    command = [sys.executable, folder / "infer.py", "--batch-size", "100"]
    runs = [
        subprocess.run(command, input=many.encode(), capture_output=True, check=True).stdout
        for _ in range(2)
    ]
    assert runs[0] == runs[1]
    counts = Counter(json.loads(line)["label"] for line in runs[0].splitlines())
    for label, share in shares.items():
        # 4 standard deviations of a binomial count; the draw itself never changes.
        assert abs(counts[label] - 5000 * share) < 4 * (5000 * share * (1 - share)) ** 0.5


def test_tfidf_ranks_as_the_baseline_does(answers):
    """The published formula, with the library's own cosine."""
    from sklearn.metrics.pairwise import cosine_similarity

    folder, outputs = answers("tfidf")
    vectorizer = pickle.loads((folder / "muserc" / "model.pkl").read_bytes())[1]
    for record, reply in zip(
        read(folder / "muserc.jsonl"), read(outputs["muserc", 1]), strict=True
    ):
        passage = vectorizer.transform([record["passage"]["text"]])
        questions = zip(record["passage"]["questions"], reply["passage"]["questions"], strict=True)
        for question, answered_question in questions:
            options = [f"{question['question']} {a['text']}" for a in question["answers"]]
            cosines = cosine_similarity(passage, vectorizer.transform(options))[0]
            chosen = [i for i, a in enumerate(answered_question["answers"]) if a["label"]]
            assert len(chosen) == min(2, len(options))
            floor = sorted(cosines)[-2:][0]
            assert all(cosines[i] >= floor - 1e-12 for i in chosen)


def test_tfidf_learns_something(answers):
    """On its own train split a classifier beats the majority class by far."""
    folder, _ = answers("tfidf")
    command = [sys.executable, folder / "terra" / "infer.py", "--batch-size", "64"]
    train = read(train_file(TASKS["terra"]))
    done = subprocess.run(
        command,
        input=train_file(TASKS["terra"]).read_bytes(),
        capture_output=True,
        check=True,
        env=clean_env(),
    )
    got = [json.loads(line)["label"] for line in done.stdout.splitlines()]
    right = sum(a == b["label"] for a, b in zip(got, train, strict=True))
    majority = max(Counter(r["label"] for r in train).values())
    assert right > majority + (len(train) - majority) / 2


@pytest.mark.parametrize("model", [*LEARNING, "calibrated"])
def test_answers_come_before_the_input_ends(model, tmp_path):
    task = TASKS["terra"]
    folder = copy_model(model, task, tmp_path / "model")
    if model != "calibrated":
        subprocess.run([sys.executable, folder / "train.py", task.key], check=True)
    lines = (SAMPLE / task.eval_file).read_bytes().splitlines(keepends=True)[:3]
    command = [sys.executable, folder / "infer.py", "--batch-size", "2"]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, bufsize=0
    ) as process:
        process.stdin.write(b"".join(lines[:2]))
        assert select.select([process.stdout], [], [], 30)[0], "no answer to a full batch"
        first = process.stdout.read(65536)
        rest, _ = process.communicate(lines[2])
    assert (first + rest).count(b"\n") == 3
    assert first.count(b"\n") >= 1
    assert process.returncode == 0


@pytest.mark.parametrize("model", ("majority", "random"))
@pytest.mark.parametrize("arguments", [[], ["--batch-size", "0"], ["--batch-size"], ["--help"]])
def test_wrong_arguments_are_refused(model, arguments):
    done = subprocess.run(
        [sys.executable, MODELS / model / "infer.py", *arguments],
        input=b"",
        capture_output=True,
        check=False,
        env=clean_env(),
    )
    assert done.returncode == 1
    assert b"usage: infer.py --batch-size N" in done.stderr


@pytest.mark.parametrize("model", LEARNING)
def test_training_names_the_line_that_is_no_record(model, tmp_path):
    folder = copy_model(model, TASKS["terra"], tmp_path / "model")
    with (folder / "train.jsonl").open("a") as file:
        file.write('{"premise": "П", "hypothesis": "Г"}\n')
    number = len((folder / "train.jsonl").read_text().splitlines())
    done = subprocess.run(
        [sys.executable, folder / "train.py", "terra"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert f"train.jsonl:{number}: not a labelled terra record: KeyError('label')" in done.stderr


@pytest.mark.parametrize("key", TASKS)
def test_calibrated_answers_every_task(key, tmp_path):
    source, output = tmp_path / "in.jsonl", tmp_path / "out.jsonl"
    make_input(SAMPLE / TASKS[key].eval_file, 40, source)
    done = calibrated("--batch-size", "16", records=source.read_bytes(), task=key)
    output.write_bytes(done.stdout)
    check = check_predictions(TASKS[key], source, output)
    assert check.valid, check.reasons
    assert [r["idx"] for r in read(output)] == [r["idx"] for r in read(source)]
