"""What one run is asked to do, and what its execution left."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from morocco.engine.container import Outcome
from morocco.formats.names import RunId
from morocco.formats.record import Gpu, Image, Input, Noise, Totals
from morocco.sampling.sampler import Sampler
from morocco.suite.model import RunSpec


@dataclass(frozen=True)
class Job:
    """The spec, which repeat, on which input, in which image."""

    spec: RunSpec
    run: RunId
    input: Input
    input_path: Path
    image: Image
    kind: str = "measured"  # or warmup, cold, null
    round: int = 1
    entrypoint: tuple[str, ...] | None = None  # a null run replaces the image's own
    checked: bool = True  # do the predictions count?


@dataclass(frozen=True)
class Execution:
    """Everything one execution left, before it is judged."""

    outcome: Outcome
    sampler: Sampler
    totals: Totals
    noise: Noise
    gpu: Gpu | None
    start_monotonic: float  # the run's start on the monotonic clock of the reader
    step_seconds: float  # wall clock against monotonic clock over the run
    engine: str | None = None  # name and version; None: run without one
