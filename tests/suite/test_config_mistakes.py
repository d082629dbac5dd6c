"""Every mistake in a suite config is named with its file and line, before anything runs."""

from __future__ import annotations

from pathlib import Path

import pytest

from morocco.errors import MoroccoError
from morocco.suite.config import load_suite
from morocco.tasks.registry import TASKS

ROOT = Path(__file__).resolve().parents[2]
GOOD = """\
data: {root: data}
tasks: [TERRa, RCB]
models:
  - name: one
    image: team/one-{task}
  - name: two
    build: folder
    loads: [{input_size: 100, batch_size: 8}]
repeats: 3
limits:
  memory: 2GiB
"""


@pytest.fixture
def load(tmp_path, monkeypatch):
    """load(text) -> Suite, in a folder with data and a model's folder."""
    monkeypatch.chdir(tmp_path)
    for task in ("terra", "rcb"):
        path = tmp_path / "data" / TASKS[task].eval_file
        path.parent.mkdir(parents=True)
        path.write_text('{"idx": 0}\n')
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "Dockerfile").write_text("FROM scratch\n")

    def run(text: str):
        (tmp_path / "mine.yaml").write_text(text)
        return load_suite("mine.yaml")

    return run


def test_the_good_one_is_good(load):
    suite = load(GOOD)
    assert list(suite.models) == ["one", "two"]
    assert suite.models["one"].tasks["terra"].image == "team/one-terra"
    assert suite.models["two"].tasks["rcb"].loads[0].name == "100_8"
    assert suite.models["two"].tasks["rcb"].limits.memory == 2 << 30


@pytest.mark.parametrize(
    ("old", "new", "place", "words"),
    [
        # a typo in a key, on each level
        ("repeats: 3", "repeets: 3", "mine.yaml:9 repeets", "did you mean 'repeats'?"),
        (
            "    image: team",
            "    imgae: team",
            "mine.yaml:5 models[0].imgae",
            "did you mean 'image'",
        ),
        ("input_size: 100", "inputsize: 100", "mine.yaml:8", "did you mean 'input_size'?"),
        ("  memory: 2GiB", "  memroy: 2GiB", "mine.yaml:11 limits.memroy", "mean 'memory'?"),
        ("repeats: 3", "colour: red", "mine.yaml:9 colour", "known: "),
        # tasks
        ("[TERRa, RCB]", "[TERRa, RBC]", "mine.yaml:2 tasks[1]", "did you mean RCB?"),
        ("[TERRa, RCB]", "[TERRa, Sudoku]", "mine.yaml:2 tasks[1]", "one of DaNetQA"),
        ("[TERRa, RCB]", "[]", "mine.yaml:2 tasks", "does not fit"),
        ("repeats: 3", "per_task: 3", "mine.yaml:9 per_task", "unknown key"),
        # numbers
        ("batch_size: 8", "batch_size: 0", "mine.yaml:8 models[1].loads[0].batch_size", "minimum"),
        ("input_size: 100", "input_size: -1", "mine.yaml:8", "minimum"),
        ("input_size: 100", "input_size: many", "mine.yaml:8", "'many' is not of type 'integer'"),
        ("repeats: 3", "repeats: 0", "mine.yaml:9 repeats", "minimum"),
        (
            "repeats: 3",
            "timeout_seconds: 0",
            "mine.yaml:9 timeout_seconds",
            "or equal to the minimum",
        ),
        ("memory: 2GiB", "memory: 2 gigs", "mine.yaml:11 limits.memory", "512MiB"),
        ("memory: 2GiB", "cpuset: all", "mine.yaml:11 limits.cpuset", "config/README.md"),
        ("repeats: 3", "sampling: {rate_hz: 100000}", "mine.yaml:9", "maximum"),
        # models
        ("name: two", "name: one", "mine.yaml:6 models[1]", "two models are named 'one'"),
        ("name: one", "name: team/one", "mine.yaml:4 models[0].name", "without a slash"),
        ("name: one", "name: One", "mine.yaml:4 models[0].name", "lower-case"),
        ("    image: team/one-{task}\n", "", "mine.yaml:4 models[0]", "exactly one of image"),
        ("build: folder", "build: nowhere", "mine.yaml:7 models[1].build", "no Dockerfile"),
        ("{task}", "{model}", "mine.yaml:5 models[0].image", "the one placeholder is {task}"),
        ("build: folder", "gpus: [0]\n    build: folder", "models[1].gpus", "needs device: gpu"),
        ("build: folder", "device: tpu\n    build: folder", "models[1].device", "'cpu', 'gpu'"),
        ("build: folder", "runtime: process\n    build: folder", "models[1]", "of command"),
        # data
        ("root: data", "root: nowhere", "mine.yaml:1 data.root", "is not a folder"),
        ("[TERRa, RCB]", "[TERRa, RUSSE]", "mine.yaml:1 data.root", "lacks RUSSE/val.jsonl"),
        # the file itself
        ("repeats: 3", "repeats: 3\nrepeats: 4", "mine.yaml:10", "stands twice"),
        ("[TERRa, RCB]", "[TERRa, RCB", "mine.yaml:3", "not valid YAML"),
    ],
)
def test_a_mistake_is_named_with_its_place(load, old, new, place, words):
    assert old in GOOD
    with pytest.raises(MoroccoError) as caught:
        load(GOOD.replace(old, new, 1))
    lines = [line for line in str(caught.value).splitlines() if place in line]
    assert lines, str(caught.value)
    assert any(words in line for line in lines), str(caught.value)


