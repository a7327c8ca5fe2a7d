"""What OsmAnd and Traccar Client send."""

from __future__ import annotations

import contextlib
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocol.refusals import Refusal, Refused
from protocol.trackers.osmand import Report, report_of_json, report_of_parameters
from protocol.trackers.sighting import Told, sighting_of

NOW_MS = 1_700_000_000_000
# As Traccar Client sent it before its version 9.
OLD = {
    "id": "pct_x",
    "timestamp": "1700000000",
    "lat": "48.8583",
    "lon": "2.2951",
    "speed": "10",
    "bearing": "270.0",
    "altitude": "35.5",
    "accuracy": "12.0",
    "batt": "78.0",
    "charge": "true",
}
# As it does since.
NEW = {
    "location": {
        "event": "motionchange",
        "is_moving": True,
        "uuid": "7e5ef1b8",
        "timestamp": "2023-11-14T22:13:20.000Z",
        "odometer": 1234,
        "coords": {
            "latitude": 48.8583,
            "longitude": 2.2951,
            "accuracy": 12,
            "speed": 5.5,
            "heading": 270,
            "altitude": 35.5,
            "altitude_accuracy": 3,
        },
        "activity": {"type": "on_bicycle", "confidence": 100},
        "battery": {"is_charging": False, "level": 0.78},
        "extras": {},
    },
    "device_id": "pct_x",
}


def told_by(**changes: str) -> Told:
    told = report_of_parameters((OLD | changes).items()).told
    assert told is not None
    return told


def test_parameters_are_told_in_our_units() -> None:
    report = report_of_parameters(OLD.items())

    assert report.code == "pct_x"
    told = report.told
    assert told is not None
    assert told.speed == pytest.approx(5.144, abs=0.001)
    assert told == Told(
        lat=48.8583,
        lon=2.2951,
        time_ms=NOW_MS,
        speed=told.speed,
        heading=270,
        altitude=35.5,
        horizontal_accuracy=12,
        current_fuel_percent=0.78,
    )


def test_json_is_told_in_our_units() -> None:
    assert report_of_json(json.dumps(NEW).encode()) == Report(
        "pct_x",
        Told(
            lat=48.8583,
            lon=2.2951,
            time_ms=NOW_MS,
            speed=5.5,
            heading=270,
            altitude=35.5,
            horizontal_accuracy=12,
            current_fuel_percent=0.78,
        ),
    )


@pytest.mark.parametrize(
    "text",
    [
        "1700000000",
        "1700000000.0",
        "1700000000000",
        "2023-11-14T22:13:20Z",
        "2023-11-14T23:13:20+01:00",
        "2023-11-14T22:13:20.000Z",
        "2023-11-14 22:13:20",
    ],
)
def test_a_time_is_written_in_many_ways(text: str) -> None:
    assert told_by(timestamp=text).time_ms == NOW_MS


@pytest.mark.parametrize("text", ["", "yesterday", "-1", "1e12", "9" * 16, "1700000000 "])
def test_what_is_no_time_is_none(text: str) -> None:
    assert told_by(timestamp=text).time_ms is None


def test_other_spellings_mean_the_same() -> None:
    pairs = {"deviceid": "pct_y", "location": "1.5,-2.5", "timestamp": "1", "heading": "7"}

    assert report_of_parameters(pairs.items()) == Report(
        "pct_y", Told(lat=1.5, lon=-2.5, time_ms=1000, heading=7)
    )


@pytest.mark.parametrize("text", ["1.5", "a,b", ",", "1,2,3"])
def test_a_pair_that_is_none_is_no_place(text: str) -> None:
    told = told_by(location=text)

    assert (told.lat, told.lon) == (None, None)


@pytest.mark.parametrize("text", ["false", "False", "0"])
def test_a_location_that_is_not_valid_is_none(text: str) -> None:
    assert report_of_parameters((OLD | {"valid": text}).items()) == Report("pct_x", None)


@pytest.mark.parametrize(
    ("name", "text"), [("lat", "north"), ("speed", "fast"), ("id", "x" * 101), ("valid", "y" * 65)]
)
def test_a_parameter_of_another_form_is_refused(name: str, text: str) -> None:
    with pytest.raises(Refused, match=name) as caught:
        report_of_parameters((OLD | {name: text}).items())
    assert caught.value.refusal is Refusal.MALFORMED


@pytest.mark.parametrize(
    "body", [b"", b"[]", b"{}", b"\xff", b'{"location":{}}', b'{"location":' * 50_000]
)
def test_json_of_another_form_is_refused(body: bytes) -> None:
    with pytest.raises(Refused) as caught:
        report_of_json(body)
    assert caught.value.refusal is Refusal.MALFORMED


_NAMES = st.sampled_from([*OLD, "location", "valid", "deviceid", "heading"])
_TEXTS = st.text(max_size=70) | st.floats().map(str) | st.datetimes().map(str)


@given(st.dictionaries(_NAMES, _TEXTS))
def test_whatever_strangers_send_is_told_or_refused(pairs: dict[str, str]) -> None:
    with contextlib.suppress(Refused):
        told = report_of_parameters(pairs.items()).told
        if told is not None:
            sighting_of(told, NOW_MS).payload("tracker-x")
