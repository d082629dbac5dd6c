"""What a tuning says: a point a batch size, the choice, memory as a line."""

from __future__ import annotations

from dataclasses import dataclass

from morocco.estimate.results import Estimate
from morocco.suite.model import Load

MEASURED = "measured"
OUT_OF_MEMORY = "out_of_memory"
FAILED = "failed"
NOT_TRIED = "not_tried"


@dataclass(frozen=True)
class Settings:
    """What is asked of a tuning. ``aim`` "width": speed within ``max_relative_half_width``;
    "seconds": T_N − T_init of at least 10 s and half of T_init."""

    init: Load
    batch_sizes: tuple[int, ...]
    repeats: int
    budget_seconds: float
    max_relative_half_width: float
    timeout_seconds: float  # of one run
    memory_limit: int  # bytes
    stdout_limit: int  # bytes
    device: str = "cpu"
    aim: str = "width"
    max_repeats: int = 20


@dataclass(frozen=True)
class BatchPoint:
    """One batch size of the curve; figures are null with a reason where it was not measured."""

    batch_size: int
    status: str  # measured, out_of_memory, failed, not_tried
    input_size: int | None
    rps: Estimate
    ram_bytes: Estimate  # sum of PSS, looked at about once a second
    ram_anon_bytes: Estimate  # anonymous memory, sampled fast: sees short peaks
    gpu_ram_bytes: Estimate
    runs_accepted: int
    runs_rejected: int
    reason: str | None = None  # why it is not measured, or what to know of it

    @property
    def edge_share(self) -> float | None:
        """Bound on the speed's error from one batch at the edge: batch_size / input_size."""
        return self.batch_size / self.input_size if self.input_size else None


@dataclass(frozen=True)
class MemoryLine:
    """Peak memory = ``fixed_bytes`` + ``bytes_per_item`` · batch size."""

    quantity: str  # "GPU RAM", "RAM (anonymous)" or "RAM (PSS)"
    fixed_bytes: Estimate
    bytes_per_item: Estimate


@dataclass(frozen=True)
class Choice:
    """``load`` null: not resolved, ``reason`` says why."""

    load: Load | None
    reason: str
    ties: tuple[int, ...] = ()  # batch sizes that are not told apart from the fastest


@dataclass(frozen=True)
class Findings:
    """What the runs of one tuning came to."""

    init_seconds: Estimate
    points: tuple[BatchPoint, ...]
    choice: Choice
    gpu_ram: MemoryLine
    ram: MemoryLine
    seconds_used: float
    runs: int
    notes: tuple[str, ...]


@dataclass(frozen=True)
class Tuning:
    """A tuning as it is written."""

    model: str
    family: str  # the config's model before a sweep made variants of it
    task: str
    image: str
    image_id: str | None
    machine: str
    runtime: str
    simulated: bool
    settings: Settings
    findings: Findings
    format: str = "morocco-tuning/1"
