"""Campaigns of any size that never ran: suite, evidence on disk, a bare twin of the DAG."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import yaml

from morocco.formats.files import write_bytes, write_json
from morocco.formats.names import RunId, run_files
from morocco.stages.inputs import prepare_input
from morocco.tasks.registry import TASKS

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "tests"))

from factories import make_results  # noqa: E402

RUNS_A_MODEL = 90  # nine tasks, two sizes, five repeats
CELLS = ((1, 1), (2000, 32))
LONG_AGO = 1_600_000_000  # s since the epoch: what runs depend on is older than they are

# The same jobs with the same numbers of inputs and outputs, and nothing of ours.
BARE = """
wildcard_constraints: m=r"m\\d+", t=r"t\\d", c=r"\\d_\\d", i=r"\\d"
MODELS = [f"m{k:03d}" for k in range(int(config["models"]))]
RUNS = [f"t{t}/{t}_{s}_{i}" for t in range(9) for s in range(2) for i in range(5)]
rule all:
    input: "r/board", expand("r/plots/{m}", m=MODELS),
        expand("r/logs/{m}/{n}.json", m=MODELS, n=RUNS)
rule bench:
    input: data="r/inputs/{t}_{c}.jsonl", image="r/images/{m}/{t}.json"
    output: multiext("r/logs/{m}/{t}/{c}_{i}", ".jsonl", ".json", ".p", ".e")
    shell: "touch {output}"
rule input:
    output: "r/inputs/{t}_{c}.jsonl"
    shell: "touch {output}"
rule image:
    output: "r/images/{m}/{t}.json"
    shell: "touch {output}"
rule screen:
    input: lambda w: [f"r/logs/{w.m}/{n}.json" for n in RUNS]
    output: "r/cells/{m}.1"
    shell: "touch {output}"
rule settle2:
    input: "r/cells/{m}.1"
    output: "r/cells/{m}.2"
    shell: "touch {output}"
rule settle3:
    input: "r/cells/{m}.2"
    output: "r/cells/{m}.3"
    shell: "touch {output}"
rule stats:
    input: "r/cells/{m}.3", lambda w: [f"r/cold/{w.m}/t{t}.json" for t in range(9)]
    output: "r/stats/{m}"
    shell: "touch {output}"
rule cold:
    input: "r/images/{m}/{t}.json"
    output: "r/cold/{m}/{t}.json"
    shell: "touch {output}"
rule plots:
    input: "r/stats/{m}"
    output: "r/plots/{m}"
    shell: "touch {output}"
rule board:
    input: expand("r/stats/{m}", m=MODELS)
    output: "r/board"
    shell: "touch {output}"
"""


def write_suite(folder: Path, runs: int) -> Path:
    """A suite of ``runs`` runs whose models need no engine."""
    suite = {
        "results": "results",
        "data": {"root": str(ROOT / "data" / "sample")},
        "models": [
            {"name": name, "runtime": "process", "command": ["true"]} for name in model_names(runs)
        ],
        "loads": [{"input_size": CELLS[1][0], "batch_size": CELLS[1][1]}],
        "repeats": 5,
    }
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "suite.yaml"
    path.write_text(yaml.safe_dump(suite))
    return path


def model_names(runs: int) -> list[str]:
    return [f"m{number:03d}" for number in range(runs // RUNS_A_MODEL)]


def write_bare(folder: Path) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "Snakefile"
    path.write_text(BARE)
    return path


def synthesise(folder: Path, runs: int) -> None:
    """Inputs, images, cold starts and all evidence of a suite's runs under ``folder/results``.

    One model's is made in full; the others' are its with another name, files that do not name the
    model as hard links.
    """
    results = folder / "results"
    first, *others = model_names(runs)
    make_results(results, model=first, cells=CELLS, repeats=5)
    _real_predictions(folder, results, first)
    for path in (results / "images" / first).iterdir():
        write_json(results / "cold" / first / path.name, [])
    model_folders = [results / part / first for part in ("logs", "images", "cold")]
    for name in others:
        for source in model_folders:
            _clone(source, source.with_name(name), first, name)
    for part in ("stats", "scores"):  # the analysis makes them
        subprocess.run(["rm", "-rf", str(results / part)], check=True)
    for part in ("inputs", "images", "cold"):
        for path in (results / part).rglob("*"):
            os.utime(path, (LONG_AGO, LONG_AGO))


def _real_predictions(folder: Path, results: Path, model: str) -> None:
    """What a model prints for the real inputs, so that scoring has its work."""
    for task in TASKS:
        for size, batch in CELLS:
            relative = Path("results") / "inputs" / task / f"{size}.jsonl"
            data = folder / relative
            description = data.with_suffix(".json")
            root = str(ROOT / "data" / "sample")
            data.parent.mkdir(parents=True, exist_ok=True)
            prepare_input(root, task, size, str(data), str(description))
            infer = [sys.executable, str(ROOT / "models" / "calibrated" / "infer.py")]
            with data.open("rb") as file:
                done = subprocess.run(
                    [*infer, "--task", task, "--batch-size", str(batch)],
                    stdin=file,
                    capture_output=True,
                    check=True,
                )
            for index in range(1, 6):
                files = run_files(results, RunId(model, task, size, batch, index))
                write_bytes(files.predictions, done.stdout)
                record = json.loads(files.record.read_text())
                record["input"]["path"] = str(relative)
                write_bytes(files.record, json.dumps(record).encode())


def _clone(source: Path, target: Path, old: str, new: str) -> None:
    before, after = f'"{old}"'.encode(), f'"{new}"'.encode()
    for path in source.rglob("*"):
        if path.is_dir():
            continue
        copy = target / path.relative_to(source)
        copy.parent.mkdir(parents=True, exist_ok=True)
        if path.suffix == ".json":
            copy.write_bytes(path.read_bytes().replace(before, after))
        else:
            os.link(path, copy)
