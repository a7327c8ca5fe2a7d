from itertools import pairwise
from random import Random

import pytest

from gateway.feeds.demo.bike import DemoBike, Doing
from gateway.feeds.demo.streets import Point

WAY = [(0, Point(0, 0)), (1, Point(0, 200)), (2, Point(300, 200))]


@pytest.fixture
def bike() -> DemoBike:
    bike = DemoBike(0, 0, Point(0, 0), 0.0, Random(2))  # noqa: S311 - it has to repeat itself
    bike.battery = 0.9
    bike.set_off(WAY)
    return bike


def ridden(bike: DemoBike, step_seconds: float = 1.0) -> list[Point]:
    """The places of a ride, one a step, to its end."""
    places = [bike.place]
    for step in range(1, 1000):
        has_arrived = bike.ride(step * step_seconds, step_seconds)
        places.append(bike.place)
        if has_arrived:
            return places
    raise AssertionError("it never arrives")


def test_a_ride_stays_on_its_way_and_ends_where_it_should(bike: DemoBike) -> None:
    places = ridden(bike)

    assert bike.place == Point(300, 200)
    assert bike.corner == 2
    assert all(
        place.east == pytest.approx(0) or place.north == pytest.approx(200) for place in places
    )


def test_nobody_rides_faster_than_a_bike(bike: DemoBike) -> None:
    places = ridden(bike)
    speeds = [one.distance_to(other) for one, other in pairwise(places)]

    assert max(speeds) < 7
    assert max(speeds) > 3


def test_the_heading_is_degrees_clockwise_from_north(bike: DemoBike) -> None:
    bike.ride(1, 1)
    assert bike.heading == pytest.approx(0)
    ridden(bike)
    assert bike.heading == pytest.approx(90)


def test_riding_costs_battery_and_charging_gives_it_back(bike: DemoBike) -> None:
    ridden(bike)
    assert bike.battery == pytest.approx(0.9 - 500 / 46_000, abs=2e-4)

    bike.charge(100_000)
    assert bike.battery == 1.0
    bike.battery = 0.05
    assert bike.is_flat


def test_a_bike_that_rides_says_so(bike: DemoBike) -> None:
    assert bike.doing is Doing.RIDING
    assert bike.doing.value == "on_trip"
