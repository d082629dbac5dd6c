"""The transformer containers as images, on a real engine: torch, tokenizers, ONNX Runtime."""

from __future__ import annotations

import contextlib
import json
import threading
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from model_processes import MODELS, SAMPLE

from morocco.engine.base import LOCAL_BASE
from morocco.engine.client import connect
from morocco.engine.images import build_model
from morocco.engine.stream import AttachedSocket
from morocco.errors import MoroccoError
from morocco.tasks.inputs import make_input
from morocco.tasks.predictions import check_predictions
from morocco.tasks.registry import TASKS

pytestmark = [pytest.mark.engine, pytest.mark.slow]
# The packages alone take a minute and a half to install, copy and compile.
TIMEOUT = pytest.mark.timeout(900)
KINDS: dict[str, tuple[str, dict[str, str]]] = {
    "torch": ("transformers", {"KIND": "encoder", "SHAPE": "distilrubert-tiny"}),
    "onnx": ("onnx", {"SHAPE": "distilrubert-tiny"}),
    "decoder": ("transformers", {"KIND": "decoder", "SHAPE": "gpt2-tiny"}),
}
FACTS = {  # parameters: distilrubert-tiny is published with 10.4 M, its head included
    "torch": (10_293_888, 30_522),
    "onnx": (10_293_888, 30_522),
    "decoder": (13_660_920, 32_000),
}


@pytest.fixture(scope="module")
def client():
    return connect()


@pytest.fixture(scope="module")
def image(client):
    """image(kind): built once, for TERRa; --task lets it answer the others."""
    made = []

    @cache
    def build(kind: str):
        folder, arguments = KINDS[kind]
        tag = f"morocco/test-transformers-{kind}:latest"
        made.append(tag)
        return build_model(
            MODELS / folder, "terra", SAMPLE, tag, LOCAL_BASE, arguments, client=client
        )

    yield build
    for tag in made:
        with contextlib.suppress(Exception):
            client.images.remove(tag)


def run(client, image: str, *arguments: str, records: bytes = b"", entrypoint=None) -> Any:
    """(status, stdout, stderr) under the options of a measured run, as a user without a name."""
    container = client.containers.create(
        image,
        list(arguments),
        entrypoint=entrypoint,
        stdin_open=True,
        user="12345:12345",
        labels={"morocco.test": "transformers"},
        network_mode="none",
        read_only=True,
        tmpfs={"/tmp": "rw,nosuid,nodev,size=256m,mode=1777"},
        cap_drop=["ALL"],
        security_opt=["no-new-privileges"],
        pids_limit=256,
        mem_limit="2g",
        memswap_limit="2g",
        nano_cpus=10**9,
    )
    channel = None
    try:
        stream = container.attach_socket(params={"stdin": 1, "stdout": 1, "stderr": 1, "stream": 1})
        connection = getattr(stream, "_sock", stream)
        connection.settimeout(120)
        channel = AttachedSocket(connection)
        container.start()

        def feed() -> None:
            with contextlib.suppress(OSError):  # it left early
                channel.write(records)
                channel.end_input()

        threading.Thread(target=feed, daemon=True).start()
        parts = {1: b"", 2: b""}
        for number, data in channel.frames():
            parts[number] += data
        return container.wait(timeout=120)["StatusCode"], parts[1], parts[2].decode()
    finally:
        if channel is not None:
            channel.shut()
        container.remove(force=True)


@pytest.fixture(scope="module")
def inputs(tmp_path_factory):
    folder = tmp_path_factory.mktemp("inputs")
    for key, task in TASKS.items():
        split = SAMPLE / task.eval_file
        make_input(split, len(split.read_text().splitlines()), folder / f"{key}.jsonl")
    return folder


@pytest.fixture(scope="module")
def answer(client, image, inputs):
    """answer(kind, task key, batch size): stdout of the container on the task's sample."""

    @cache
    def answered(kind: str, key: str, batch: int) -> bytes:
        arguments = ("--task", key, "--batch-size", str(batch))
        records = (inputs / f"{key}.jsonl").read_bytes()
        status, out, err = run(client, image(kind).name, *arguments, records=records)
        assert status == 0, err
        return out

    return answered


@TIMEOUT
@pytest.mark.parametrize("kind", KINDS)
def test_labels_tell_what_the_weights_are(image, kind):
    parameters, vocabulary = FACTS[kind]
    labels = image(kind).labels
    assert labels["morocco.parameters"] == str(parameters)
    assert labels["morocco.vocabulary"] == str(vocabulary)
    assert labels["morocco.weight_bytes"] == str(4 * parameters)


