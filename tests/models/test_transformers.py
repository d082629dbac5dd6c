"""Texts, batches, folders and build contexts of the transformer containers, without torch."""

from __future__ import annotations

import json
import random
import struct
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from model_processes import MODELS, SAMPLE

from morocco.engine.images import weight_files
from morocco.errors import MoroccoError
from morocco.tasks.inputs import make_input
from morocco.tasks.predictions import check_predictions
from morocco.tasks.registry import TASKS

sys.path.append(str(MODELS / "transformers"))
import app
import folder as hf
import questions
import stream


def sample_input(key: str, folder: Path) -> Path:
    split = SAMPLE / TASKS[key].eval_file
    path = folder / f"{key}.jsonl"
    make_input(split, len(split.read_text().splitlines()), path)
    return path


def records_of(path: Path) -> list[dict]:
    return [json.loads(line) for line in path.read_text().splitlines()]


# --- questions ----------------------------------------------------------------------------------


@pytest.mark.parametrize("key", TASKS)
@pytest.mark.parametrize("kind", ("encoder", "decoder"))
def test_any_scores_make_valid_predictions(key, kind, tmp_path):
    source, output = sample_input(key, tmp_path), tmp_path / "out"
    rng = random.Random(1)
    classes = questions.CLASSES[key]
    lines = []
    for record in records_of(source):
        if kind == "encoder":
            rows = [[rng.random() for _ in classes] for _ in questions.pairs(key, record)]
            scores = questions.rank(rows) if key in questions.RANKED else rows
        else:
            asked = questions.prompts(key, record)
            scores = [[rng.random() for _ in prompt.choices] for prompt in asked]
        lines.append(json.dumps(questions.decide(key, record, scores, classes)))
    output.write_text("\n".join(lines) + "\n")
    check = check_predictions(TASKS[key], source, output)
    assert check.valid, check.reasons


@pytest.mark.parametrize("key", TASKS)
def test_every_text_of_a_record_is_read(key, tmp_path):
    """Whatever text changes, so does what encoder and decoder are asked."""
    record = records_of(sample_input(key, tmp_path))[0]
    fields = {
        "danetqa": ("question", "passage"),
        "lidirus": ("sentence1", "sentence2"),
        "parus": ("premise", "choice1", "choice2"),
        "rcb": ("premise", "hypothesis"),
        "russe": ("word", "sentence1", "sentence2"),
        "rwsd": ("text",),
        "terra": ("premise", "hypothesis"),
    }.get(key, ())
    changed = [{**record, field: record[field] + " и ещё"} for field in fields]
    if key == "parus":
        other = {"cause": "effect", "effect": "cause"}[record["question"]]
        changed.append({**record, "question": other})
    if key == "rwsd":
        for field in ("span1_text", "span2_text"):
            changed.append({**record, "target": {**record["target"], field: "иной"}})
    if key == "rucos":
        text = json.dumps(record, ensure_ascii=False)
        changed.append(json.loads(text.replace("@placeholder", "@placeholder ещё", 1)))
    if key == "muserc":
        text = json.dumps(record)
        passage = json.loads(text)
        passage["passage"]["questions"][0]["answers"][0]["text"] += " ещё"
        asked = json.loads(text)
        asked["passage"]["questions"][0]["question"] += " ещё"
        changed += [passage, asked]
    assert changed
    for other in changed:
        assert questions.pairs(key, other) != questions.pairs(key, record)
        assert questions.prompts(key, other) != questions.prompts(key, record)


def test_the_best_candidate_wins_for_encoder_and_decoder():
    record = {"idx": 3, "premise": "п", "choice1": "а", "choice2": "б", "question": "cause"}
    ranked = questions.rank([[0.0, 1.0], [2.0, 5.0]])  # 1 against 3
    assert questions.decide("parus", record, ranked, (0, 1)) == {"idx": 3, "label": 1}
    assert questions.decide("parus", record, [[0.5, 0.5]], (0, 1)) == {"idx": 3, "label": 0}
    assert questions.rank([[4.0], [1.0]]) == [[4.0, 1.0]]  # a head with one score


def test_rucos_without_entities_answers_nothing():
    record = {
        "idx": 1,
        "passage": {"text": "т", "entities": []},
        "qas": [{"query": "@placeholder"}],
    }
    assert questions.pairs("rucos", record) == questions.prompts("rucos", record) == []
    assert questions.decide("rucos", record, [], (0, 1)) == {"idx": 1, "label": ""}


