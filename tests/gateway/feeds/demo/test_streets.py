from itertools import pairwise
from random import Random

import pytest

from gateway.feeds.demo.streets import Point, Streets


@pytest.fixture(scope="module", params=range(5))
def streets(request: pytest.FixtureRequest) -> Streets:
    return Streets(Random(request.param))  # noqa: S311 - it has to repeat itself


def test_a_way_follows_streets_from_start_to_goal(streets: Streets) -> None:
    dice = Random(1)  # noqa: S311 - it has to repeat itself
    for _ in range(30):
        start, goal = dice.sample(streets.connected, 2)
        way = streets.way(start, goal)

        assert (way[0], way[-1]) == (start, goal)
        assert all(streets.are_beside(one, other) for one, other in pairwise(way))
        assert len(set(way)) == len(way), "nobody rides in circles"


def test_nearly_every_corner_can_be_reached(streets: Streets) -> None:
    assert len(streets.connected) > 0.97 * len(streets.corners)


def test_streets_are_as_long_as_blocks(streets: Streets) -> None:
    way = streets.way(streets.connected[0], streets.connected[-1])
    lengths = [
        streets.corners[one].distance_to(streets.corners[other]) for one, other in pairwise(way)
    ]

    assert all(60 < length < 450 for length in lengths)


def test_the_same_seed_draws_the_same_city() -> None:
    assert Streets(Random(3)).corners == Streets(Random(3)).corners  # noqa: S311 - it has to repeat itself
    assert Streets(Random(3)).corners != Streets(Random(4)).corners  # noqa: S311 - it has to repeat itself


def test_distances_are_meters() -> None:
    assert Point(0, 0).distance_to(Point(30, 40)) == 50
