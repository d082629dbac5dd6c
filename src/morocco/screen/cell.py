"""The state of one cell after a round of measuring: which runs count, which do not, and why."""

from __future__ import annotations

from dataclasses import dataclass

from morocco.formats.names import CellId
from morocco.formats.record import Reason


@dataclass(frozen=True)
class RunState:
    index: int
    round: int  # in which round it was measured
    accepted: bool  # counts in the estimates
    reasons: tuple[Reason, ...] = ()  # why it does not


@dataclass(frozen=True)
class CellState:
    """Written as ``<results>/cells/<model>/<task>/<input>_<batch>.round<r>.json``."""

    cell: CellId
    round: int
    runs: tuple[RunState, ...]  # all evidence so far, by index
    settled: bool  # nothing left to measure again
    note: str  # why it is settled, or what is still wanting
