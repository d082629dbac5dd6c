"""A suite as frozen values: what is measured, under which limits, in which order."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field

import msgspec

from morocco.errors import MoroccoError
from morocco.formats.names import RunId


@dataclass(frozen=True, order=True)
class Load:
    input_size: int
    batch_size: int

    @property
    def name(self) -> str:
        return f"{self.input_size}_{self.batch_size}"


@dataclass(frozen=True)
class Limits:
    """Bounds of an untrusted container; config/README.md says why these defaults."""

    cpus: float = 1.0
    cpuset: str | None = None
    memory: int = 8 * 2**30
    processes: int = 256
    stdout: int = 64 * 2**20
    stderr: int = 4 * 2**20
    tmpfs: int = 256 * 2**20
    shm: int = 64 * 2**20
    user: str = "65534:65534"


@dataclass(frozen=True)
class SamplingRates:
    rate_hz: float = 100.0
    pss_hz: float = 1.0
    log_hz: float = 10.0


@dataclass(frozen=True)
class NoiseBounds:
    """Above one of these a run is "disturbed" and measured again."""

    foreign_cores: float = 0.25
    steal_share: float = 0.05
    psi_share: float = 0.6
    swap_pages: int = 0


@dataclass(frozen=True)
class Warmup:
    pause_seconds: float = 300.0
    cold_starts: int = 1


@dataclass(frozen=True)
class Screening:
    rounds: int = 3
    target_half_width: float | None = None
    max_repeats: int = 20


@dataclass(frozen=True)
class RunSpec:
    """All that the config asks of the runs of one (model, task, load)."""

    model: str
    task: str
    load: Load
    image: str | None  # docker
    command: tuple[str, ...] | None  # process
    args: tuple[str, ...]
    env: dict[str, str]
    device: str
    gpus: tuple[int, ...] | None  # null: all
    runtime: str
    timeout_seconds: float
    limits: Limits
    sampling: SamplingRates
    noise: NoiseBounds
    pause_seconds: float
    seed: int

    @property
    def json(self) -> str:
        """Stable text: Snakemake compares it to see what a config change touches."""
        return msgspec.json.encode(self, order="deterministic").decode()

    @property
    def sha256(self) -> str:
        return hashlib.sha256(self.json.encode()).hexdigest()

    @property
    def container_args(self) -> tuple[str, ...]:
        return (*self.args, "--batch-size", str(self.load.batch_size))


def decode_spec(text: str) -> RunSpec:
    return msgspec.json.decode(text, type=RunSpec)


@dataclass(frozen=True)
class ModelTask:
    """One model on one task, overrides applied."""

    model: str
    task: str
    image: str | None
    build: str | None
    build_args: dict[str, str]
    command: tuple[str, ...] | None
    args: tuple[str, ...]
    env: dict[str, str]
    device: str
    gpus: tuple[int, ...] | None
    runtime: str
    init: Load
    loads: tuple[Load, ...]
    repeats: int
    timeout_seconds: float
    limits: Limits

    @property
    def cells(self) -> tuple[Load, ...]:
        """Init cell first, then the loads."""
        return (self.init, *(load for load in self.loads if load != self.init))


@dataclass(frozen=True)
class Model:
    """One row of the board. A ``seq_lens`` sweep makes one Model a length."""

    name: str
    family: str
    seq_len: int | None
    device: str
    runtime: str
    tasks: dict[str, ModelTask]
    scores: dict[str, dict[str, float]] = field(default_factory=dict)  # given, not measured


@dataclass(frozen=True)
class Suite:
    results: str
    data_root: str
    official_url: str | None
    official_sha256: str | None
    models: dict[str, Model]
    seed: int
    warmup: Warmup
    sampling: SamplingRates
    noise: NoiseBounds
    screening: Screening
    max_relative_half_width: float
    base_image: str | None
    null_runs: int
    registry: str | None
    published_scores: str | None
    image_archives: bool = False  # nodes load the images from the results' own storage

    def model_task(self, model: str, task: str) -> ModelTask:
        try:
            return self.models[model].tasks[task]
        except KeyError:
            raise MoroccoError(f"no model {model!r} with task {task!r} in the suite") from None

    def spec(self, model: str, task: str, load: Load) -> RunSpec:
        part = self.model_task(model, task)
        return RunSpec(
            model=model,
            task=task,
            load=load,
            image=part.image,
            command=part.command,
            args=part.args,
            env=part.env,
            device=part.device,
            gpus=part.gpus,
            runtime=part.runtime,
            timeout_seconds=part.timeout_seconds,
            limits=part.limits,
            sampling=self.sampling,
            noise=self.noise,
            pause_seconds=self.warmup.pause_seconds,
            seed=self.seed,
        )

    def runs(self, model: str | None = None) -> list[RunId]:
        """The runs of round 1, of one model or all."""
        models = [self.models[model]] if model else self.models.values()
        return [
            RunId(entry.name, task, load.input_size, load.batch_size, index)
            for entry in models
            for task, part in entry.tasks.items()
            for load in part.cells
            for index in range(1, part.repeats + 1)
        ]


def run_order(seed: int, run: RunId) -> int:
    """Place of a run in the seeded shuffle, 1..2^30: a hash needs no list of all runs.

    Runs of different models and tasks interleave, so that a slow drift of the machine
    hits all alike.
    """
    digest = hashlib.blake2b(f"{seed}/{run}".encode(), digest_size=8).digest()
    return 1 + int.from_bytes(digest, "big") % 2**30
