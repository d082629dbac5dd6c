"""Ranks that ties respect, and the Pareto front."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from morocco.estimate.results import Estimate


def certainly_better(a: Estimate, b: Estimate, *, higher: bool) -> bool:
    """Whether a's 95 % interval lies wholly on the better side of b's.

    A bound that is not known counts as the value itself (a score given without an interval).
    Intervals apart are stricter than a test of the difference at 5 %: a tie proves no equality.
    """
    if a.value is None or b.value is None:
        return False
    if higher:
        return _or(a.low, a.value) > _or(b.high, b.value)
    return _or(a.high, a.value) < _or(b.low, b.value)


def ranks(estimates: Sequence[Estimate], *, higher: bool) -> list[int | None]:
    """Rank = 1 + the number of rows that are certainly better; None where there is no value.

    Rows whose intervals overlap the best one's all have rank 1. Ranks may skip and repeat.
    """
    return [
        None
        if mine.value is None
        else 1 + sum(certainly_better(other, mine, higher=higher) for other in estimates)
        for mine in estimates
    ]


@dataclass(frozen=True)
class Costs:
    """What the Pareto front weighs: score and speed up, memory down."""

    score: Estimate
    speed: Estimate
    memory: Estimate  # GPU RAM where a GPU was used, else RAM
    ram: Estimate
    gpu: bool


def pareto(costs: Sequence[Costs]) -> list[bool | None]:
    """Whether a row is on the front over score, speed and memory; None where one is missing.

    A row is off the front where another is at least as good in all three by value and certainly
    better in one (so that no row loses its place to noise). Memory is GPU RAM among models that
    use a GPU, RAM among those that do not; between the two kinds, a model that needs no GPU is
    compared by RAM and is never beaten by one that needs a GPU.
    """
    complete = [None not in (c.score.value, c.speed.value, c.memory.value) for c in costs]
    rivals = [c for c, whole in zip(costs, complete, strict=True) if whole]
    return [
        not any(_dominates(rival, mine) for rival in rivals if rival is not mine) if whole else None
        for mine, whole in zip(costs, complete, strict=True)
    ]


def front_line(points: Sequence[tuple[float | None, float | None]]) -> list[bool]:
    """Which (speed, score) points no other beats in one without losing in the other."""
    return [
        x is not None
        and y is not None
        and not any(
            u is not None and v is not None and u >= x and v >= y and (u > x or v > y)
            for u, v in points
        )
        for x, y in points
    ]


def _dominates(a: Costs, b: Costs) -> bool:
    if a.gpu and not b.gpu:
        return False
    mine, other = (a.memory, b.memory) if a.gpu == b.gpu else (a.ram, b.ram)
    pairs = ((a.score, b.score, True), (a.speed, b.speed, True), (mine, other, False))
    if any(not _at_least(x, y, higher) for x, y, higher in pairs):
        return False
    frees_gpu = b.gpu and not a.gpu
    return frees_gpu or any(certainly_better(x, y, higher=higher) for x, y, higher in pairs)


def _at_least(a: Estimate, b: Estimate, higher: bool) -> bool:
    if a.value is None or b.value is None:
        return False
    return a.value >= b.value if higher else a.value <= b.value


def _or(bound: float | None, value: float) -> float:
    return value if bound is None else bound
