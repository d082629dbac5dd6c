"""Reference models as plain processes: the same files as in their images, without an engine."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from morocco.tasks.inputs import make_input
from morocco.tasks.registry import TASKS, Task

ROOT = Path(__file__).resolve().parents[2]
MODELS = ROOT / "models"
SAMPLE = ROOT / "data" / "sample"

# Trains and then answers inputs in one interpreter: importing scikit-learn takes 2 s. The model's
# own scripts run as they are, each task in a copy of the folder, as its image has it.
DRIVER = """
import json, runpy, sys
for job in json.loads(sys.argv[1]):
    sys.path.insert(0, job["folder"])
    sys.argv = ["train.py", job["task"]]
    runpy.run_path(job["folder"] + "/train.py", run_name="__main__")
    for source, target, batch in job["runs"]:
        with open(source) as sys.stdin, open(target, "w") as out:
            sys.stdout = out
            sys.argv = ["infer.py", "--batch-size", str(batch)]
            runpy.run_path(job["folder"] + "/infer.py", run_name="__main__")
            sys.stdout = sys.__stdout__
    del sys.path[0]
"""


def train_file(task: Task, data: Path = SAMPLE) -> Path:
    """As the image builder has it: LiDiRus learns from TERRa."""
    return data / (task.train_file or "TERRa/train.jsonl")


def copy_model(model: str, task: Task, folder: Path, data: Path = SAMPLE) -> Path:
    """The model's folder with the task's train split beside it."""
    shutil.copytree(MODELS / model, folder, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(train_file(task, data), folder / "train.jsonl")
    return folder


def run_all(model: str, folder: Path, batches: Sequence[int]) -> dict[tuple[str, int], Path]:
    """Train ``model`` for all nine tasks; answer each evaluation split at each batch size.

    Returns the predictions by (task key, batch size); inputs are ``folder``/<key>.jsonl.
    """
    jobs, outputs = [], {}
    for key, task in TASKS.items():
        source = folder / f"{key}.jsonl"
        split = SAMPLE / task.eval_file
        make_input(split, len(split.read_text().splitlines()), source)
        runs = []
        for batch in batches:
            outputs[key, batch] = folder / f"{key}.{batch}.out"
            runs.append((str(source), str(outputs[key, batch]), batch))
        copy = copy_model(model, task, folder / key)
        jobs.append({"folder": str(copy), "task": key, "runs": runs})
    subprocess.run([sys.executable, "-c", DRIVER, json.dumps(jobs)], check=True, env=clean_env())
    return outputs


def clean_env(**more: str) -> dict[str, str]:
    """No setting of the caller's shell reaches a model, nor one outside a container."""
    kept = {k: v for k, v in os.environ.items() if k in ("PATH", "HOME", "LANG", "TMPDIR")}
    return {**kept, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", **more}


def calibrated(
    *arguments: str, records: bytes = b"", task: str = "terra", **more: str
) -> subprocess.CompletedProcess[bytes]:
    """One run of the calibrated model on ``records``."""
    command = [sys.executable, "-ESs", str(MODELS / "calibrated" / "infer.py"), *arguments]
    env = clean_env(TASK=task, **more)
    return subprocess.run(
        command, input=records, capture_output=True, check=False, env=env, timeout=60
    )


def events(run: subprocess.CompletedProcess[bytes]) -> dict[str, dict[str, object]]:
    """The calibrated model's own marks, by event."""
    lines = (line for line in run.stderr.splitlines() if line.startswith(b'{"event"'))
    return {event["event"]: event for event in map(json.loads, lines)}
