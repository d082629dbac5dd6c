"""``morocco check``: every way a container can break the contract is found and explained."""

from __future__ import annotations

import json

import pytest
from calibrated_runs import SAMPLE, TAG, leftovers

from morocco.cli.main import main

engine_test = pytest.mark.engine


@pytest.fixture
def check(calibrated_image, own_lock, capsys):
    def run(*args: str, task: str = "terra", options: tuple[str, ...] = ()):
        given = [f"--arg={arg}" for arg in (f"--task={task}", *args)]
        code = main(["check", TAG, task, "--data", str(SAMPLE), "--json", *options, *given])
        report = json.loads(capsys.readouterr().out)
        assert report["passed"] is (code == 0)
        assert code in (0, 1)
        return {finding["name"]: finding for finding in report["findings"]}

    return run


@engine_test
@pytest.mark.parametrize("task", ["terra", "muserc", "rucos"])
def test_a_container_that_keeps_the_contract(check, engine, task):
    found = check(task=task)
    assert {name for name, finding in found.items() if finding["passed"]} == set(found)
    assert not any(finding["advice"] for finding in found.values())
    assert leftovers(engine) == []


@engine_test
@pytest.mark.parametrize(
    ("args", "point", "seen", "advice"),
    [
        (["--fail=exit"], "exit", "exit status 3", "end with status 0"),
        (["--fail=hang"], "exit", "still running", "raise --timeout"),
        (["--fail=oom"], "exit", "memory limit", "--memory"),
        (["--fail=flood-stderr"], "exit", "more than the bound", "progress bars"),
        (["--fail=drop-line", "--at=20"], "predictions", "missing idx 19", "exactly one line"),
        (["--fail=never-reads"], "predictions", "0 predictions for 1 records", "exactly one line"),
        (["--fail=repeat-idx", "--at=2"], "predictions", "idx 0 comes 2 times", "its own idx"),
        (["--fail=garbage-line"], "predictions", "line 1", "one JSON object"),
        (["--fail=wrong-label"], "predictions", "line 1, idx 0", "task's own labels"),
        (["--no-such-option=1"], "exit", "exit status 2", "end with status 0"),
    ],
)
def test_what_breaks_the_contract_is_named_with_advice(check, args, point, seen, advice):
    found = check(*args, options=("--timeout", "2", "--memory", "200MiB"))
    assert found[point]["passed"] is False
    assert seen in found[point]["seen"]
    assert advice in found[point]["advice"]
    # What could not be looked at any more is not called good.
    assert found["order"]["passed"] is None


@engine_test
def test_predictions_that_change_from_run_to_run(check):
    found = check("--fail=unstable")
    assert found["predictions"]["passed"]
    assert found["repeat"]["passed"] is False
    assert "seed every random choice" in found["repeat"]["advice"]


@engine_test
def test_a_container_that_does_not_stream_gets_advice_but_passes(check):
    found = check("--write=end")
    assert found["streaming"]["passed"] is False
    assert not found["streaming"]["required"]
    assert "flush after each batch" in found["streaming"]["advice"]
    assert all(finding["passed"] for finding in found.values() if finding["required"])


@engine_test
def test_the_text_report_says_where_it_failed(calibrated_image, own_lock, capsys):
    arguments = ["check", TAG, "TERRa", "--data", str(SAMPLE), "--arg=--fail=exit"]
    assert main(arguments) == 1
    out, err = capsys.readouterr()
    assert "FAILED  ends by itself with status 0" in out
    assert "does NOT keep the contract" in out
    assert "checking: one record" in err


MODEL = """
import argparse, json, os, sys
parser = argparse.ArgumentParser()
parser.add_argument("--batch-size", type=int)
parser.add_argument("--do")
options = parser.parse_args()
if options.do == "write": open("/cache", "w")
if options.do == "network":
    import socket
    socket.create_connection(("example.org", 80))
if options.do == "root" and os.getuid() != 0: sys.exit("only for root")
rows = [json.loads(line) for line in sys.stdin]
for place, row in enumerate(rows):
    order = place % 2 if options.do == "order" else options.batch_size > 1 and options.do == "batch"
    label = "entailment" if order else "not_entailment"
    print(json.dumps({"idx": row["idx"], "label": label}))
"""


@pytest.fixture(scope="module")
def author_image(engine):
    """A model as a beginner writes it: reads all, writes at the end, fails as told."""
    from morocco.engine.base import ensure_base_image
    from morocco.engine.build import build_image

    base = ensure_base_image(engine)
    dockerfile = f'FROM {base}\nCOPY infer.py /infer.py\nENTRYPOINT ["python3", "/infer.py"]\n'
    tag = "morocco/test-check:latest"
    files = {"Dockerfile": dockerfile.encode(), "infer.py": MODEL.encode()}
    build_image(engine, files, what=tag, tag=tag)
    yield tag
    engine.api.remove_image(tag)


@engine_test
@pytest.mark.parametrize(
    ("do", "point", "advice"),
    [
        ("write", "exit", "write to /tmp alone"),
        ("network", "exit", "there is no network"),
        ("root", "sandbox", "readable to all"),
        ("order", "order", "from its own text alone"),
        ("batch", "batches", "padding leaks"),
    ],
)
def test_mistakes_of_real_authors(author_image, own_lock, capsys, do, point, advice):
    arguments = [author_image, "terra", "--data", str(SAMPLE), "--json", f"--arg=--do={do}"]
    assert main(["check", *arguments]) == 1
    report = json.loads(capsys.readouterr().out)
    found = {finding["name"]: finding for finding in report["findings"]}
    assert found[point]["passed"] is False
    assert advice in found[point]["advice"]


@engine_test
def test_an_image_that_is_not_there(capsys, engine):
    assert main(["check", "no/such-image", "terra", "--data", str(SAMPLE)]) == 2
    assert "no/such-image" in capsys.readouterr().err


def test_no_data_and_no_such_task(tmp_path, capsys):
    assert main(["check", "x", "terra", "--data", str(tmp_path)]) == 2
    assert "TERRa/val.jsonl" in capsys.readouterr().err
    assert main(["check", "x", "tera", "--data", str(tmp_path)]) == 2
    assert "unknown task" in capsys.readouterr().err
