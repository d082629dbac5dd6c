"""Fewer points for a line that looks the same: minimum and maximum of each bucket stay."""

from __future__ import annotations

from collections.abc import Sequence

MAX_POINTS = 300  # a line; panels are 800 px wide, so a bucket is about 10 px


def thin(values: Sequence[float | None], limit: int = MAX_POINTS) -> list[int]:
    """Indices to keep, ascending, at most ``limit`` (>= 4) but for gaps.

    First and last stay, and so do the least and the greatest value of each of the equal buckets
    between: no peak is lost, and none is made. Of a stretch of None one index stays, so that the
    line breaks there.
    """
    stretches = _stretches(values)
    known = sum(len(stretch) for stretch in stretches if values[stretch[0]] is not None)
    keep: list[int] = []
    for stretch in stretches:
        if values[stretch[0]] is None:
            keep.append(stretch[0])
        elif known <= limit:
            keep += stretch
        else:
            keep += _extremes(values, stretch, max(4, limit * len(stretch) // known))
    return keep


def _stretches(values: Sequence[float | None]) -> list[range]:
    """Ranges of neighbours that are all known or all None."""
    stretches = []
    start = 0
    for i in range(1, len(values) + 1):
        if i == len(values) or (values[i] is None) != (values[start] is None):
            stretches.append(range(start, i))
            start = i
    return stretches


def _extremes(values: Sequence[float | None], stretch: range, limit: int) -> list[int]:
    if len(stretch) <= limit:
        return list(stretch)
    inner = stretch[1:-1]
    buckets = (limit - 2) // 2
    keep = {stretch[0], stretch[-1]}
    for bucket in range(buckets):
        part = inner[bucket * len(inner) // buckets : (bucket + 1) * len(inner) // buckets]
        keep.add(min(part, key=lambda i: values[i] or 0.0))
        keep.add(max(part, key=lambda i: values[i] or 0.0))
    return sorted(keep)
