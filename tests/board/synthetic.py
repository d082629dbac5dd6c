"""Estimates of 20 models on nine tasks as a real campaign would leave them, holes included."""

from __future__ import annotations

import math
import random
from dataclasses import replace
from pathlib import Path

from morocco.estimate.results import (
    NOT_RESOLVED,
    RESOLVED,
    Estimate,
    LoadStats,
    Score,
    TaskStats,
    absent,
)
from morocco.formats.files import write_json
from morocco.tasks.registry import TASKS

GIB = 2**30
SERVER = "Intel Xeon E5-2690 v4 × 8, 96 GiB, Tesla V100-PCIE-32GB"
LAPTOP = "AMD Ryzen 7 5800U × 2, 16 GiB, no GPU"

# name, device, records/s, score, memory GiB: sizes and ratios as published models have them.
MODELS = (
    ("rubert", "gpu", 180, 0.521, 2.4),
    ("rubert-conversational", "gpu", 178, 0.500, 2.4),
    ("bert-multilingual", "gpu", 175, 0.495, 2.5),
    ("rugpt3-small", "gpu", 150, 0.438, 2.6),
    ("rugpt3-medium", "gpu", 80, 0.468, 3.8),
    ("rugpt3-large", "gpu", 45, 0.505, 7.5),
    ("ruroberta-large-finetune", "gpu", 60, 0.684, 4.7),
    ("rubert-large", "gpu", 62, 0.645, 4.6),
    ("rut5-base-finetune", "gpu", 70, 0.635, 4.1),
    ("rut5-large-finetune", "gpu", 28, 0.686, 6.9),
    ("mt5-large", "gpu", 24, 0.528, 8.1),
    ("fred-t5-1.7b", "gpu", 9, 0.762, 12.5),
    ("tiny-bert-sergeyzh", "gpu", 900, 0.44, 1.1),
    ("labse-en-ru", "gpu", 185, 0.505, 2.3),
    ("sbert-large-mt-nlu-ru", "gpu", 64, 0.514, 4.5),
    ("tfidf-logistic-regression", "cpu", 2100, 0.434, 0.21),
    ("random-weighted", "cpu", 52000, 0.374, 0.03),
    ("majority-class", "cpu", 61000, 0.379, 0.03),
    ("fasttext-bilstm", "cpu", 640, 0.452, 1.9),
    ("golden-transformer-v2.0-ensemble-of-seven", "gpu", 1.6, 0.755, 22.0),
)
TASK_SPEED = {
    "danetqa": 0.7, "lidirus": 1.1, "muserc": 0.05, "parus": 3.0, "rcb": 1.6,
    "rucos": 0.08, "russe": 1.4, "rwsd": 1.2, "terra": 1.5,
}  # fmt: skip


def resolved(value: float, unit: str, spread: float = 0.03, n: int = 5) -> Estimate:
    return Estimate(
        value, value / (1 + spread), value * (1 + spread), unit, n, RESOLVED, "median of runs"
    )


def unresolved(unit: str, needed: int | None = 40000) -> Estimate:
    return Estimate(
        None, None, None, unit, 5, NOT_RESOLVED, "Welch",
        "the difference of wall times is not above its spread", needed,
    )  # fmt: skip


