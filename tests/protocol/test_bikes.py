import datetime as dt
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocol import bikes
from protocol.refusals import Refusal, Refused


def key_of(**fields: object) -> str | None:
    return bikes.key_of(fields)


def own_time_ms(**fields: object) -> int | None:
    return bikes.own_time_ms(fields)


@pytest.mark.parametrize(
    ("fields", "key"),
    [
        ({"bike_id": "b"}, "b"),
        ({"vehicle_id": "v"}, "v"),
        ({"bikeId": "c"}, "c"),
        ({"id": "i"}, "i"),
        ({"id": "i", "bikeId": "c", "vehicle_id": "v", "bike_id": "b"}, "b"),
        ({"id": "i", "bikeId": "c", "vehicle_id": "v"}, "v"),
        ({"id": "i", "bikeId": "c"}, "c"),
        ({"bike_id": None, "vehicle_id": "v"}, "v"),
        ({"bike_id": "b", "station_id": "s"}, "b"),
        ({"station_id": "s"}, "station/s"),
        ({"station_id": 7}, "station/7"),
        ({"station_id": None}, None),
        ({"bike_id": 17}, "17"),
        ({"bike_id": -1}, "-1"),
        ({"bike_id": 0}, "0"),
        ({"bike_id": 10**300}, None),
        ({"bike_id": 10**100}, str(10**100)),
        ({"bike_id": ""}, None),
        ({"bike_id": "b" * 200}, "b" * 200),
        ({"bike_id": "b" * 201}, None),
        ({"bike_id": "vélo 🚲"}, "vélo 🚲"),
        ({"bike_id": True}, None),
        ({"bike_id": 1.5}, None),
        ({"bike_id": {"of": "shop"}}, None),
        ({"bike_id": ["b"], "id": "i"}, "i"),
        ({"Bike_ID": "b"}, None),
        ({}, None),
    ],
)
def test_the_first_identity_that_is_there_counts(fields: dict[str, Any], key: str | None) -> None:
    assert key_of(**fields) == key


@pytest.mark.parametrize("field", ["bike_id", "station_id", "timestamp", "last_reported"])
@pytest.mark.parametrize("odd", [True, [1], {"a": 1}])
def test_a_field_of_an_odd_type_counts_as_absent(field: str, odd: object) -> None:
    fields = {"id": "i", field: odd}

    assert bikes.key_of(fields) == "i"
    assert bikes.own_time_ms(fields) is None


@pytest.mark.parametrize(
    ("fields", "time_ms"),
    [
        ({}, None),
        ({"timestamp": 1_763_884_800_123}, 1_763_884_800_123),
        ({"timestamp": 1_763_884_800_123.6}, 1_763_884_800_124),
        ({"timestamp": "2025-11-23T08:00:00.123Z"}, 1_763_884_800_123),
        ({"last_reported": 1_763_884_800}, 1_763_884_800_000),
        ({"last_reported": 1_763_884_800.123}, 1_763_884_800_123),
        ({"last_reported": "2025-11-23T08:00:00Z"}, 1_763_884_800_000),
        ({"last_reported": "2025-11-23T09:00:00+01:00"}, 1_763_884_800_000),
        ({"last_reported": "2025-11-23T09:00:00.123456+01:00"}, 1_763_884_800_123),
        ({"timestamp": 1_763_884_800_123, "last_reported": 5}, 1_763_884_800_123),
        ({"timestamp": None, "last_reported": 1_763_884_800}, 1_763_884_800_000),
        # never reported, in the ways of real feeds
        ({"last_reported": 0}, None),
        ({"last_reported": 86_400}, None),
        ({"last_reported": 86_401}, 86_401_000),
        ({"last_reported": -5}, None),
        ({"last_reported": "1970-01-01T00:00:00Z"}, None),
        ({"last_reported": "1970-01-02T00:00:00Z"}, None),
        ({"last_reported": "0001-01-01T00:00:00+23:59"}, None),
        ({"timestamp": 0}, None),
        ({"timestamp": 86_400_000}, None),
        ({"timestamp": 86_400_001}, 86_400_001),
        # no time at all
        ({"last_reported": "2025-11-23T08:00:00"}, None),
        ({"last_reported": "yesterday"}, None),
        ({"last_reported": ""}, None),
        ({"last_reported": "2025-13-45T08:00:00Z"}, None),
        ({"timestamp": 10**300}, None),
        ({"timestamp": 1e308}, None),
        ({"last_reported": 1e308}, None),
        ({"last_reported": 1_763_884_800_000}, None),  # ms in a field of seconds
        ({"last_reported": True}, None),
    ],
)
def test_the_own_time_of_an_update(fields: dict[str, Any], time_ms: int | None) -> None:
    assert own_time_ms(**fields) == time_ms


@given(st.integers(1_000_000_000_000, 4_000_000_000_000))
def test_a_time_is_the_same_in_every_spelling(time_ms: int) -> None:
    seconds, ms = divmod(time_ms, 1000)
    moment = dt.datetime.fromtimestamp(seconds, dt.UTC)
    text = f"{moment:%Y-%m-%dT%H:%M:%S}.{ms:03d}Z"

    assert own_time_ms(timestamp=time_ms) == time_ms
    assert own_time_ms(last_reported=time_ms / 1000) == time_ms
    assert own_time_ms(last_reported=text) == time_ms


