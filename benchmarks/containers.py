"""Calibrated containers of known cost, measured as a suite measures its models.

A *unit* is one model of a suite: an init cell and any number of loads, repeated in a seeded order,
screened and measured again as the rules do it. Units that only sleep may run beside each other,
each worker under a lock of its own.
"""

from __future__ import annotations

import json
import os
import random
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass, field
from multiprocessing import get_context
from pathlib import Path
from typing import Any

from morocco.bench.job import Job
from morocco.bench.run import measure
from morocco.engine.client import connect
from morocco.engine.images import build_model
from morocco.engine.reap import reap
from morocco.formats.names import RunFiles, RunId
from morocco.formats.record import Image, Input, RunRecord
from morocco.screen.settle import settle_cell
from morocco.suite.model import Limits, Load, NoiseBounds, RunSpec, SamplingRates
from morocco.tasks.inputs import make_input
from morocco.tasks.registry import get_task

ROOT = Path(__file__).resolve().parents[1]
TAG = "morocco/calibrated-benchmark"
TASK = "terra"
BATCH = 32  # at load; an init run is one record at batch size 1, as the first campaign had it
MAPPED_MIB = 300
ROUNDS = 3
# Beside siblings every run is "disturbed": no judgement there.
NO_BOUNDS = NoiseBounds(foreign_cores=1e9, steal_share=1.0, psi_share=1.0, swap_pages=10**12)


@dataclass(frozen=True)
class Unit:
    """A calibrated container: what it is told, on which inputs it runs."""

    name: str
    args: tuple[str, ...]
    sizes: tuple[int, ...]  # the first is the init size
    repeats: int = 5
    seconds: float = 0.0  # of its longest run, to plan with
    limits: Limits = field(default_factory=Limits)
    noise: NoiseBounds = NO_BOUNDS
    screened: bool = True


@dataclass(frozen=True)
class OwnMarks:
    """What a container says about itself, by its own clocks."""

    seconds: float  # first line of the program to its last answer
    late_seconds: float  # worst lateness against its schedule
    cpu_seconds: float  # of the process, interpreter's start included, children not


@dataclass(frozen=True)
class Measured:
    """Records of a unit, the runs that its cells accept, and each run's own marks."""

    unit: Unit
    records: list[RunRecord]
    accepted: frozenset[RunId]
    own: dict[RunId, OwnMarks]

    def runs(self, size: int) -> list[RunRecord]:
        return [r for r in self.records if r.id.input_size == size and r.id in self.accepted]

    def wall_seconds(self, size: int) -> list[float]:
        return [r.clock.wall_seconds for r in self.runs(size) if r.clock]


@dataclass(frozen=True)
class Bed:
    """What all units share: the image and inputs of every size."""

    image: Image
    inputs: dict[int, Input]
    folder: Path


def prepare(folder: Path, sizes: Iterable[int]) -> Bed:
    """Build the calibrated image (with a 300 MiB file in it) and write the inputs."""
    client = connect()
    reap(client)
    sample = ROOT / "data" / "sample"
    image = build_model(
        ROOT / "models" / "calibrated",
        TASK,
        sample,
        TAG,
        os.environ.get("BASE_IMAGE", "morocco/base:local"),
        {"MAPPED_MIB": str(MAPPED_MIB)},
        client=client,
    )
    source = sample / get_task(TASK).eval_file
    folder.mkdir(parents=True, exist_ok=True)
    inputs = {size: make_input(source, size, folder / f"{size}.jsonl") for size in set(sizes)}
    return Bed(image, inputs, folder)


def spec_of(unit: Unit, image: str, size: int) -> RunSpec:
    return RunSpec(
        model=unit.name,
        task=TASK,
        load=Load(size, 1 if size == 1 else BATCH),
        image=image,
        command=None,
        args=unit.args,
        env={},
        device="cpu",
        gpus=None,
        runtime="docker",
        timeout_seconds=600.0,
        limits=unit.limits,
        sampling=SamplingRates(),
        noise=unit.noise,
        pause_seconds=300.0,
        seed=0,
    )


def order(unit: Unit, seed: int = 20210121) -> list[tuple[int, int]]:
    """(input size, index) of the first round, sizes interleaved by a seeded shuffle."""
    runs = [(size, index) for size in unit.sizes for index in range(1, unit.repeats + 1)]
    random.Random(f"{seed}/{unit.name}").shuffle(runs)
    return runs


