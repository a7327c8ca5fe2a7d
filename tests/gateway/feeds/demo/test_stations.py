from itertools import combinations
from random import Random

from gateway.feeds.demo.stations import STATION_COUNT, Station, stations_in
from gateway.feeds.demo.streets import Streets


def test_stations_are_spread_over_the_city() -> None:
    dice = Random(5)  # noqa: S311 - it has to repeat itself
    streets = Streets(dice)
    stations = stations_in(streets, dice)
    places = [streets.corners[station.corner] for station in stations]

    assert len(stations) == STATION_COUNT
    assert all(one.distance_to(other) > 400 for one, other in combinations(places, 2))
    assert len({station.id for station in stations}) == len({station.name for station in stations})


def test_docks_are_free_as_long_as_no_bike_stands_in_them() -> None:
    station = Station(0, corner=7, docks=2)
    station.bikes.add(1)

    assert station.free_docks == 1
