"""Results of a campaign that never ran, true to life: records, logs, states and estimates agree.

Everything that real runs would derive is derived with the library's own functions, so that a
single edited number contradicts something.
"""

from __future__ import annotations

import hashlib
import itertools
import random
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from morocco.estimate.results import Score
from morocco.estimate.stats import estimate_task
from morocco.formats.files import write_bytes, write_json
from morocco.formats.log import Sample, encode_log
from morocco.formats.names import RunId, run_files
from morocco.formats.record import (
    Arrivals,
    Clock,
    Exit,
    Harness,
    Image,
    Input,
    Machine,
    Noise,
    Output,
    Reason,
    RunRecord,
    Sampling,
    Totals,
    Verdict,
    write_record,
)
from morocco.screen.settle import settle_cell
from morocco.suite.model import run_order
from morocco.tasks.registry import TASKS

MACHINE = Machine(
    hostname="bench-1",
    cpu="AMD EPYC 7B13",
    cores=4,
    ram_bytes=16 << 30,
    gpus=(),
    gpu_driver=None,
    kernel="6.1.0-18-amd64",
    engine="docker 20.10.24",
    cgroup_version=1,
    governor=None,
    python="3.11.9",
)
MIB = 1 << 20
START = 1_760_000_000.0
CELLS = ((1, 1), (1000, 32))
GIVEN_METRICS = {"mcc": 0.1, "f1a": 0.6, "em": 0.3, "f1": 0.5, "accuracy": 0.55}


def sha(text: str | bytes) -> str:
    return hashlib.sha256(text.encode() if isinstance(text, str) else text).hexdigest()


def make_predictions(task: str, records: int) -> bytes:
    """Raw stdout: a prediction a record, as a model would print them (free text for MuSeRC)."""
    label = {"danetqa": "true", "russe": "false", "rwsd": "true", "parus": "1"}.get(task)
    if label is None:
        label = '"entailment"' if task in {"rcb", "terra", "lidirus"} else '"text"'
    return b"".join(b'{"idx": %d, "label": %s}\n' % (k, label.encode()) for k in range(records))


def make_samples(started: float, wall: float, cpu_seconds: float, peak: int) -> list[Sample]:
    """Start, a sample every 0.1 s, exit; the integral of cpu_usage is ``cpu_seconds``."""
    usage = cpu_seconds / wall
    samples = [Sample(started, 0.0, 0, None, None)]
    count = int(wall / 0.1)
    for k in range(1, count + 1):
        at = started + wall * k / (count + 1)
        samples.append(Sample(at, usage, int(peak * min(1.0, 0.3 + k / count)), None, None))
    samples.append(Sample(started + wall, usage, samples[-1].ram, None, None))
    return samples