def test_class_names_of_the_config_are_taken_where_they_are_the_tasks():
    names = {"0": "entailment", "1": "not_entailment"}
    assert app.class_names({"id2label": names}, "terra") == ("entailment", "not_entailment")
    generic = {"0": "LABEL_0", "1": "LABEL_1"}
    assert app.class_names({"id2label": generic}, "terra") == questions.NLI
    assert app.class_names({"id2label": {"0": "True", "1": "False"}}, "russe") == (True, False)
    ten = {str(n): f"LABEL_{n}" for n in range(10)}
    assert app.class_names({"id2label": ten}, "terra") == questions.NLI


# --- batches ------------------------------------------------------------------------------------


class Model:
    """Records carry the lengths of their rows; the answer tells that each row came back."""

    def __init__(self) -> None:
        self.batches: list[list[tuple[int, int]]] = []
        self.writes: list[str] = []
        self.read = self.most_ahead = 0

    def encode(self, record):
        self.read += len(record["rows"])
        return [((record["idx"], place, n), n) for place, n in enumerate(record["rows"])]

    def score(self, batch):
        written = sum(len(json.loads(t)["rows"]) for w in self.writes for t in w.splitlines())
        self.most_ahead = max(self.most_ahead, self.read - written)
        self.batches.append(batch)
        return [(idx, place, length) for idx, place, length in batch]

    def finish(self, record, scores):
        expected = [(record["idx"], place, n) for place, n in enumerate(record["rows"])]
        assert scores == expected
        return json.dumps(record) + "\n"

    def run(self, rows: list[list[int]], batch_size: int) -> list[dict]:
        records = [{"idx": idx, "rows": lengths} for idx, lengths in enumerate(rows)]
        lines = [json.dumps(record) for record in records]
        stream.answer_stream(
            lines, self.encode, self.score, self.finish, self.writes.append, batch_size
        )
        return [json.loads(line) for write in self.writes for line in write.splitlines()]


@given(
    st.lists(st.lists(st.integers(1, 512), max_size=7), max_size=120),
    st.integers(1, 9),
)
def test_every_row_is_scored_once_and_answers_keep_the_order(rows, batch_size):
    model = Model()
    answered = model.run(rows, batch_size)
    assert [record["rows"] for record in answered] == rows
    assert sum(map(len, model.batches)) == sum(map(len, rows))
    assert all(1 <= len(batch) <= batch_size for batch in model.batches)
    # The look-ahead, and the record that filled it.
    widest = max(map(len, rows), default=0)
    assert model.most_ahead <= stream.WINDOW * batch_size + widest


def test_every_batch_answers_and_no_burst_is_large():
    rng = random.Random(5)
    rows = [[round(rng.lognormvariate(4, 0.7))] for _ in range(2000)]
    model = Model()
    model.run(rows, 32)
    assert len(model.writes) == len(model.batches) <= 70
    assert max(write.count("\n") for write in model.writes) <= stream.WINDOW * 32
    padded = sum(max(n for *_, n in batch) * len(batch) for batch in model.batches)
    plain = [[n for (n,) in rows[i : i + 32]] for i in range(0, 2000, 32)]
    in_order = sum(max(batch) * len(batch) for batch in plain)
    assert padded < 0.75 * in_order


@given(st.lists(st.integers(1, 50), min_size=1, max_size=9), st.integers(1, 5))
def test_pick_pads_least_of_all_stretches(lengths, size):
    picked = stream.pick(tuple(lengths), size)
    count = min(size, len(lengths))
    assert 0 in picked and len(set(picked)) == count

    def padding(places) -> int:
        chosen = [lengths[place] for place in places]
        return max(chosen) * len(chosen) - sum(chosen)

    order = [place for _, place in sorted((n, place) for place, n in enumerate(lengths))]
    stretches = [order[i : i + count] for i in range(len(order) - count + 1)]
    assert sorted(picked) in [sorted(s) for s in stretches]
    assert padding(picked) == min(padding(s) for s in stretches if 0 in s)


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("{", "line 2 of the input is not JSON"),
        ("[" * 100_000, "line 2 of the input is not JSON"),
        ("[1]", "line 2 of the input is not an object with an idx"),
        ('{"rows": [1]}', "line 2 of the input is not an object with an idx"),
        ('{"idx": 1}', "line 2 of the input is no record of this task: field 'rows' is missing"),
        ('{"idx": 1, "rows": 5}', "line 2 of the input is no record of this task: "),
    ],
)
def test_a_bad_line_is_named(line, message):
    model = Model()
    lines = ['{"idx": 0, "rows": [3]}', line]
    with pytest.raises(stream.BadRecord) as caught:
        stream.answer_stream(lines, model.encode, model.score, model.finish, print, 4)
    assert str(caught.value).startswith(message)


# --- folders ------------------------------------------------------------------------------------