@TIMEOUT
@pytest.mark.parametrize("key", TASKS)
@pytest.mark.parametrize("kind", KINDS)
def test_predictions_are_whole_valid_and_in_order(answer, inputs, tmp_path, kind, key):
    output = tmp_path / "out"
    output.write_bytes(answer(kind, key, 8))
    check = check_predictions(TASKS[key], inputs / f"{key}.jsonl", output)
    assert check.valid, check.reasons
    fed = (inputs / f"{key}.jsonl").read_text().splitlines()
    got = output.read_text().splitlines()
    assert [json.loads(line)["idx"] for line in got] == [json.loads(line)["idx"] for line in fed]


@TIMEOUT
@pytest.mark.parametrize("kind", KINDS)
def test_batch_size_changes_no_label(answer, kind):
    assert answer(kind, "parus", 1) == answer(kind, "parus", 8) == answer(kind, "parus", 100)
    assert answer(kind, "rucos", 8) == answer(kind, "rucos", 100)


@TIMEOUT
def test_torch_and_onnx_say_the_same(answer):
    for key in TASKS:
        assert answer("torch", key, 8) == answer("onnx", key, 8), key
    # Random weights must tell records apart, or the above would hold for any mix-up.
    labels = {json.loads(line)["label"] for line in answer("torch", "parus", 8).splitlines()}
    assert labels == {0, 1}


@TIMEOUT
@pytest.mark.parametrize("kind", KINDS)
def test_seq_len_cuts_what_is_beyond_it(client, image, inputs, kind):
    records = [json.loads(line) for line in (inputs / "parus.jsonl").read_text().splitlines()]
    far = " ".join(["слово"] * 60)
    longer = [
        # A decoder is cut at the beginning, an encoder at the end of the longer text.
        {**r, "premise": f"{far} {r['premise']}" if kind == "decoder" else f"{r['premise']} {far}"}
        for r in records
    ]
    arguments = ("--task", "parus", "--batch-size", "36")

    def answers(rows: list[dict], *more: str) -> bytes:
        text = "".join(json.dumps(row) + "\n" for row in rows).encode()
        status, out, err = run(client, image(kind).name, *arguments, *more, records=text)
        assert status == 0, err
        return out

    whole = answers(records)
    assert answers(longer) != whole
    if kind == "decoder":
        # The link word and the choice follow the premise: 10 tokens reach them and little else.
        assert answers(longer, "--seq-len", "10") == answers(records, "--seq-len", "10") != whole
    else:
        # [CLS], the premise's first words, [SEP], the choice's first words, [SEP].
        bare = [{**row, "premise": f"{row['premise']} Причина"} for row in records]
        assert answers(longer, "--seq-len", "9") == answers(bare, "--seq-len", "9") != whole


@TIMEOUT
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--weights", "/nowhere"), "error: no weights: /nowhere/config.json does not exist"),
        (("--seq-len", "513"), "error: --seq-len 513: the model has 512 positions"),
        (("--seq-len", "1"), "error: --seq-len 1: "),
        (("--task", "terra", "--batch-size", "0"), "at least 1"),
        (("--task", "sst2"), "--task sst2: one of danetqa"),
    ],
)
def test_wrong_use_is_explained(client, image, kind, arguments, message):
    status, out, err = run(client, image(kind).name, *arguments)
    assert (status, out) == (2, b"")
    assert message in err
    assert "Traceback" not in err


@TIMEOUT
def test_a_device_that_is_not_there_is_named(client, image):
    status, _, err = run(client, image("torch").name, "--device", "cuda")
    assert status == 2
    assert "error: --device cuda cannot be used: " in err


@TIMEOUT
@pytest.mark.parametrize("kind", KINDS)
def test_a_line_that_is_no_record_is_named(client, image, kind):
    status, _, err = run(client, image(kind).name, records=b'{"idx": 1, "premise": "x"}\n')
    assert status == 2
    assert "error: line 1 of the input is no record of this task: field 'hypothesis' is" in err


@TIMEOUT
def test_a_build_without_weights_is_refused(client):
    with pytest.raises(MoroccoError, match="error: no weights; the build argument WEIGHTS names"):
        build_model(
            MODELS / "transformers", "terra", SAMPLE, "morocco/test-none:latest", LOCAL_BASE, {},
            client=client,
        )  # fmt: skip


@TIMEOUT
@pytest.mark.parametrize(
    "program", ["formulas.py", "other_models.py", "training.py", "half_precision.py"]
)
def test_inside_the_image(client, image, program):
    """Programs that need torch and transformers run where those are."""
    source = Path(__file__).with_name("in_image") / program
    status, out, err = run(
        client, image("torch").name, "-", records=source.read_bytes(), entrypoint=["python3", "-s"]
    )
    assert (status, out.strip()) == (0, b"ok"), err[-3000:]