def task_stats(
    model: str,
    task: str,
    *,
    device: str = "cpu",
    rps: float = 100.0,
    score: float | None = 0.5,
    memory: float = 2.0,
    kind: str = LAPTOP,
    spread: float = 0.03,
) -> TaskStats:
    """One complete estimate; ``memory`` in GiB."""
    gpu = device == "gpu"
    no_gpu = absent("bytes", "no GPU was used")
    no_energy = absent("J/record", "no energy counter: no GPU was used")

    def load(batch: int) -> LoadStats:
        grown = memory * (1 + 0.12 * math.log2(batch))
        speed = rps * batch / (batch + 4)
        return LoadStats(
            input_size=2000,
            batch_size=batch,
            wall_seconds=resolved(2000 / speed + 5, "s"),
            rps=resolved(speed, "records/s", spread),
            rps_streaming=absent("records/s", "output is not flushed steadily"),
            cpu_seconds_per_record=resolved(0.9 / speed, "s/record", 0.01),
            joules_per_record=resolved(160 / speed, "J/record", 0.05) if gpu else no_energy,
            ram_bytes=resolved(grown * GIB if not gpu else 3.1 * GIB, "bytes", 0.01),
            gpu_ram_bytes=resolved(grown * GIB, "bytes", 0.002) if gpu else no_gpu,
            runs_valid=5,
            runs_invalid=0,
        )

    loads = tuple(load(batch) for batch in (1, 8, 32))
    return TaskStats(
        model=model,
        task=task,
        device=device,
        init_seconds=resolved(14.0 if gpu else 1.4, "s", 0.02),
        cold_start_seconds=resolved(31.0, "s", 0.02, n=1),
        rps=resolved(rps, "records/s", spread),
        rps_streaming=absent("records/s", "output is not flushed steadily"),
        cpu_seconds_per_record=resolved(0.9 / rps, "s/record", 0.01),
        joules_per_record=resolved(160 / rps, "J/record", 0.05) if gpu else no_energy,
        gpu_ram_bytes=resolved(memory * GIB, "bytes", 0.002) if gpu else no_gpu,
        gpu_ram_load_bytes=resolved(memory * 1.6 * GIB, "bytes", 0.002) if gpu else no_gpu,
        ram_bytes=resolved((3.1 if gpu else memory) * GIB, "bytes", 0.01),
        ram_anon_bytes=resolved((2.7 if gpu else memory) * GIB, "bytes", 0.01),
        ram_cgroup_bytes=resolved((4.4 if gpu else memory * 1.3) * GIB, "bytes", 0.01),
        headline=(2000, 32),
        loads=loads,
        runs_valid=10,
        runs_invalid=0,
        runs_repeated=0,
        invalid_reasons={},
        warnings=(),
        machine_kind=kind,
        machine_details={"engine": "docker 20.10.24", "kernel": "6.1.0", "cgroup": "2"}
        | ({"driver": "535.104"} if kind == SERVER else {}),
        runtime="docker",
        image_id="sha256:" + f"{abs(hash_of(model)):064x}"[:64],
        image_digest=None,
        image_labels={"org.morocco.parameters": "178000000", "org.morocco.vocabulary": "119547"}
        if gpu
        else {},
        score=None
        if score is None
        else Score({"accuracy": score}, score, "measured", 300, None, score - 0.02, score + 0.02),
    )


def campaign(seed: int = 7) -> list[TaskStats]:
    """20 models x 9 tasks: some unresolved, invalid, absent, imported, given, hostile in text."""
    chance = random.Random(seed)
    found = []
    for name, device, rps, score, memory in MODELS:
        for task in TASKS:
            found.append(
                task_stats(
                    name,
                    task,
                    device=device,
                    rps=rps * TASK_SPEED[task] * chance.lognormvariate(0, 0.15),
                    score=min(1.0, max(0.0, score + chance.gauss(0, 0.05))),
                    memory=memory * chance.uniform(0.95, 1.0),
                    kind=SERVER,
                    spread=chance.uniform(0.01, 0.09),
                )
            )
    return [_hole(stats) for stats in found]


def _hole(stats: TaskStats) -> TaskStats:
    """What goes wrong in real campaigns."""
    gone = "all 5 runs are invalid"
    match stats.model, stats.task:
        case "majority-class", _:
            return replace(stats, rps=unresolved("records/s"), runs_repeated=3)
        case "mt5-large", "rucos":
            return replace(
                stats,
                rps=absent("records/s", gone),
                cpu_seconds_per_record=absent("s/record", gone),
                runs_valid=5,
                runs_invalid=5,
                invalid_reasons={"oom_killed": 5},
                score=Score({}, None, "absent", 0, gone),
                warnings=("5 runs were killed for want of memory",),
            )
        case "rugpt3-large", _:
            return replace(
                stats,
                origin="imported",
                cpu_seconds_per_record=absent("s/record", "an archive has no CPU totals"),
                joules_per_record=absent("J/record", "an archive has no energy counter"),
                extra={"published_rps": str((stats.rps.value or 1) * 1.17)},
            )
        case "fasttext-bilstm", _:
            return replace(stats, runtime="process")
        case "labse-en-ru", _:
            value = stats.score.score if stats.score else None
            return replace(stats, score=Score({}, value, "given"))
        case "sbert-large-mt-nlu-ru", "muserc":
            return replace(stats, score=None)
        case _:
            return stats


def hash_of(text: str) -> int:
    """Stable between processes, which ``hash`` is not."""
    return int.from_bytes(text.encode(), "big")


def write_results(folder: Path, stats: list[TaskStats]) -> Path:
    for one in stats:
        write_json(folder / "stats" / one.model / f"{one.task}.json", one)
    return folder
