import itertools
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from morocco.charts.labels import Box, Mark, place_labels, spread
from morocco.charts.theme import shorten, text_width

FRAME = Box(0, 0, 820, 430)


def overlaps(boxes: list[Box]) -> list[tuple[Box, Box]]:
    return [(a, b) for a, b in itertools.combinations(boxes, 2) if a.overlap(b)]


@pytest.mark.parametrize("seed", range(12))
def test_twenty_clustered_models_keep_their_names_apart(seed: int) -> None:
    chance = random.Random(seed)
    centres = [(chance.uniform(100, 700), chance.uniform(50, 380)) for _ in range(4)]
    marks = [
        Mark(
            min(max(chance.gauss(x, 40), 0), 820),
            min(max(chance.gauss(y, 25), 0), 430),
            chance.uniform(2, 23),
            chance.uniform(40, 190),
            13,
        )
        for x, y in itertools.islice(itertools.cycle(centres), 20)
    ]
    places = place_labels(marks, FRAME)
    assert not overlaps([place.box for place in places])
    assert all(place.box.inside(FRAME) for place in places)


def test_twenty_models_at_one_point_keep_their_names_apart() -> None:
    places = place_labels([Mark(400, 200, 8, 110, 13)] * 20, FRAME)
    assert not overlaps([place.box for place in places])


def test_a_lone_name_stands_right_beside_its_disc() -> None:
    (place,) = place_labels([Mark(100, 100, 10, 60, 12)], FRAME)
    assert (place.align, place.leader) == ("left", False)
    assert place.anchor == (113, 100)


def test_at_the_right_edge_it_stands_on_the_left() -> None:
    (place,) = place_labels([Mark(800, 100, 10, 60, 12)], FRAME)
    assert place.align == "right"
    assert place.box.right == pytest.approx(787)


def test_names_keep_off_obstacles() -> None:
    wall = Box(105, 0, 820, 430)
    (place,) = place_labels([Mark(100, 200, 4, 60, 12)], FRAME, [wall])
    assert not place.box.overlap(wall)


def test_without_any_room_the_least_bad_place_is_taken() -> None:
    marks = [Mark(10, 10, 2, 50, 12)] * 9
    places = place_labels(marks, Box(0, 0, 60, 30))
    assert len(places) == 9
    assert all(place.box.inside(Box(0, 0, 60, 30)) for place in places)


@given(st.lists(st.floats(0, 400), min_size=1, max_size=25))
def test_spread_keeps_gaps_bounds_and_order(wanted: list[float]) -> None:
    places = spread(wanted, 13, 0, 400)
    order = sorted(range(len(wanted)), key=lambda i: (wanted[i], i))
    steps = [places[b] - places[a] for a, b in itertools.pairwise(order)]
    assert all(step >= 13 - 1e-6 for step in steps)
    assert min(places) >= -1e-6
    assert max(places) <= 400 + 1e-6


def test_spread_leaves_what_is_apart_and_centres_what_is_not() -> None:
    assert spread([10, 100, 300], 13, 0, 400) == pytest.approx([10, 100, 300])
    assert spread([200, 200], 20, 0, 400) == pytest.approx([190, 210])


def test_spread_without_room_steps_evenly() -> None:
    assert spread([5.0] * 5, 50, 0, 100) == pytest.approx([0, 25, 50, 75, 100])


def test_shortened_names_keep_both_ends() -> None:
    assert (
        shorten("golden-transformer-v2.0-ensemble-of-seven") == "golden-transformer-v…le-of-seven"
    )
    assert shorten("rubert") == "rubert"
    assert text_width("iii") < text_width("mmm")
