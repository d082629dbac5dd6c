"""Where labels go so that none covers another label or a disc. Pure geometry, px, y downward."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

GAP = 3.0  # px between a disc and its label
# Tried in this order: beside the disc reads best, then above and below.
_ANGLES = [math.radians(a) for a in (0, 180, 270, 90, 315, 45, 225, 135, 337, 23, 203, 157)]
_DISTANCES = (0, 8, 18, 30, 44, 60, 80, 105, 135, 170, 210, 260)
_LEADER_FROM = 8.0  # px: from here on a line leads from the disc to its label


Align = Literal["left", "center", "right"]


@dataclass(frozen=True)
class Box:
    """A rectangle by its left, top, right and bottom edge."""

    left: float
    top: float
    right: float
    bottom: float

    def overlap(self, other: Box) -> float:
        """Common area."""
        width = min(self.right, other.right) - max(self.left, other.left)
        height = min(self.bottom, other.bottom) - max(self.top, other.top)
        return width * height if width > 0 and height > 0 else 0.0

    def inside(self, other: Box) -> bool:
        return (
            self.left >= other.left
            and self.top >= other.top
            and self.right <= other.right
            and self.bottom <= other.bottom
        )


@dataclass(frozen=True)
class Mark:
    """A disc to be labelled, and the size of its label's text."""

    x: float
    y: float
    radius: float
    width: float
    height: float


@dataclass(frozen=True)
class Placed:
    """A label's box, where its text is anchored, and whether a leader line joins it to its disc."""

    box: Box
    align: Align  # of the text: towards its disc
    leader: bool

    @property
    def anchor(self) -> tuple[float, float]:
        x = {"left": self.box.left, "right": self.box.right}.get(self.align, self._middle)
        return x, (self.box.top + self.box.bottom) / 2

    @property
    def _middle(self) -> float:
        return (self.box.left + self.box.right) / 2


def place_labels(marks: Sequence[Mark], frame: Box, obstacles: Sequence[Box] = ()) -> list[Placed]:
    """One place for each mark's label, in the marks' order.

    Greedy (as in Marks, Walsh, Shieber 1995's baseline): the most crowded mark first, each takes
    the nearest of 12 directions x 12 distances that is free of labels, discs and ``obstacles``
    and inside ``frame``. Where none is, the one with the least overlap, labels weighing most:
    for 20 labels in the frame of a README that does not happen.
    """
    discs = [_square(mark) for mark in marks]
    order = sorted(range(len(marks)), key=lambda i: (-_crowd(marks, i), i))
    placed: dict[int, Placed] = {}
    for i in order:
        taken = [place.box for place in placed.values()]
        placed[i] = _best(marks[i], frame, taken, [*discs], obstacles)
    return [placed[i] for i in range(len(marks))]


def _best(
    mark: Mark, frame: Box, taken: list[Box], discs: list[Box], obstacles: Sequence[Box]
) -> Placed:
    best: tuple[float, Placed] | None = None
    # What no place reaches costs none of them anything: with hundreds of marks that is most.
    x = mark.radius + GAP + max(_DISTANCES) + mark.width
    y = mark.radius + GAP + max(_DISTANCES) + mark.height
    reach = Box(mark.x - x, mark.y - y, mark.x + x, mark.y + y)
    taken, discs, obstacles = (
        [box for box in boxes if reach.overlap(box)] for boxes in (taken, discs, obstacles)
    )
    for distance in _DISTANCES:
        for angle in _ANGLES:
            box = _beside(mark, angle, distance)
            if not box.inside(frame):
                continue
            cost = 100 * sum(map(box.overlap, taken))
            if best is not None and cost >= best[0]:  # the rest cannot make it less
                continue
            cost += 10 * sum(map(box.overlap, discs)) + sum(map(box.overlap, obstacles))
            place = Placed(box, _align(angle), leader=distance >= _LEADER_FROM)
            if cost == 0:
                return place
            if best is None or cost < best[0]:
                best = (cost, place)
    return best[1] if best else Placed(_beside(mark, 0.0, 0), "left", leader=False)


def _beside(mark: Mark, angle: float, distance: float) -> Box:
    """The label's box where it touches the disc (plus gap and distance) in this direction."""
    reach = mark.radius + GAP + distance
    x = mark.x + math.cos(angle) * reach
    y = mark.y + math.sin(angle) * reach
    # The box hangs on the side that faces the disc, sliding over between the four sides.
    left = x - mark.width * (1 - math.cos(angle)) / 2
    top = y - mark.height * (1 - math.sin(angle)) / 2
    return Box(left, top, left + mark.width, top + mark.height)


def _align(angle: float) -> Align:
    if abs(math.cos(angle)) < 0.1:
        return "center"
    return "left" if math.cos(angle) > 0 else "right"


def _square(mark: Mark) -> Box:
    """A square of the disc's area: its bounding box would keep labels too far away."""
    half = mark.radius * math.sqrt(math.pi) / 2
    return Box(mark.x - half, mark.y - half, mark.x + half, mark.y + half)


def _crowd(marks: Sequence[Mark], i: int) -> int:
    """How many others lie within a label's reach."""
    mine = marks[i]
    return sum(
        abs(mine.x - other.x) < mine.width and abs(mine.y - other.y) < 3 * mine.height
        for j, other in enumerate(marks)
        if j != i
    )


def spread(wanted: Sequence[float], gap: float, low: float, high: float) -> list[float]:
    """Positions nearest to ``wanted`` (least squares) in the same order, ``gap`` apart, in bounds.

    Pool-adjacent-violators on the positions less their due distance; where the bounds have no room
    for the gaps, equal steps between the bounds.
    """
    if len(wanted) > 1 and (len(wanted) - 1) * gap > high - low:
        gap = (high - low) / (len(wanted) - 1)
    order = sorted(range(len(wanted)), key=lambda i: (wanted[i], i))
    blocks: list[tuple[float, int]] = []  # mean, count
    for place, i in enumerate(order):
        mean, count = wanted[i] - place * gap, 1
        while blocks and blocks[-1][0] > mean:
            before, more = blocks.pop()
            mean = (mean * count + before * more) / (count + more)
            count += more
        blocks.append((mean, count))
    room = high - (len(wanted) - 1) * gap
    flat = [min(max(mean, low), max(low, room)) for mean, count in blocks for _ in range(count)]
    found = [0.0] * len(wanted)
    for place, i in enumerate(order):
        found[i] = flat[place] + place * gap
    return found
