"""The run record: everything known about one container execution, as JSON beside its log.

Absent is null with a reason beside it, never 0.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from morocco.errors import MoroccoError
from morocco.formats.files import read_json, write_json
from morocco.formats.names import RunId

FORMAT = "morocco-run/1"

# Why a run may be invalid. The text is what a table shows.
REASONS = {
    # the model's fault
    "exit_code": "the container exited with a non-zero status",
    "oom_killed": "the kernel killed the container for want of memory",
    "timeout": "the container did not end within the time limit",
    "output_limit": "the container wrote more than the output bound",
    "prediction_count": "predictions are missing or surplus",
    "prediction_idx": "the idx set differs from the input's",
    "prediction_format": "an output line is not a prediction",
    "prediction_label": "a label is outside the task's set",
    "prediction_unstable": "output differs between repeats of the same input",
    "start_failed": "the container could not start",
    # the machine's fault
    "killed": "the container was killed from outside",
    "foreign_load": "other processes used the CPU above the bound",
    "foreign_gpu": "other processes were on the GPU",
    "steal": "the hypervisor took CPU time above the bound",
    "pressure": "tasks waited for the CPU above the bound (PSI)",
    "swap": "pages were swapped during the run",
    "throttled": "the CPU or GPU was throttled",
    "clock_stepped": "the wall clock was stepped during the run",
    "gpu_lost": "the GPU was lost during the run",
    "sampling_gap": "the sampler was held up: peaks may have been missed",
    "page_cache": "the page cache could not be emptied before a cold start",
    # by comparison with its cell
    "outlier": "the wall time lies apart from its cell's",
}
MODEL_REASONS = frozenset(list(REASONS)[: list(REASONS).index("killed")])
DISTURBED_REASONS = frozenset(
    {"foreign_load", "foreign_gpu", "steal", "pressure", "swap", "throttled", "clock_stepped"}
)


@dataclass(frozen=True)
class Reason:
    code: str  # a key of REASONS
    detail: str  # what was seen, with numbers


@dataclass(frozen=True)
class Verdict:
    valid: bool
    reasons: tuple[Reason, ...] = ()


@dataclass(frozen=True)
class Clock:
    started_at: float  # s since the epoch, the engine's State.StartedAt
    finished_at: float  # State.FinishedAt
    wall_seconds: float  # T: the run's time
    source: str  # "engine" (docker) or "process"
    harness_seconds: float  # whole job of one run, creation and removal included
    step_seconds: float  # wall clock against the monotonic clock over the run


@dataclass(frozen=True)
class Totals:
    """Exact totals of the container's whole process tree, from its cgroup."""

    cpu_seconds: float | None
    cpu_user_seconds: float | None
    cpu_system_seconds: float | None
    ram_pss_peak_bytes: int | None  # largest sum of PSS: the `ram` figure
    ram_anon_peak_bytes: int | None  # largest sampled anonymous memory (fast sampling)
    ram_cgroup_peak_bytes: int | None  # kernel's high-water mark, page cache included
    processes_peak: int | None
    read_bytes: int | None = None  # block I/O, the sign of a cold page cache
    source: str = "cgroup"  # cgroup1, cgroup2 or proc
    absent: dict[str, str] = field(default_factory=dict)  # field -> why it is null


@dataclass(frozen=True)
class Sampling:
    rate_hz: float  # asked for, cgroup counters
    samples: int
    longest_gap_seconds: float
    pss_samples: int
    sampler_cpu_seconds: float  # what measuring itself cost
    log_rate_hz: float


@dataclass(frozen=True)
class Input:
    sha256: str
    records: int
    bytes: int
    source_sha256: str  # of the split it was cycled from
    source_records: int
    path: str


@dataclass(frozen=True)
class Arrivals:
    """When prediction lines came, for the streaming estimate."""

    distinct_times: int
    first_seconds: float | None  # after container start
    last_seconds: float | None
    largest_burst: float  # largest share of all lines that came at one time
    # (seconds after start, lines so far), thinned to at most 200 points
    curve: tuple[tuple[float, int], ...] = ()


@dataclass(frozen=True)
class Output:
    lines: int
    bytes: int
    sha256: str  # of the raw stdout
    predictions_sha256: str | None  # of the normalised predictions in input order; null: not valid
    stderr_bytes: int
    arrivals: Arrivals
    stderr_tail: str = ""


@dataclass(frozen=True)
class Exit:
    code: int | None
    oom_killed: bool
    timed_out: bool
    killed_by_harness: str | None  # why we killed it: timeout, output_limit, interrupted
    error: str | None = None  # the engine's own message