def measure_unit(bed: Bed, unit: Unit, client: Any = None) -> Measured:
    """Round 1, then what the screening wants again, at most ROUNDS rounds in all."""
    client = client or connect()
    records: dict[tuple[int, int], RunRecord] = {}
    own: dict[RunId, OwnMarks] = {}

    def once(size: int, index: int, round: int) -> None:
        record = measure_once(bed, unit, size, index, client=client, round=round)
        records[size, index] = record
        own[record.id] = read_marks(run_place(bed, record.id).stderr)

    for size, index in order(unit):
        once(size, index, 1)
    accepted: set[RunId] = set()
    for size in unit.sizes:
        previous = None
        for round in range(1, ROUNDS + 1 if unit.screened else 2):
            cell = [record for (n, _), record in records.items() if n == size]
            previous, again = settle_cell(
                cell,
                previous,
                round=round,
                max_rounds=ROUNDS if unit.screened else 1,
                repeats=unit.repeats,
            )
            for index in again:
                once(size, index, round + 1)
        assert previous is not None
        batch = 1 if size == 1 else BATCH
        accepted |= {
            RunId(unit.name, TASK, size, batch, run.index)
            for run in previous.runs
            if run.accepted or not unit.screened
        }
    return Measured(unit, list(records.values()), frozenset(accepted), own)


def measure_once(
    bed: Bed, unit: Unit, size: int, index: int, *, client: Any, round: int = 1
) -> RunRecord:
    run = RunId(unit.name, TASK, size, 1 if size == 1 else BATCH, index)
    files = run_place(bed, run)
    files.record.parent.mkdir(parents=True, exist_ok=True)
    described = bed.inputs[size]
    spec = spec_of(unit, bed.image.name, size)
    return measure(
        client, Job(spec, run, described, Path(described.path), bed.image, round=round), files
    )


def run_place(bed: Bed, run: RunId) -> RunFiles:
    stem = bed.folder / run.model / run.name
    return RunFiles(*(stem.with_suffix(s) for s in (".jsonl", ".json", ".out", ".err")))


def read_marks(stderr: Path) -> OwnMarks:
    """A calibrated container's own account; RuntimeError shows what it said where it failed."""
    events = {}
    for line in stderr.read_text().splitlines():
        if line.startswith("{"):
            event = json.loads(line)
            events[event["event"]] = event
    if "end" not in events:
        raise RuntimeError(f"a calibrated container failed: {stderr.read_text()[-500:]}")
    end = events["end"]
    return OwnMarks(
        seconds=end["realtime"] - events["main"]["realtime"],
        late_seconds=end["late_seconds"],
        cpu_seconds=end["cpu_seconds"],
    )


def side_by_side(
    work: Sequence[tuple[Callable[..., Any], tuple[Any, ...], float]], parallel: int, what: str
) -> Iterator[Any]:
    """Results of ``(function, arguments, seconds expected)`` as they come, the longest first.

    ``parallel`` processes, each with a lock of its own; with 1 this process and the machine's lock.
    """
    total, done, begin = sum(seconds for _, _, seconds in work), 0.0, time.monotonic()
    longest_first = sorted(work, key=lambda item: -item[2])

    def tell(seconds: float) -> None:
        nonlocal done
        done += seconds
        spent = time.monotonic() - begin
        left = spent * (total - done) / done
        print(f"{what}: {done / total:4.0%}, {spent:.0f} s, {left:.0f} s left", file=sys.stderr)

    if parallel == 1:
        for function, arguments, seconds in longest_first:
            yield function(*arguments)
            tell(seconds)
        return
    pool = ProcessPoolExecutor(parallel, get_context("spawn"), _own_lock)
    try:
        futures = {pool.submit(f, *arguments): s for f, arguments, s in longest_first}
        for future in as_completed(futures):
            yield future.result()
            tell(futures[future])
    finally:
        pool.shutdown(cancel_futures=True)


def _own_lock() -> None:
    path = Path(tempfile.gettempdir()) / f"morocco.benchmark.{os.getpid()}.lock"
    os.environ["MOROCCO_LOCK"] = str(path)


def spread(values: Sequence[float]) -> float:
    return statistics.stdev(values) if len(values) > 1 else float("nan")
