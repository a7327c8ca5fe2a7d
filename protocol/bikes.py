"""This module owns what a bike-update says about itself: whom it is about, when, and what it does.

Field names are those of GBFS 3 (`vehicle_id`, `lat`, `station_id`, ...) and MDS telemetry
(`speed` in m/s, `heading` in degrees, `timestamp` in ms). Everything else in the object is the
sender's own and passes through untouched.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from typing import Annotated, Any, Final, Literal, TypeGuard

import msgspec
from msgspec import Meta

from protocol.refusals import Refusal, Refused

STATION_KEY_PREFIX = "station/"
KEY_LIMIT_CHARACTERS = 200
# GBFS feeds in the field use 0 and 86400 for "never reported" (both are 1970).
_UNKNOWN_TIME_LIMIT_MS = 86_400_000
_LATEST_TIME_MS = 10**15  # the year 33658
_EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
_MILLISECOND = dt.timedelta(milliseconds=1)
_LAT_LIMIT_DEGREES: Final = 90
_LON_LIMIT_DEGREES: Final = 180
# An error of the decoder quotes what it did not expect, however long that is.
_ERROR_LIMIT_CHARACTERS = 300

_ID_FIELDS = ("bike_id", "vehicle_id", "bikeId", "id")
_TIME_TYPES = (int, float, str)


def key_of(fields: Mapping[str, object]) -> str | None:
    """Whom the update is about: a bike's id, `station/` and a station's id, or nobody.

    The first of `bike_id`, `vehicle_id`, `bikeId`, `id` that is present names a bike; a docked
    bike carries `station_id` as well, so that one counts only when none of them is there. A field
    of an unexpected type is no fault in an open room (the object may be a shop item with an `id`
    of its own kind): it counts as absent.
    """
    for name in _ID_FIELDS:
        if name not in fields:
            continue
        value = fields[name]
        if type(value) is int:  # not isinstance: true and false are ints
            value = str(value)
        if type(value) is str:
            return value if 0 < len(value) <= KEY_LIMIT_CHARACTERS else None
    value = fields.get("station_id")
    if type(value) is not str and type(value) is not int:
        return None
    key = f"{STATION_KEY_PREFIX}{value}"
    return key if len(key) <= KEY_LIMIT_CHARACTERS else None


def place_of(fields: Mapping[str, object]) -> tuple[float, float] | None:
    """Latitude and longitude as they came; None unless both are degrees."""
    lat, lon = fields.get("lat"), fields.get("lon")
    if not is_number(lat, -_LAT_LIMIT_DEGREES, _LAT_LIMIT_DEGREES):
        return None
    if not is_number(lon, -_LON_LIMIT_DEGREES, _LON_LIMIT_DEGREES):
        return None
    return lat, lon


def is_number(value: object, low: float, high: float) -> TypeGuard[float]:
    """Whether it is a number, which true and false are not, from `low` to `high`."""
    return type(value) in {int, float} and low <= value <= high  # type: ignore[operator] # a number


def own_time_ms(fields: Mapping[str, object]) -> int | None:
    """When the update was observed, by its own clock, in ms since 1970; None when it does not say.

    `timestamp` is in ms (MDS); `last_reported` is RFC 3339 text (GBFS 3) or seconds (GBFS 1, 2).
    """
    value = fields.get("timestamp")
    if type(value) is int and _UNKNOWN_TIME_LIMIT_MS < value < _LATEST_TIME_MS:
        return value
    if type(value) in _TIME_TYPES:
        return _time_ms(value, 1)  # type: ignore[arg-type] # one of the three
    value = fields.get("last_reported")
    if type(value) in _TIME_TYPES:
        return _time_ms(value, 1000)  # type: ignore[arg-type] # one of the three
    return None


def _time_ms(value: float | str, ms_per_unit: int) -> int | None:
    time_ms = _text_time_ms(value) if isinstance(value, str) else value * ms_per_unit
    if time_ms is None or not _UNKNOWN_TIME_LIMIT_MS < time_ms < _LATEST_TIME_MS:
        return None
    return round(time_ms)


def _text_time_ms(text: str) -> int | None:
    try:
        moment = dt.datetime.fromisoformat(text)
    except ValueError:
        return None
    if moment.tzinfo is None:  # RFC 3339 always has an offset; guess nothing
        return None
    return (moment - _EPOCH) // _MILLISECOND


_Id = Annotated[str, Meta(min_length=1, max_length=128, pattern=r"^[\x21-\x7E]+$")]
_Flag = bool | Annotated[int, Meta(ge=0, le=1)]  # real feeds send 0 and 1 for booleans


def _number(low: float | None = None, high: float | None = None) -> Meta:
    return Meta(ge=low, le=high)


class LiveBike(msgspec.Struct, frozen=True):
    """The `live` profile: a GBFS 3 vehicle or station with MDS telemetry; checked, never rewritten.

    Every field is optional (absent: unchanged), unknown fields pass.
    """

    op: Literal["upsert", "remove"] = "upsert"
    bike_id: _Id | None = None
    vehicle_id: _Id | None = None
    bikeId: _Id | None = None  # noqa: N815 - accepted spelling of clients
    id: _Id | None = None
    station_id: _Id | None = None
    timestamp: Annotated[int, Meta(ge=0)] | None = None
    last_reported: int | str | None = None
    lat: Annotated[float, _number(-90, 90)] | None = None
    lon: Annotated[float, _number(-180, 180)] | None = None
    vehicle_state: (
        Literal[
            "available",
            "reserved",
            "on_trip",
            "stopped",
            "non_operational",
            "non_contactable",
            "missing",
            "elsewhere",
            "removed",
        ]
        | None
    ) = None
    is_reserved: _Flag | None = None
    is_disabled: _Flag | None = None
    is_installed: _Flag | None = None
    is_renting: _Flag | None = None
    is_returning: _Flag | None = None
    speed: Annotated[float, _number(0, 60)] | None = None
    heading: Annotated[float, _number(0, 360)] | None = None
    altitude: Annotated[float, _number(-500, 9000)] | None = None
    horizontal_accuracy: Annotated[float, _number(0)] | None = None
    current_fuel_percent: Annotated[float, _number(0, 1)] | None = None
    current_range_meters: Annotated[float, _number(0)] | None = None
    num_bikes_available: Annotated[int, Meta(ge=0)] | None = None
    num_vehicles_available: Annotated[int, Meta(ge=0)] | None = None
    num_docks_available: Annotated[int, Meta(ge=0)] | None = None
    vehicle_type_id: Annotated[str, Meta(max_length=128)] | None = None
    ext: dict[str, Any] | None = None


_decode_live = msgspec.json.Decoder(LiveBike).decode


def check_live(payload: bytes | msgspec.Raw, key: str | None) -> None:
    """Raise `Refused` (MALFORMED, it names the field) unless the payload fits the live profile."""
    try:
        bike = _decode_live(payload)
    except msgspec.ValidationError as error:
        message = f"Not a live bike: {error}"
        raise Refused(Refusal.MALFORMED, _shortened(message)) from error
    if key is None:
        raise Refused(Refusal.MALFORMED, "A live bike needs vehicle_id, bike_id or station_id.")
    if (bike.lat is None) != (bike.lon is None):
        raise Refused(Refusal.MALFORMED, "lat and lon come together.")


def _shortened(message: str) -> str:
    """Keep the two ends: an error begins with what is wrong and ends with where."""
    half = _ERROR_LIMIT_CHARACTERS // 2
    return message if len(message) <= 2 * half else f"{message[:half]} ... {message[-half:]}"