@dataclass(frozen=True)
class Image:
    name: str
    id: str | None  # sha256:… of the image config
    digest: str | None  # registry digest, where it has one
    size_bytes: int | None
    labels: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class GpuDevice:
    index: int
    uuid: str | None
    name: str | None
    total_bytes: int | None
    ram_peak_bytes: int | None  # container's processes on this device
    device_used_peak_bytes: int | None
    utilisation_mean: float | None  # 0..1
    energy_joules: float | None  # over the run, idle baseline subtracted
    energy_raw_joules: float | None
    idle_watts: float | None
    power_peak_watts: float | None
    temperature_peak_celsius: float | None
    sm_clock_min_mhz: float | None
    throttle_reasons: tuple[str, ...] = ()
    foreign_processes: int | None = None
    absent: dict[str, str] = field(default_factory=dict)  # field -> reason code
    mig: int | None = None  # number of the MIG device within GPU `index`
    energy_source: str | None = None  # "counter", or "power": integrated power readings
    # the driver's own peak of each process, summed; only where accounting mode was on already
    accounting_peak_bytes: int | None = None
    foreign_ram_peak_bytes: int | None = None
    idle_used_bytes: int | None = None  # whole device, before the run
    missed: dict[str, int] = field(default_factory=dict)  # field -> samples that did not give it


@dataclass(frozen=True)
class Gpu:
    driver: str | None
    ram_peak_bytes: int | None  # sum over the run's devices at one moment, its maximum
    energy_joules: float | None
    devices: tuple[GpuDevice, ...]
    simulated: bool = False  # a scripted driver: never on a leaderboard
    absent: dict[str, str] = field(default_factory=dict)
    reasons: tuple[Reason, ...] = ()  # gpu_lost, foreign_gpu, throttled
    nvml: str | None = None  # version of the management library
    samples: int = 0
    sample_seconds_mean: float | None = None  # wall time of one look at all devices
    sample_seconds_max: float | None = None


@dataclass(frozen=True)
class Noise:
    """What else went on during the run. Shares are of the machine's CPU time."""

    foreign_cpu_cores: float | None  # cores used outside the container and the harness
    steal_share: float | None
    psi_some_share: float | None  # share of the run in which some task waited for a CPU
    swap_pages: int | None
    throttled_seconds: float | None
    load_before: float | None  # 1-minute load average at the start
    absent: dict[str, str] = field(default_factory=dict)
    thermal_events: int | None = None  # null: the kernel has no such counter (virtual machines)


@dataclass(frozen=True)
class Machine:
    hostname: str
    cpu: str
    cores: int
    ram_bytes: int
    gpus: tuple[str, ...]
    gpu_driver: str | None
    kernel: str
    engine: str | None
    cgroup_version: int | None
    governor: str | None
    python: str

    @property
    def kind(self) -> str:
        """Rows of the same kind may be ranked together."""
        gpus = ", ".join(self.gpus) or "no GPU"
        return f"{self.cpu} × {self.cores}, {round(self.ram_bytes / 2**30)} GiB, {gpus}"


@dataclass(frozen=True)
class Harness:
    version: str
    commit: str | None  # with "+" where the checkout had changes
    simulated: bool = False  # a test double stood at a boundary


@dataclass(frozen=True)
class RunRecord:
    id: RunId
    kind: str  # measured, warmup, cold or null
    round: int
    order: int  # place in the seeded order of the suite
    seed: int
    verdict: Verdict
    clock: Clock | None  # null: the container never started
    totals: Totals | None
    sampling: Sampling | None
    input: Input
    output: Output | None
    exit: Exit
    image: Image
    runtime: str  # docker or process
    options: dict[str, Any]  # limits and arguments the container ran under
    gpu: Gpu | None
    noise: Noise | None
    machine: Machine
    harness: Harness
    spec_sha256: str  # of what the config asked of this run
    warmed: bool = True  # the image ran shortly before
    format: str = FORMAT
    log_sha256: str | None = None  # of the log's bytes: ties the two files together

    @property
    def wall_seconds(self) -> float | None:
        return self.clock.wall_seconds if self.clock else None


def write_record(path: str | os.PathLike[str], record: RunRecord) -> None:
    write_json(path, record)


def read_record(path: str | os.PathLike[str]) -> RunRecord:
    """Read and check a run record; MoroccoError names the file and the field that is wrong."""
    record = read_json(Path(path), RunRecord)
    if record.format != FORMAT:
        raise MoroccoError(f"format {record.format!r}, not {FORMAT!r}", place=str(path))
    return record
