"""What OwnTracks posts."""

from __future__ import annotations

import json

import pytest

from protocol.refusals import Refusal, Refused
from protocol.trackers.owntracks import told_of
from protocol.trackers.sighting import Told

# As the Android app posts it, with all that is of no interest here.
LOCATION = {
    "_type": "location",
    "BSSID": "aa:bb:cc:dd:ee:ff",
    "acc": 12,
    "alt": 35,
    "batt": 78,
    "bs": 1,
    "cog": 270,
    "conn": "m",
    "created_at": 1_700_000_001,
    "inregions": ["home"],
    "lat": 48.8583,
    "lon": 2.2951,
    "m": 1,
    "tid": "ad",
    "topic": "owntracks/ada/phone",
    "tst": 1_700_000_000,
    "vac": 3,
    "vel": 18,
}


def test_a_location_is_told_in_our_units() -> None:
    assert told_of(json.dumps(LOCATION).encode()) == Told(
        lat=48.8583,
        lon=2.2951,
        time_ms=1_700_000_000_000,
        speed=5,
        heading=270,
        altitude=35,
        horizontal_accuracy=12,
        current_fuel_percent=0.78,
    )


def test_a_location_may_say_no_more_than_where_and_when() -> None:
    told = told_of(b'{"_type":"location","lat":1,"lon":2,"tst":3}')

    assert told == Told(lat=1, lon=2, time_ms=3000)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b" ",
        b'{"_type":"lwt","tst":1700000000}',
        b'{"_type":"transition","lat":1,"lon":2,"event":"enter"}',
        b'{"_type":"waypoints","waypoints":[]}',
        b'{"_type":"status"}',
    ],
)
def test_other_messages_mean_nothing(body: bytes) -> None:
    assert told_of(body) is None


@pytest.mark.parametrize(
    "body",
    [
        b"[]",
        b"{}",
        b"\xff",
        b"{",
        b'{"_type":7}',
        b'{"_type":"location","lat":"north"}',
        b'{"_type":"location","lat":1e999}',
        b"[" * 100_000,
    ],
)
def test_what_is_no_message_is_refused(body: bytes) -> None:
    with pytest.raises(Refused) as caught:
        told_of(body)
    assert caught.value.refusal is Refusal.MALFORMED


def test_an_encrypted_message_says_what_to_do() -> None:
    with pytest.raises(Refused, match="leave the encryption key empty"):
        told_of(b'{"_type":"encrypted","data":"..."}')