def test_all_mistakes_are_named_at_once(load):
    text = GOOD.replace("repeats: 3", "repeets: 3").replace("batch_size: 8", "batch_size: 0")
    with pytest.raises(MoroccoError, match="2 mistakes in the suite config") as caught:
        load(text)
    assert "mine.yaml:9" in str(caught.value)
    assert "mine.yaml:8" in str(caught.value)


def test_an_empty_data_root(load, tmp_path):
    for path in (tmp_path / "data").rglob("*.jsonl"):
        path.unlink()
    with pytest.raises(MoroccoError, match=r"lacks RCB/val\.jsonl, TERRa/val\.jsonl"):
        load(GOOD)


@pytest.mark.parametrize("text", ["", "- a\n- b\n", "42\n"])
def test_a_file_that_is_no_suite(load, text):
    with pytest.raises(MoroccoError, match=r"mine\.yaml: not a mapping"):
        load(text)


def test_files_that_cannot_be_read(tmp_path):
    with pytest.raises(MoroccoError, match="cannot be read"):
        load_suite(tmp_path / "none.yaml")
    (tmp_path / "binary.yaml").write_bytes(b"\xff\xfe\x00models")
    with pytest.raises(MoroccoError, match=r"binary\.yaml"):
        load_suite(tmp_path / "binary.yaml")


def test_a_variant_that_takes_anothers_name(load):
    text = GOOD.replace("    build: folder", "    build: folder\n    seq_lens: [128, 256]")
    assert list(load(text).models) == ["one", "two-s128", "two-s256"]
    with pytest.raises(MoroccoError, match="two rows are named 'two-s128'"):
        load(text.replace("name: one", "name: two-s128"))


def test_overrides_per_task(load):
    text = GOOD.replace(
        "    image: team/one-{task}",
        "    image: team/one-{task}\n    per_task: {rcb: {repeats: 7, limits: {memory: 1GiB}}}",
    )
    tasks = load(text).models["one"].tasks
    assert (tasks["rcb"].repeats, tasks["terra"].repeats) == (7, 3)
    assert (tasks["rcb"].limits.memory, tasks["terra"].limits.memory) == (1 << 30, 2 << 30)


@pytest.mark.parametrize("name", ["config.yaml", "baselines.yaml"])
def test_the_suites_that_come_with_it_are_good(name, monkeypatch):
    monkeypatch.chdir(ROOT)
    assert load_suite(f"config/{name}").models
