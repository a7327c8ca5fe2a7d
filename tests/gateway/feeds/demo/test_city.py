from collections import Counter

import msgspec
import pytest

from gateway.feeds.demo.city import City, Update, lat_and_lon
from gateway.feeds.demo.streets import Point
from protocol import bikes

START_SECONDS = 1_700_000_000.0
BIKES = 60


def steps(city: City, count: int) -> list[list[Update]]:
    return [city.step(START_SECONDS + second) for second in range(count)]


@pytest.fixture(scope="module")
def told() -> list[list[Update]]:
    """An hour and a half of a city, second by second."""
    return steps(City(BIKES, seed=3), 5400)


def test_everything_is_told_at_first_and_then_what_changes(told: list[list[Update]]) -> None:
    first = [update for update in told[0] if "bike_id" not in update]
    riding = [len(each) for each in told[1:]]

    assert len(first) == 26
    assert 3 < sum(riding) / len(riding) < BIKES, "those that ride, and few others"


def test_every_bike_is_heard_of_again_and_again(told: list[list[Update]]) -> None:
    last: dict[str, int] = {}
    longest: Counter[str] = Counter()
    for second, updates in enumerate(told):
        for update in updates:
            if "bike_id" in update:
                key = update["bike_id"]
                longest[key] = max(longest[key], second - last.get(key, 0))
                last[key] = second

    assert len(last) == BIKES
    assert max(longest.values()) <= 301
    assert max(longest.values()) > 40, "some are in a tunnel now and then"


def test_bikes_do_what_bikes_do(told: list[list[Update]]) -> None:
    states = {
        update["vehicle_state"] for updates in told for update in updates if "bike_id" in update
    }

    assert states == {"available", "reserved", "on_trip", "non_operational"}


def test_docks_hold_what_stations_say_they_hold() -> None:
    city = City(BIKES, seed=4)
    docked: dict[str, str | None] = {}
    for updates in steps(city, 2500):
        for update in updates:
            if "bike_id" in update:
                docked[update["bike_id"]] = update["station_id"]
        for update in updates:
            if "num_docks_available" in update:
                assert update["num_docks_available"] >= 0
    counts = Counter(station for station in docked.values() if station)

    assert sum(counts.values()) > 0
    assert {station.id: len(station.bikes) for station in city.stations if station.bikes} == counts


def test_every_update_is_one_of_the_live_profile(told: list[list[Update]]) -> None:
    for update in (*told[0], *told[-1]):
        payload = msgspec.json.encode({"roomId": "city:demo", **update})
        bikes.check_live(payload, bikes.key_of(update))


def test_the_same_seed_and_times_give_the_same_city() -> None:
    assert steps(City(20, seed=9), 200) == steps(City(20, seed=9), 200)


def test_places_are_degrees() -> None:
    lat, lon = lat_and_lon(Point(0, 0))
    north, _ = lat_and_lon(Point(0, 1113.2))

    assert (lat, lon) == (48.8606, 2.3376)
    assert north - lat == pytest.approx(0.01)
