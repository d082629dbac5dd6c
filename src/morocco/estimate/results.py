"""What an estimate says: a value with its interval, or why there is none."""

from __future__ import annotations

from dataclasses import dataclass, field

RESOLVED = "resolved"
NOT_RESOLVED = "not_resolved"
ABSENT = "absent"


@dataclass(frozen=True)
class Estimate:
    """``value`` with a 95 % interval [low, high].

    status ``not_resolved``: the data cannot carry a number; value is null, low and high may still
    bound it. ``absent``: never measured (no GPU, all runs invalid); ``reason`` says why.
    """

    value: float | None
    low: float | None
    high: float | None
    unit: str
    n: int  # runs it rests on
    status: str
    method: str
    reason: str | None = None
    needed_input_size: int | None = None  # would resolve it


def absent(unit: str, reason: str, method: str = "") -> Estimate:
    return Estimate(None, None, None, unit, 0, ABSENT, method, reason)


@dataclass(frozen=True)
class LoadStats:
    """One (input_size, batch_size) of a model and task."""

    input_size: int
    batch_size: int
    wall_seconds: Estimate
    rps: Estimate  # against the init runs
    rps_streaming: Estimate
    cpu_seconds_per_record: Estimate
    joules_per_record: Estimate
    ram_bytes: Estimate
    gpu_ram_bytes: Estimate
    runs_valid: int
    runs_invalid: int


@dataclass(frozen=True)
class Score:
    """Quality from the measured runs, or given in the config."""

    metrics: dict[str, float]  # accuracy, mcc, f1, f1a, em, as the task has them
    score: float | None  # their mean; null with a reason
    source: str  # "measured", "given" or "absent"
    records: int = 0  # distinct labelled records it rests on
    reason: str | None = None
    low: float | None = None  # 95 % interval of the score
    high: float | None = None


@dataclass(frozen=True)
class TaskStats:
    """Everything about one model on one task on one machine kind."""

    model: str
    task: str
    device: str  # cpu or gpu
    init_seconds: Estimate
    cold_start_seconds: Estimate
    rps: Estimate  # of the headline load: the largest resolved input_size, its fastest batch_size
    rps_streaming: Estimate
    cpu_seconds_per_record: Estimate
    joules_per_record: Estimate
    gpu_ram_bytes: Estimate  # init runs: MOROCCO's model size
    gpu_ram_load_bytes: Estimate  # at the headline load
    ram_bytes: Estimate  # sum of PSS, headline load
    ram_anon_bytes: Estimate
    ram_cgroup_bytes: Estimate
    headline: tuple[int, int] | None  # (input_size, batch_size)
    loads: tuple[LoadStats, ...]
    runs_valid: int
    runs_invalid: int
    runs_repeated: int  # measured again by the screening
    invalid_reasons: dict[str, int]
    warnings: tuple[str, ...]
    machine_kind: str
    machine_details: dict[str, str]  # engine, kernel, driver, cgroup: what differs between boards
    runtime: str
    image_id: str | None
    image_digest: str | None
    image_labels: dict[str, str]
    simulated: bool = False
    seq_len: int | None = None
    family: str | None = None  # the config's model before a sweep made variants of it
    score: Score | None = None
    origin: str = "measured"  # or "imported": an archive of the first MOROCCO
    extra: dict[str, str] = field(default_factory=dict)
