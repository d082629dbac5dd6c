"""What a leaderboard consists of: rows of models, by machine."""

from __future__ import annotations

from dataclasses import dataclass

from morocco.board.collect import Refused
from morocco.estimate.results import Estimate, TaskStats

# Details that make speeds incomparable: rows that differ in one are ranked apart. Others (kernel,
# cgroup version) are only shown, as they seldom move a figure.
SEPARATING = ("engine", "driver", "gpu_driver")


@dataclass(frozen=True)
class Ranks:
    """1 + the number of rows of the same machine that are certainly better; None: no figure."""

    score: int | None = None
    rps: int | None = None
    memory: int | None = None


@dataclass(frozen=True)
class TaskRow:
    """One model on one task."""

    task: str
    score: Estimate
    stats: TaskStats
    ranks: Ranks = Ranks()

    @property
    def memory(self) -> Estimate:
        """Model size: GPU RAM where a GPU was used, else RAM. Bytes."""
        return self.stats.gpu_ram_bytes if self.gpu else self.stats.ram_bytes

    @property
    def rps(self) -> Estimate:
        return self.stats.rps

    @property
    def gpu(self) -> bool:
        return self.stats.device == "gpu"


@dataclass(frozen=True)
class Row:
    """One model on one machine under one runtime. Means are over the machine's tasks."""

    model: str
    label: str  # the model, with its folder where two folders hold it
    device: str  # cpu, gpu, or both where tasks differ
    runtime: str
    origin: str
    sources: tuple[str, ...]
    score: Estimate  # mean of nine
    rps: Estimate  # records/s, geometric mean
    memory: Estimate  # bytes, GPU RAM where a GPU was used, else RAM
    gpu_ram: Estimate  # bytes, maximum over tasks
    ram: Estimate  # bytes, maximum over tasks
    init_seconds: Estimate  # geometric mean
    cpu_seconds_per_record: Estimate  # geometric mean
    joules_per_record: Estimate  # geometric mean
    tasks: dict[str, TaskRow]
    runs_valid: int
    runs_invalid: int
    runs_repeated: int
    invalid_reasons: dict[str, int]
    warnings: tuple[str, ...]
    ranks: Ranks = Ranks()
    pareto: bool | None = None  # None: a figure is missing

    @property
    def gpu(self) -> bool:
        return self.device != "cpu"

    @property
    def key(self) -> tuple[str, str, str]:
        """Tells the rows of one machine apart."""
        return (self.label, self.runtime, self.origin)


@dataclass(frozen=True)
class Machine:
    """Rows that may be ranked together, best first."""

    kind: str
    details: dict[str, str]  # the separating details all rows share
    differs: dict[str, tuple[str, ...]]  # what does not separate, but is not the same in all rows
    tasks: tuple[str, ...]  # means of speed and memory are over these
    rows: tuple[Row, ...]

    @property
    def title(self) -> str:
        return _title(self.kind, self.details)

    @property
    def notes(self) -> tuple[str, ...]:
        """What a reader must know before comparing rows."""
        notes = [f"rows differ in {key}: {', '.join(found)}" for key, found in self.differs.items()]
        imported = [row.label for row in self.rows if row.origin == "imported"]
        if imported and not self.details:
            notes.append(
                "imported archives do not say which machine they were measured on: that rows share"
                " one is taken on trust"
            )
        return tuple(notes)


@dataclass(frozen=True)
class Board:
    title: str
    machines: tuple[Machine, ...]
    refused: tuple[Refused, ...] = ()
    notes: tuple[str, ...] = ()


def machine_title(stats: TaskStats) -> str:
    """The machine as headings name it: its kind and the details that set it apart."""
    return _title(stats.machine_kind, separating(stats.machine_details))


def _title(kind: str, details: dict[str, str]) -> str:
    if kind.startswith("not known"):
        kind = f"Machine {kind}"
    shown = ", ".join(f"{key} {value}" for key, value in details.items())
    return f"{kind} ({shown})" if shown else kind


def separating(details: dict[str, str]) -> dict[str, str]:
    return {key: details[key] for key in SEPARATING if details.get(key)}
