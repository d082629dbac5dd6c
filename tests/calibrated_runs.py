"""Measured runs of the calibrated model, and what must not be left after them."""

from __future__ import annotations

import dataclasses
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from morocco.bench.job import Job
from morocco.bench.run import measure
from morocco.bench.warm import note_run
from morocco.engine.base import ensure_base_image
from morocco.engine.images import build_model, inspect_image
from morocco.engine.reap import LABEL
from morocco.formats.log import Sample, read_log
from morocco.formats.names import RunFiles, RunId, run_files
from morocco.formats.record import RunRecord
from morocco.sampling.cgroup import detect_layout
from morocco.suite.model import Limits, Load, NoiseBounds, RunSpec, SamplingRates
from morocco.tasks.inputs import make_input
from morocco.tasks.registry import get_task

ROOT = Path(__file__).resolve().parents[1]
SAMPLE = ROOT / "data" / "sample"
TAG = "morocco/test-calibrated:latest"
SMALL = "morocco/test-calibrated-small:latest"  # for an engine that it has to be carried to
MIB = 2**20
# Tests share the machine with others: what these do is no reason to call a run disturbed here.
ANY_NOISE = NoiseBounds(foreign_cores=99, steal_share=1, psi_share=1, swap_pages=10**9)


def build_calibrated(client: Any, tag: str = TAG, mapped_mib: int = 320) -> str:
    base = ensure_base_image(client)
    arguments = {"MAPPED_MIB": str(mapped_mib)}
    build_model(ROOT / "models/calibrated", "terra", SAMPLE, tag, base, arguments, client=client)
    return tag


@dataclass(frozen=True)
class Measured:
    record: RunRecord
    files: RunFiles

    @property
    def codes(self) -> list[str]:
        return [reason.code for reason in self.record.verdict.reasons]

    @property
    def log(self) -> list[Sample]:
        return read_log(self.files.log)

    @property
    def events(self) -> dict[str, dict[str, Any]]:
        """What the model said about itself, the last of each kind."""
        lines = self.files.stderr.read_bytes().splitlines()
        told = [json.loads(line) for line in lines if line.startswith(b'{"event"')]
        return {event["event"]: event for event in told}

    @property
    def attempts(self) -> list[dict[str, Any]]:
        """Attacks that the model tried."""
        lines = self.files.stderr.read_bytes().splitlines()
        return [json.loads(line) for line in lines if line.startswith(b'{"event": "attack"')]


def make_spec(
    *args: str, size: int = 3, batch: int = 1, task: str = "terra", **more: Any
) -> RunSpec:
    """A spec of the calibrated model; ``more`` are fields of RunSpec, or of its limits."""
    names = {field.name for field in dataclasses.fields(Limits)}
    limits = {name: more.pop(name) for name in names & set(more)}
    fields: dict[str, Any] = {
        "model": "calibrated",
        "task": task,
        "load": Load(size, batch),
        "image": TAG,
        "command": None,
        "args": ("--task", task, *args),
        "env": {},
        "device": "cpu",
        "gpus": None,
        "runtime": "docker",
        "timeout_seconds": 60.0,
        "limits": Limits(**{"memory": 1 << 30, **limits}),
        "sampling": SamplingRates(),
        "noise": ANY_NOISE,
        "pause_seconds": 1e6,
        "seed": 1,
    }
    return RunSpec(**{**fields, **more})


def make_job(client: Any, folder: Path, spec: RunSpec, index: int = 1, **more: Any) -> Job:
    size = spec.load.input_size
    path = folder / "inputs" / spec.task / f"{size}.jsonl"
    given = make_input(SAMPLE / get_task(spec.task).eval_file, size, path)
    image = inspect_image(client, spec.image or TAG)
    run = RunId(spec.model, spec.task, size, spec.load.batch_size, index)
    return Job(spec, run, given, path, image, **more)


def measure_spec(
    client: Any, folder: Path, spec: RunSpec, index: int = 1, *, warm: bool = True, **more: Any
) -> Measured:
    """One run under ``folder``; ``warm``: no warm-up before it."""
    job = make_job(client, folder, spec, index, **more)
    if warm:
        note_run(job.image.id or job.image.name)
    files = run_files(folder, job.run)
    return Measured(measure(client, job, files), files)


def leftovers(client: Any, *folders: Path, model: str | None = None) -> list[str]:
    """Containers, cgroups of runs and half-written files that no live harness owns."""
    from morocco.engine.reap import OWNER, _name_alive, owner_alive

    found = []
    for entry in client.api.containers(all=True, filters={"label": LABEL}):
        if not owner_alive(entry["Labels"].get(OWNER, "")):
            found.append(f"container {entry['Names']}")
    layout = detect_layout()
    for mount in layout.hierarchies if layout else ():
        base = mount / "morocco"
        found += [str(path) for path in base.glob("*-*-*") if not _name_alive(path)]
    for folder in folders:
        found += [str(path) for path in folder.rglob(".run-*")]
        found += [str(path) for path in folder.rglob(".*.tmp")]
    return found
