from __future__ import annotations

import itertools
import json
from typing import Any

import pytest

from gateway.rooms.aliases import Shown, shown

NOW_MS = 1_750_000_000_000
DEGREE_METERS = 111_195  # of latitude


class City:
    """Bikes as a room knows them, read by the public again and again."""

    def __init__(self) -> None:
        self._names = (f"name-{count}" for count in itertools.count(1))
        self.memory: bytes | None = None

    def read(self, *bikes: dict[str, object]) -> list[dict[str, Any]]:
        values = json.dumps(bikes).encode()
        found: Shown = shown(values, self.memory, NOW_MS, lambda: next(self._names))
        self.memory = found.memory
        vehicles: list[dict[str, Any]] = json.loads(found.document)["data"]["vehicles"]
        assert len(vehicles) == found.vehicles_count
        return vehicles

    def names(self, *bikes: dict[str, object]) -> list[str]:
        return [vehicle["vehicle_id"] for vehicle in self.read(*bikes)]


def bike(key: str = "7", meters_north: float = 0.0, **fields: object) -> dict[str, object]:
    lat = 48 + meters_north / DEGREE_METERS
    return {"bike_id": key, "lat": lat, "lon": 2, "vehicle_state": "available"} | fields


@pytest.fixture
def city() -> City:
    return City()


def test_a_bike_that_waits_keeps_its_name_and_it_is_not_its_own(city: City) -> None:
    assert city.names(bike(), bike("8")) == ["name-1", "name-2"]
    reserved = bike(vehicle_state="reserved", current_range_meters=500)
    assert city.names(bike("8", vehicle_state="non_operational"), reserved) == ["name-1", "name-2"]


def test_after_a_trip_it_has_another_name_even_where_it_was(city: City) -> None:
    assert city.names(bike()) == ["name-1"]
    assert city.names(bike(vehicle_state="on_trip")) == []
    assert city.names(bike()) == ["name-2"]


def test_after_an_absence_it_has_another_name(city: City) -> None:
    city.names(bike(), bike("8"))
    assert city.names(bike("8")) == ["name-2"]
    assert sorted(city.names(bike(), bike("8"))) == ["name-2", "name-3"]


def test_a_trip_that_nobody_told_of_is_known_by_where_it_ended(city: City) -> None:
    assert city.names(bike()) == ["name-1"]
    assert city.names(bike(meters_north=99)) == ["name-1"]
    assert city.names(bike(meters_north=101)) == ["name-2"]


def test_small_steps_are_measured_from_where_the_name_was_given(city: City) -> None:
    names = [city.names(bike(meters_north=meters))[0] for meters in range(0, 301, 50)]
    assert names == ["name-1"] * 3 + ["name-2"] * 3 + ["name-3"]


def test_from_station_to_station_is_a_trip(city: City) -> None:
    def docked(station: str) -> dict[str, object]:
        return bike(lat=None, lon=None, station_id=station)

    assert city.names(docked("a")) == ["name-1"]
    assert city.names(docked("a")) == ["name-1"]
    assert city.names(docked("b")) == ["name-2"]
    assert city.names(bike(station_id="b")) == ["name-3"]


def test_what_was_lost_or_is_not_ours_gives_new_names(city: City) -> None:
    assert city.names(bike()) == ["name-1"]
    city.memory = None
    assert city.names(bike()) == ["name-2"]
    city.memory = b'{"7": {"name": 1}}'
    assert city.names(bike()) == ["name-3"]


def test_only_those_that_are_seen_are_remembered(city: City) -> None:
    city.read(*(bike(str(count)) for count in range(100)))
    city.read(bike("8"))
    assert city.memory is not None
    assert list(json.loads(city.memory)) == ["8"]