def make_record(
    run: RunId,
    *,
    started: float = START,
    wall: float = 2.0,
    reasons: Sequence[Reason] = (),
    kind: str = "measured",
    round: int = 1,
    seed: int = 1,
    peak: int = 250 * MIB,
    cpu_share: float = 0.95,
    predictions: bytes | None = None,
    speed: float = 200.0,
    **changes: Any,
) -> tuple[RunRecord, list[Sample]]:
    """A record and its log. ``changes`` replace fields of the record."""
    cpu = cpu_share * wall
    samples = make_samples(started, wall, cpu - 0.03, peak)
    wall = samples[-1].timestamp - samples[0].timestamp  # to the last bit
    if predictions is None:
        predictions = make_predictions(run.task, run.input_size)
    source = f"{run.task} split"
    size, last = run.input_size, 0.98 * wall
    first = max(0.1, last - size / speed)
    points = min(50, size)
    step = (last - first) / max(1, points - 1)
    counts = [size * (k + 1) // points for k in range(points)]
    burst = max(b - a for a, b in itertools.pairwise([0, *counts])) / size
    curve = tuple((float(f"{first + step * k:.6f}"), n) for k, n in enumerate(counts))
    if points == 1:
        first = last = curve[0][0]
    record = RunRecord(
        id=run,
        kind=kind,
        round=round,
        order=run_order(seed, run),
        seed=seed,
        verdict=Verdict(not reasons, tuple(reasons)),
        clock=Clock(started, samples[-1].timestamp, wall, "engine", wall + 0.4, 1e-4),
        totals=Totals(
            cpu_seconds=cpu,
            cpu_user_seconds=0.8 * cpu,
            cpu_system_seconds=0.2 * cpu,
            ram_pss_peak_bytes=peak,
            ram_anon_peak_bytes=peak - 20 * MIB,
            ram_cgroup_peak_bytes=peak + 40 * MIB,
            processes_peak=2,
            read_bytes=0,
            source="cgroup1",
        ),
        sampling=Sampling(100.0, int(100 * wall), 0.012, int(wall) + 1, 0.02 * wall, 10.0),
        input=Input(
            sha256=sha(f"{run.task} {run.input_size}"),
            records=run.input_size,
            bytes=300 * run.input_size,
            source_sha256=sha(source),
            source_records=100,
            path=f"results/inputs/{run.task}/{run.input_size}.jsonl",
        ),
        output=Output(
            lines=predictions.count(b"\n"),
            bytes=len(predictions),
            sha256=sha(predictions),
            predictions_sha256=sha(b"normalised" + predictions),
            stderr_bytes=0,
            arrivals=Arrivals(points, first, last, burst, curve),
        ),
        exit=Exit(0, False, False, None),
        image=Image(
            f"morocco/{run.model}-{run.task}",
            f"sha256:{sha(f'{run.model} {run.task}')}",
            None,
            300 * MIB,
        ),
        runtime="docker",
        options={"network": "none", "args": ["--batch-size", str(run.batch_size)], "env": {}},
        gpu=None,
        noise=Noise(0.02, 0.0, 0.05, 0, 0.0, 0.4),
        machine=MACHINE,
        harness=Harness("2.0.0", "0123abc"),
        spec_sha256=sha(f"{run.model} {run.task} {run.input_size} {run.batch_size}"),
        log_sha256=sha(encode_log(samples)),
        **changes,
    )
    return record, samples


def make_results(
    results: Path,
    *,
    model: str = "tiny",
    tasks: Sequence[str] = tuple(TASKS),
    cells: Sequence[tuple[int, int]] = CELLS,
    repeats: int = 5,
    seed: int = 1,
    speed: float = 200.0,
) -> Path:
    """A whole results folder of one model: logs, records, predictions, states, stats, scores."""
    noise = random.Random(seed)
    runs = [
        RunId(model, task, size, batch, index)
        for task in tasks
        for size, batch in cells
        for index in range(1, repeats + 1)
    ]
    clock = START
    records: dict[str, list[RunRecord]] = {}
    for run in sorted(runs, key=lambda run: run_order(seed, run)):
        wall = 1.5 + run.input_size / speed + noise.gauss(0, 0.01)
        record, samples = make_record(run, started=clock, wall=wall, seed=seed, speed=speed)
        clock += wall + 0.5
        files = run_files(results, run)
        write_bytes(files.log, encode_log(samples))
        write_record(files.record, record)
        write_bytes(files.predictions, make_predictions(run.task, run.input_size))
        write_bytes(files.stderr, b"")
        records.setdefault(run.task, []).append(record)
    everything = []
    for task, own in records.items():
        states = []
        for size, batch in cells:
            members = [r for r in own if (r.id.input_size, r.id.batch_size) == (size, batch)]
            state, _ = settle_cell(members, None, round=1, max_rounds=3, repeats=repeats)
            states.append(state)
        everything += states
        score = Score(
            {name: GIVEN_METRICS[name] for name in TASKS[task].metrics},
            sum(GIVEN_METRICS[name] for name in TASKS[task].metrics) / len(TASKS[task].metrics),
            "given",
        )
        write_json(results / f"scores/{model}/{task}.json", score)
        write_json(results / f"stats/{model}/{task}.json", estimate_task(own, settled=states))
        write_json(results / f"images/{model}/{task}.json", own[0].image)
    write_json(results / f"cells/{model}.round1.json", everything)
    return results
