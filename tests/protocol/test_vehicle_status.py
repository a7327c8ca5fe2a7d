from __future__ import annotations

import json
from typing import Any

import hypothesis.strategies as st
import msgspec
import pytest
from hypothesis import given

from protocol.vehicle_status import Vehicle, document_of, vehicles_of
from tests.toolbox.gbfs_schema import faults_of

NOW_MS = 1_750_000_000_000
WAITING: dict[str, object] = {
    "bike_id": "7",
    "lat": 48.5,
    "lon": 2.25,
    "is_reserved": False,
    "is_disabled": False,
}
JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**63)
    | st.floats(allow_nan=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=4,
)


def seen(*bikes: dict[str, object]) -> dict[str, Vehicle]:
    return vehicles_of(json.dumps(bikes).encode(), NOW_MS)


def shown(**fields: object) -> dict[str, Any] | None:
    """How the public sees the waiting bike with these fields; None when it does not."""
    vehicle = seen(WAITING | fields).get("7")
    return None if vehicle is None else json.loads(msgspec.json.encode(vehicle))


def test_what_the_specification_has_is_shown_and_nothing_else() -> None:
    assert shown(
        lat=48.12345678,
        lon=-2.000000049,
        timestamp=NOW_MS - 5_500,
        is_reserved=1,
        station_id=5,
        vehicle_type_id="ebike",
        current_range_meters=14_321.5,
        current_fuel_percent=0.87345,
        vehicle_equipment=["snow_chains", "a bell", "child_seat_a"],
        available_until="2025-06-16T08:00:00+02:00",
        roomId="city:paris",
        rental_uris={"web": "https://bikes.example/7"},
        plate="AB-123",
        speed=1.5,
        ext={"rider": "ann"},
    ) == {
        "is_reserved": True,
        "is_disabled": False,
        "lat": 48.123457,
        "lon": -2.0,
        "station_id": "5",
        "vehicle_type_id": "ebike",
        "last_reported": "2025-06-15T15:06:34Z",
        "current_range_meters": 14_300,
        "current_fuel_percent": 0.87,
        "vehicle_equipment": ["child_seat_a", "snow_chains"],
        "available_until": "2025-06-16T08:00:00+02:00",
    }


@pytest.mark.parametrize(
    ("fields", "standing"),
    [
        ({"vehicle_state": "available"}, (False, False)),
        ({"vehicle_state": "reserved"}, (True, False)),
        ({"vehicle_state": "non_operational"}, (False, True)),
        ({"vehicle_state": "available", "is_reserved": None, "is_disabled": None}, (False, False)),
        ({"vehicle_state": "available", "is_disabled": 1}, (False, True)),
        ({"is_reserved": 0, "is_disabled": 1}, (False, True)),
    ],
)
def test_it_is_shown_as_what_it_says_that_it_is(
    fields: dict[str, object], standing: tuple[bool, bool]
) -> None:
    vehicle = shown(**fields)
    assert vehicle is not None
    assert (vehicle["is_reserved"], vehicle["is_disabled"]) == standing


@pytest.mark.parametrize(
    "fields",
    [
        *({"vehicle_state": state} for state in ("on_trip", "stopped", "missing", "removed")),
        *({"vehicle_state": state} for state in ("non_contactable", "elsewhere", "new")),
        {"vehicle_state": 1},
        {"vehicle_state": ["available"]},
        {"is_reserved": None},
        {"is_disabled": "false"},
        {"is_reserved": 2},
        {"is_reserved": 0.0},
        {"lat": None},
        {"lon": 181},
        {"lat": True},
        {"bike_id": None, "station_id": "7"},
    ],
)
def test_what_does_not_wait_or_does_not_say_so_is_not_shown(fields: dict[str, object]) -> None:
    assert seen(WAITING | fields) == {}


def test_a_docked_vehicle_needs_no_place() -> None:
    vehicle = shown(lat=None, lon=None, station_id="12")
    assert vehicle is not None
    assert (vehicle["station_id"], "lat" in vehicle) == ("12", False)


def test_nothing_was_reported_after_now() -> None:
    assert (shown(timestamp=10**14) or {})["last_reported"] == "2025-06-15T15:06:40Z"


def test_the_order_says_nothing_about_who_is_who() -> None:
    vehicles = [Vehicle(vehicle_id=name, is_reserved=False, is_disabled=False) for name in "cab"]
    document = json.loads(document_of(vehicles, NOW_MS))
    assert [vehicle["vehicle_id"] for vehicle in document["data"]["vehicles"]] == ["a", "b", "c"]
    assert document["last_updated"] == "2025-06-15T15:06:40Z"
    assert (document["ttl"], document["version"]) == (10, "3.0")


NAMES = [
    *("bike_id", "lat", "lon", "is_reserved", "is_disabled", "vehicle_state", "station_id"),
    *("home_station_id", "vehicle_type_id", "pricing_plan_id", "last_reported", "timestamp"),
    *("current_range_meters", "current_fuel_percent", "vehicle_equipment", "available_until"),
]


@given(st.lists(st.dictionaries(st.sampled_from(NAMES), JSON), max_size=4))
def test_whatever_comes_in_what_comes_out_is_valid(dirt: list[dict[str, object]]) -> None:
    bikes = [WAITING | fields for fields in dirt]
    found = vehicles_of(msgspec.json.encode(bikes), NOW_MS)
    named = [msgspec.structs.replace(vehicle, vehicle_id="n") for vehicle in found.values()]
    assert faults_of(json.loads(document_of(named, NOW_MS))) == []


def test_the_schema_finds_what_is_wrong() -> None:
    nobody = Vehicle(vehicle_id="n", is_reserved=False, is_disabled=False)
    (fault,) = faults_of(json.loads(document_of([nobody], NOW_MS)))
    assert "vehicles[0]" in fault
