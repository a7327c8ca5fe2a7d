"""This module owns what OwnTracks posts: https://owntracks.org/booklet/tech/json and .../tech/http.

Of its many messages one says where the phone is. Others are heard and mean nothing here.
"""

from __future__ import annotations

from typing import Annotated, Final

import msgspec
from msgspec import Meta

from protocol.refusals import Refusal, Refused
from protocol.trackers.sighting import Told

_LOCATION: Final = "location"
_ENCRYPTED: Final = "encrypted"
_KM_PER_HOUR: Final = 3.6  # in a meter per second

BikeId = Annotated[
    str,
    Meta(
        min_length=1,
        max_length=128,
        pattern=r"^[\x21-\x7E]+$(?!\n)",
        description="1 to 128 characters of ASCII without spaces",
    ),
]
_Text = Annotated[str, Meta(max_length=64)]


class OwnTracksQuery(msgspec.Struct, frozen=True, kw_only=True):
    """Where to report, and as whom, for a key that leaves a choice."""

    room: Annotated[str, Meta(min_length=1, max_length=200)] | None = None
    bike: BikeId | None = None


class OwnTracksMessage(msgspec.Struct, frozen=True, kw_only=True):
    """The fields that are read; all others are passed over."""

    kind: _Text = msgspec.field(name="_type")
    lat: float | None = None
    lon: float | None = None
    tst: float | None = None  # seconds since 1970
    acc: float | None = None  # meters
    alt: float | None = None  # meters
    batt: float | None = None  # percent
    cog: float | None = None  # degrees
    vel: float | None = None  # km/h


_decode = msgspec.json.Decoder(OwnTracksMessage).decode


def told_of(body: bytes) -> Told | None:
    """What a message says of where the phone is; None when it is about something else.

    Raises `Refused`.
    """
    if not body.strip():  # what is posted when a friend was deleted
        return None
    try:
        message = _decode(body)
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError) as error:
        raise Refused(Refusal.MALFORMED, f"Not a message of OwnTracks: {error}") from error
    if message.kind == _ENCRYPTED:
        complaint = "Encrypted: leave the encryption key empty in the app, and use https."
        raise Refused(Refusal.MALFORMED, complaint)
    if message.kind != _LOCATION:
        return None
    return Told(
        lat=message.lat,
        lon=message.lon,
        time_ms=None if message.tst is None else message.tst * 1000,
        speed=None if message.vel is None else message.vel / _KM_PER_HOUR,
        heading=message.cog,
        altitude=message.alt,
        horizontal_accuracy=message.acc,
        current_fuel_percent=None if message.batt is None else message.batt / 100,
    )
