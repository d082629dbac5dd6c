"""``morocco tune`` from its arguments to its folder: mistakes, and a real engine."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
import uuid
from dataclasses import dataclass
from pathlib import Path

import pytest
import yaml

from morocco.cli.main import main
from morocco.cli.tune import suite_of
from morocco.errors import MoroccoError
from morocco.formats.files import read_json
from morocco.formats.record import read_record
from morocco.stages.tune import NAMES
from morocco.tune.results import MEASURED, NOT_TRIED, OUT_OF_MEMORY, Tuning

ROOT = Path(__file__).resolve().parents[2]
MIB = 2**20
INIT, RECORD, BATCH = 0.1, 0.0005, 0.03  # s; the calibrated model's truth
FIXED, ITEM = 8, 4  # MiB


def write_suite(folder: Path, name: str, **limits: object) -> Path:
    arguments = ["--init", INIT, "--seconds", RECORD, "--batch-seconds", BATCH]
    arguments += ["--memory", FIXED, "--batch-memory", ITEM]
    config = {
        "results": str(folder / "results"),
        "data": {"root": str(ROOT / "data" / "sample")},
        "models": [
            {
                "name": name,
                "build": str(ROOT / "models" / "calibrated"),
                "tasks": ["TERRa"],
                "args": list(map(str, arguments)),
                "limits": limits,
            }
        ],
        # The speeds to be told apart here are a factor of two apart, the machine may be busy.
        "max_relative_half_width": 0.2,
        "noise": {"foreign_cores": 99, "psi_share": 1, "steal_share": 1, "swap_pages": 10**6},
    }
    path = folder / "suite.yaml"
    path.write_text(yaml.safe_dump(config))
    return path


# --- mistakes -----------------------------------------------------------------------------------


@pytest.fixture
def suite(tmp_path: Path) -> Path:
    return write_suite(tmp_path, "cal")


@pytest.mark.parametrize(
    "arguments",
    [
        ["--batch-sizes", "1,x"],
        ["--batch-sizes", "0,8"],
        ["--batch-sizes", ""],
        ["--budget", "0"],
        ["--budget", "nan"],
        ["--repeats", "1"],
        ["--aim", "luck"],
    ],
)
def test_impossible_arguments_are_refused(arguments, suite, capsys):
    with pytest.raises(SystemExit) as caught:
        main(["tune", "cal", "terra", "--suite", str(suite), *arguments])
    assert caught.value.code == 2
    assert arguments[0] in capsys.readouterr().err


def test_unknown_model_and_task_say_what_there_is(suite, capsys):
    assert main(["tune", "other", "terra", "--suite", str(suite)]) == 2
    error = capsys.readouterr().err
    assert "no model 'other'" in error
    assert "it has cal; --image" in error
    assert main(["tune", "cal", "rcb", "--suite", str(suite)]) == 2
    assert "no task RCB" in capsys.readouterr().err
    assert main(["tune", "cal", "glue", "--suite", str(suite)]) == 2
    assert main(["tune", "cal", "terra", "--suite", str(suite), "--device", "gpu"]) == 2
    assert "the suite has it on cpu" in capsys.readouterr().err


def test_any_image_is_tuned_under_the_suites_settings(suite):
    made = suite_of(str(suite), "theirs", "rcb", "theirs:1", "gpu")
    assert list(made.models) == ["theirs"]
    assert made.model_task("theirs", "rcb").image == "theirs:1"
    assert made.model_task("theirs", "rcb").device == "gpu"
    assert made.max_relative_half_width == 0.2
    with pytest.raises(MoroccoError, match="name is lower-case"):
        suite_of(str(suite), "Their Model", "rcb", "theirs:1", None)


def test_a_folder_with_something_else_is_left_alone(suite, tmp_path, capsys):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").write_text("x")
    arguments = ["tune", "cal", "terra", "--suite", str(suite), "--out"]
    assert main([*arguments, str(tmp_path / "mine")]) == 2
    assert "thesis.txt" in capsys.readouterr().err
    assert (tmp_path / "mine" / "thesis.txt").read_text() == "x"
    assert main([*arguments, str(suite)]) == 2
    assert "not a folder" in capsys.readouterr().err


def test_an_error_leaves_the_folder_as_it_was(suite, tmp_path, monkeypatch):
    def fail(*_: object) -> None:
        raise MoroccoError("no engine")

    monkeypatch.setattr("morocco.stages.tune._measure_all", fail)
    arguments = ["tune", "cal", "terra", "--suite", str(suite)]
    before = sorted(tmp_path.rglob("*"))
    assert main(arguments) == 2
    assert sorted(tmp_path.rglob("*")) == before
    old = tmp_path / "old"
    (old / "logs").mkdir(parents=True)
    (old / "tuning.json").write_text("before")
    before = sorted(tmp_path.rglob("*"))
    assert main([*arguments, "--out", str(old)]) == 2
    assert sorted(tmp_path.rglob("*")) == before
    assert (old / "tuning.json").read_text() == "before"


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_between_runs_leaves_the_folder_as_it_was(
    suite, tmp_path, monkeypatch, capsys, number
):
    def struck(*arguments: object) -> None:
        (tmp_path / "results" / "tune" / "cal" / "terra" / "logs").mkdir()
        os.kill(os.getpid(), number)
        time.sleep(5)  # the handler comes in between

    monkeypatch.setattr("morocco.stages.tune._measure_all", struck)
    before = sorted(tmp_path.rglob("*"))
    handlers = [signal.getsignal(n) for n in (signal.SIGTERM, signal.SIGHUP)]
    assert main(["tune", "cal", "terra", "--suite", str(suite)]) == 130
    assert "nothing is kept" in capsys.readouterr().err
    assert sorted(tmp_path.rglob("*")) == before
    assert [signal.getsignal(n) for n in (signal.SIGTERM, signal.SIGHUP)] == handlers


# --- a real engine ------------------------------------------------------------------------------


@dataclass(frozen=True)
class Engine:
    name: str
    suite: Path
    env: dict[str, str]
    client: object

    @property
    def image(self) -> str:
        return f"morocco/{self.name}-terra:latest"

    def command(self, *arguments: str) -> list[str]:
        return [sys.executable, "-m", "morocco.cli.main", "tune", *arguments]

    def containers(self) -> list[str]:
        return [c.name for c in self.client.containers.list(all=True) if self.name in c.name]


@pytest.fixture(scope="module")
def engine(tmp_path_factory):
    from morocco.engine.client import connect

    folder = tmp_path_factory.mktemp("tune")
    name = f"tune{uuid.uuid4().hex[:8]}"
    client = connect()
    env = {**os.environ, "MOROCCO_LOCK": str(folder / "lock")}
    made = Engine(name, write_suite(folder, name, memory="64MiB"), env, client)
    yield made
    client.images.remove(made.image)


@pytest.fixture(scope="module")
def tuned(engine):
    """The calibrated model over batch sizes of which 16 takes 72 MiB of its 64."""
    command = engine.command(engine.name, "TERRa", "--suite", str(engine.suite))
    command += ["--batch-sizes", "1,2,4,16,64", "--repeats", "3", "--budget", "60"]
    run = subprocess.run(command, capture_output=True, text=True, env=engine.env, check=False)
    assert run.returncode == 0, run.stderr
    folder = engine.suite.parent / "results" / "tune" / engine.name / "terra"
    return run, folder, read_json(folder / "tuning.json", Tuning)


@pytest.mark.engine
def test_speed_and_memory_by_batch_size_are_the_truth(tuned):
    _, _, tuning = tuned
    points = {point.batch_size: point for point in tuning.findings.points}
    assert [p.status for p in points.values()] == [MEASURED] * 3 + [OUT_OF_MEMORY, NOT_TRIED]
    for batch in (1, 2, 4):
        truth = 1 / (RECORD + BATCH / batch)
        assert points[batch].rps.value == pytest.approx(truth, rel=0.25)
    assert tuning.findings.choice.load.batch_size == 4
    assert tuning.findings.ram.bytes_per_item.value == pytest.approx(ITEM * MIB, rel=0.1)
    # The interpreter and what it has loaded stand on top.
    assert FIXED * MIB < tuning.findings.ram.fixed_bytes.value < (FIXED + 16) * MIB
    assert tuning.findings.gpu_ram.fixed_bytes.value is None


@pytest.mark.engine
def test_output_is_config_lines_and_progress_is_apart(tuned, engine):
    run, folder, tuning = tuned
    pasted = yaml.safe_load(run.stdout)
    load = tuning.findings.choice.load
    assert pasted["models"][0]["per_task"]["terra"]["loads"] == [
        {"input_size": load.input_size, "batch_size": load.batch_size}
    ]
    assert run.stderr.count(", valid") >= 3 + 3 + 9
    assert run.stderr.count(", out of memory") == 1
    assert {path.name for path in folder.iterdir()} == set(NAMES)
    assert (folder / "curve.png").read_bytes()[:4] == b"\x89PNG"
    assert not [path for path in folder.parent.iterdir() if path != folder]
    assert engine.containers() == []


@pytest.mark.engine
def test_evidence_of_every_run_is_kept(tuned):
    _, folder, tuning = tuned
    records = [read_record(path) for path in folder.glob("logs/*/*/*.json")]
    assert len(records) == tuning.findings.runs
    assert all(Path(record.input.path).is_file() for record in records)


@pytest.mark.engine
def test_an_interrupt_leaves_nothing_behind(engine, tuned, tmp_path):
    out = tmp_path / "new" / "tuning"
    command = engine.command(f"{engine.name}-x", "TERRa", "--suite", str(engine.suite))
    command += ["--image", engine.image, "--out", str(out)]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env=engine.env) as process:
        for line in process.stderr:
            if "valid" in line:
                break
        process.send_signal(signal.SIGINT)
        rest = process.stderr.read()
    assert process.returncode == 130
    assert "nothing is kept" in rest
    assert list(tmp_path.iterdir()) == []
    assert engine.containers() == []