def write_weights(folder: Path, shapes: dict[str, list[int]], name="model.safetensors") -> None:
    header, offset = {}, 0
    for key, shape in shapes.items():
        size = 4
        for n in shape:
            size *= n
        header[key] = {"dtype": "F32", "shape": shape, "data_offsets": [offset, offset + size]}
        offset += size
    text = json.dumps({"__metadata__": {"format": "pt"}, **header}).encode()
    (folder / name).write_bytes(struct.pack("<Q", len(text)) + text + bytes(offset))


def write_config(folder: Path, **more) -> None:
    config = {"model_type": "bert", "vocab_size": 50, **more}
    (folder / "config.json").write_text(json.dumps(config))


def test_facts_come_from_the_headers(tmp_path):
    write_config(tmp_path)
    write_weights(tmp_path, {"a": [50, 3], "b": [7], "scalar": []})
    assert hf.read_facts(tmp_path) == hf.Facts(158, 50, 632)
    (tmp_path / "model.safetensors").unlink()
    write_weights(tmp_path, {"a": [50, 3]}, "model-1.safetensors")
    write_weights(tmp_path, {"b": [7]}, "model-2.safetensors")
    index = {"weight_map": {"a": "model-1.safetensors", "b": "model-2.safetensors"}}
    (tmp_path / "model.safetensors.index.json").write_text(json.dumps(index))
    assert hf.read_facts(tmp_path) == hf.Facts(157, 50, 628)


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("config.json", None, "no weights: .*config.json does not exist"),
        ("config.json", b"{", "config.json is not a config"),
        ("config.json", b"[]", "names no model_type"),
        ("model.safetensors", None, "no weights: .*model.safetensors does not exist"),
        ("model.safetensors", b"", "is no safetensors file"),
        ("model.safetensors", b"\xff" * 8, "header of 18446744073709551615 bytes"),
        ("model.safetensors", struct.pack("<Q", 2) + b"[]", "is no safetensors file"),
        ("model.safetensors", struct.pack("<Q", 9) + b'{"a": {}}', "is no safetensors file"),
    ],
)
def test_a_broken_folder_is_explained(tmp_path, name, content, message):
    write_config(tmp_path)
    write_weights(tmp_path, {"a": [2]})
    (tmp_path / name).unlink()
    if content is not None:
        (tmp_path / name).write_bytes(content)
    with pytest.raises(hf.BadFolder, match=message):
        hf.read_facts(tmp_path)


def test_an_index_cannot_lead_out_of_the_folder(tmp_path):
    home = tmp_path / "weights"
    home.mkdir()
    write_config(home)
    write_weights(tmp_path, {"a": [2]}, "elsewhere.safetensors")
    index = {"weight_map": {"a": "../elsewhere.safetensors"}}
    (home / "model.safetensors.index.json").write_text(json.dumps(index))
    with pytest.raises(hf.BadFolder, match=r"elsewhere\.safetensors.*not in the folder"):
        hf.read_facts(home)


def test_pickled_weights_are_refused_with_advice(tmp_path):
    write_config(tmp_path)
    (tmp_path / "pytorch_model.bin").touch()
    with pytest.raises(hf.BadFolder, match="save it as safetensors"):
        hf.read_facts(tmp_path)


def test_positions_of_each_family():
    assert hf.most_tokens({"model_type": "bert", "max_position_embeddings": 512}) == 512
    roberta = {"model_type": "roberta", "max_position_embeddings": 514, "pad_token_id": 1}
    assert hf.most_tokens(roberta) == 512
    assert hf.most_tokens({"model_type": "gpt2", "n_positions": 2048}) == 2048


# --- build contexts -----------------------------------------------------------------------------


def test_weights_of_a_folder_or_of_its_part_for_the_task(tmp_path):
    for name in ("config.json", "terra/config.json", "rcb/config.json"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(name)
    for key, expected in {
        "rcb": "rcb/config.json",
        "terra": "terra/config.json",
        "lidirus": "terra/config.json",  # LiDiRus has no train split: TERRa's classifier answers
        "parus": "config.json",
    }.items():
        files = weight_files(tmp_path, TASKS[key], "mine")
        assert {name: path.read_text() for name, path in files.items()} == {
            "weights/config.json": expected
        }


def test_a_hubs_links_are_followed(tmp_path):
    (tmp_path / "blob").write_text("x")
    (tmp_path / "snapshot").mkdir()
    (tmp_path / "snapshot" / "config.json").symlink_to("../blob")
    files = weight_files(tmp_path / "snapshot", TASKS["terra"], "mine")
    assert files == {"weights/config.json": (tmp_path / "blob").resolve()}


@pytest.mark.parametrize("folder", ("nowhere", "empty"))
def test_missing_weights_are_named(tmp_path, folder):
    (tmp_path / "empty").mkdir()
    with pytest.raises(MoroccoError, match=f"mine/terra: no weights in {tmp_path / folder}"):
        weight_files(tmp_path / folder, TASKS["terra"], "mine")