@given(st.text(max_size=40) | st.floats(allow_nan=False, allow_infinity=False) | st.integers())
def test_no_time_is_too_odd_to_be_unknown(value: object) -> None:
    for field in ("timestamp", "last_reported"):
        time_ms = own_time_ms(**{field: value})

        assert time_ms is None or 86_400_000 < time_ms < 10**15


# Vehicles and stations as the fields of GBFS 2.x and 3.x allow; 0 and 1 are what real feeds send.
GBFS_2_BIKE = {
    "bike_id": "973a5c94-c288-4a2b-afa6-de8aeb6ae2e5",
    "lat": 41.8781,
    "lon": -87.6298,
    "is_reserved": 0,
    "is_disabled": 1,
    "vehicle_type_id": "1",
    "rental_uris": {"android": "https://example.com/a"},
    "last_reported": 1_763_884_800,
    "current_range_meters": 21_000,
}
GBFS_3_VEHICLE = {
    "vehicle_id": "b:17",
    "lat": 52.37,
    "lon": 5,
    "is_reserved": False,
    "is_disabled": False,
    "current_range_meters": 5000.5,
    "current_fuel_percent": 0.7,
    "station_id": None,
    "last_reported": "2025-11-23T09:00:00+01:00",
    "vehicle_equipment": ["child_seat_a"],
}
GBFS_STATION = {
    "station_id": "s-1",
    "num_bikes_available": 3,
    "num_docks_available": 0,
    "is_installed": 1,
    "is_renting": True,
    "is_returning": 0,
    "last_reported": 1_763_884_800,
    "vehicle_types_available": [{"vehicle_type_id": "1", "count": 3}],
}
MDS_VEHICLE = {
    "vehicle_id": "m-1",
    "vehicle_state": "on_trip",
    "speed": 4.2,
    "heading": 360,
    "altitude": -3.5,
    "horizontal_accuracy": 5,
    "timestamp": 1_763_884_800_123,
    "ext": {"anything": [1]},
}


def check(bike: dict[str, Any]) -> None:
    payload = json.dumps({"roomId": "r", **bike}).encode()
    bikes.check_live(payload, bikes.key_of(json.loads(payload)))


@pytest.mark.parametrize(
    "bike",
    [
        GBFS_2_BIKE,
        GBFS_3_VEHICLE,
        GBFS_STATION,
        MDS_VEHICLE,
        {"bike_id": "b", "op": "remove"},
        {"bike_id": "b", "lat": None, "lon": None, "speed": None},
        {"id": "i", "lat": -90, "lon": 180},
        {"bikeId": "c", "unknown": {"nested": [1, 2, {"deep": None}]}},
    ],
)
def test_real_vehicles_and_stations_fit_the_live_profile(bike: dict[str, Any]) -> None:
    check(bike)


@pytest.mark.parametrize(
    ("fields", "named"),
    [
        ({"lat": 90.1, "lon": 0}, "$.lat"),
        ({"lat": "48.8", "lon": 2}, "$.lat"),
        ({"lat": True, "lon": 2}, "$.lat"),
        ({"lat": 48.8, "lon": -180.5}, "$.lon"),
        ({"lat": 48.8}, "lat and lon"),
        ({"lon": 2.3, "lat": None}, "lat and lon"),
        ({"speed": -1}, "$.speed"),
        ({"speed": 61}, "$.speed"),
        ({"heading": 361}, "$.heading"),
        ({"current_fuel_percent": 70}, "$.current_fuel_percent"),
        ({"is_reserved": 2}, "$.is_reserved"),
        ({"is_disabled": "no"}, "$.is_disabled"),
        ({"vehicle_state": "flying"}, "$.vehicle_state"),
        ({"op": "delete"}, "$.op"),
        ({"op": "x" * 30_000}, "$.op"),
        ({"timestamp": -1}, "$.timestamp"),
        ({"num_bikes_available": -1}, "$.num_bikes_available"),
        ({"bike_id": 17}, "$.bike_id"),
        ({"bike_id": "with space"}, "$.bike_id"),
        ({"bike_id": "b" * 129}, "$.bike_id"),
        ({"ext": []}, "$.ext"),
    ],
)
def test_what_does_not_fit_is_refused_and_named_in_few_words(
    fields: dict[str, Any], named: str
) -> None:
    with pytest.raises(Refused) as refused:
        check({"bike_id": "b", **fields})

    assert refused.value.refusal is Refusal.MALFORMED
    assert named in refused.value.message
    assert len(refused.value.message) < 400


@pytest.mark.parametrize("bike", [{}, {"lat": 1, "lon": 2}, {"bike_id": None}])
def test_a_live_bike_says_which_one_it_is(bike: dict[str, Any]) -> None:
    with pytest.raises(Refused, match="needs vehicle_id"):
        check(bike)
