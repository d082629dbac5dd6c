"""What a run says of its batch size, and which batch size is best."""

from __future__ import annotations

import re
from collections.abc import Sequence

from morocco.estimate.intervals import disjoint
from morocco.estimate.results import NOT_RESOLVED
from morocco.estimate.speed import describe
from morocco.formats.record import RunRecord
from morocco.screen.settle import model_fault
from morocco.suite.model import Load
from morocco.tune.results import MEASURED, BatchPoint, Choice

# The kernel kills at the limit; engines that do not report it (Podman 4) leave exit 137 alone.
NEAR_LIMIT = 0.95
# How frameworks say it; they end with a status of their own choice.
_SAYS_OUT_OF_MEMORY = re.compile(
    r"out of (gpu )?memory|outofmemory|\bMemoryError\b|std::bad_alloc|cannot allocate memory"
    r"|can't allocate memory|failed to allocate memory|could not allocate (memory|tensor)"
    r"|RESOURCE_EXHAUSTED|STATUS_ALLOC_FAILED|cudaErrorMemoryAllocation",
    re.IGNORECASE,
)


def out_of_memory(record: RunRecord, memory_limit: int) -> str | None:
    """What shows that the run ended for want of memory, on the device or the host; else None."""
    codes = {reason.code for reason in record.verdict.reasons}
    if "oom_killed" in codes:
        return f"killed for memory at the limit of {memory_limit / 2**20:.6g} MiB"
    peak = record.totals.ram_cgroup_peak_bytes if record.totals else None
    if record.exit.code == 137 and peak is not None and peak >= NEAR_LIMIT * memory_limit:
        return f"killed (exit 137) at {peak / 2**20:.6g} of {memory_limit / 2**20:.6g} MiB"
    if record.exit.code and record.output:
        for line in record.output.stderr_tail.splitlines():
            if _SAYS_OUT_OF_MEMORY.search(line):
                return f"exit status {record.exit.code}: {_shorten(line.strip())}"
    return None


def own_fault(record: RunRecord) -> str | None:
    """Why the model itself failed in this run; None where it did not, or the machine may be why."""
    codes = model_fault(record.verdict.reasons)
    if not codes:
        return None
    told = [f"{r.code}: {r.detail}" for r in record.verdict.reasons if r.code in codes]
    tail = record.output.stderr_tail.strip().splitlines() if record.output else []
    said = f" (stderr ends: {_shorten(tail[-1].strip())})" if tail else ""
    return "; ".join(told) + said


def choose(points: Sequence[BatchPoint]) -> Choice:
    """The fastest batch size that fits; of those whose intervals meet its own, the smallest.

    Only resolved speeds count. One that is not resolved but may be faster is named.
    """
    measured = [point for point in points if point.status == MEASURED]
    resolved = [point for point in measured if point.rps.value is not None]
    if not resolved:
        return Choice(None, _why_none(points, measured))
    fastest = max(resolved, key=lambda point: point.rps.value or 0.0)
    tied = [point for point in resolved if not disjoint(point.rps, fastest.rps)]
    best = min(tied, key=lambda point: point.batch_size)
    others = tuple(sorted(p.batch_size for p in tied if p is not best))
    reason = f"{describe(best.rps)} at batch size {best.batch_size}"
    if others:
        names = ", ".join(map(str, others))
        reason += f"; batch size {names} is not told apart from it (intervals meet): the smaller"
    rivals = [
        str(point.batch_size)
        for point in measured
        if point.rps.status == NOT_RESOLVED
        and (point.rps.high is None or point.rps.high > (best.rps.low or 0.0))
    ]
    if rivals:
        reason += f"; not resolved, may be faster: batch size {', '.join(rivals)}"
    assert best.input_size is not None
    return Choice(Load(best.input_size, best.batch_size), reason, others)


def _why_none(points: Sequence[BatchPoint], measured: Sequence[BatchPoint]) -> str:
    if not measured:
        told = "; ".join(f"{point.batch_size}: {point.reason}" for point in points)
        return f"no batch size could be measured ({told})"
    told = "; ".join(f"{point.batch_size}: {point.rps.reason}" for point in measured)
    return f"not resolved at any batch size ({told})"


def _shorten(text: str, limit: int = 160) -> str:
    return text if len(text) <= limit else text[: limit - 1] + "…"
