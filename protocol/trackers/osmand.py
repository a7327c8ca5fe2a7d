"""This module owns what OsmAnd and Traccar Client send: https://www.traccar.org/osmand/.

Parameters, in a URL or a form, are the older of the two forms; Traccar Client posts JSON since its
version 9. The `id` says who sends it, in both.
"""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Iterable
from typing import Annotated, Final

import msgspec
from msgspec import UNSET, Meta, UnsetType

from protocol.refusals import Refusal, Refused
from protocol.trackers.sighting import Told

FORM: Final = "application/x-www-form-urlencoded"
_KNOT: Final = 1852 / 3600  # in meters per second
_FALSE: Final = frozenset({"false", "0"})
# Beyond the year 5138 as seconds, and before March 1973 as milliseconds.
_FIRST_MILLISECONDS: Final = 10**11
_NUMBER: Final = re.compile(r"[0-9]{1,15}(\.[0-9]{0,9})?", re.ASCII)

_Code = Annotated[str, Meta(max_length=100)]
_Text = Annotated[str, Meta(max_length=64)]


class OsmAndParameters(msgspec.Struct, frozen=True, kw_only=True):
    """The parameters that are read; all others are passed over. `id` is a tracker code."""

    id: _Code | UnsetType = UNSET
    deviceid: _Code | UnsetType = UNSET
    lat: float | UnsetType = UNSET
    lon: float | UnsetType = UNSET
    location: _Text | UnsetType = UNSET  # both, with a comma
    timestamp: _Text | UnsetType = UNSET  # seconds, milliseconds, or a date and time
    speed: float | UnsetType = UNSET  # knots
    bearing: float | UnsetType = UNSET  # degrees
    heading: float | UnsetType = UNSET  # the same
    altitude: float | UnsetType = UNSET  # meters
    accuracy: float | UnsetType = UNSET  # meters
    batt: float | UnsetType = UNSET  # percent
    valid: _Text | UnsetType = UNSET


class _Coordinates(msgspec.Struct, frozen=True):
    latitude: float | None = None
    longitude: float | None = None
    accuracy: float | None = None  # meters
    speed: float | None = None  # m/s
    heading: float | None = None
    altitude: float | None = None


class _Battery(msgspec.Struct, frozen=True):
    level: float | None = None  # 0 to 1


class _Location(msgspec.Struct, frozen=True):
    coords: _Coordinates
    timestamp: _Text | float | None = None
    battery: _Battery | None = None


class OsmAndReport(msgspec.Struct, frozen=True):
    """What is read of the JSON form. `device_id` is a tracker code."""

    location: _Location
    device_id: _Code | None = None
    id: _Code | None = None


class Report(msgspec.Struct, frozen=True):
    """The tracker code and what was told; None: that there is no location."""

    code: str | None
    told: Told | None


_decode = msgspec.json.Decoder(OsmAndReport).decode


def report_of_parameters(pairs: Iterable[tuple[str, str]]) -> Report:
    """What parameters say; of one that is repeated the last counts. Raises `Refused`."""
    # Programs fill a template, and leave empty what they do not know.
    given = {name: value for name, value in pairs if value}
    try:
        read = msgspec.convert(given, OsmAndParameters, strict=False)
    except msgspec.ValidationError as error:
        raise _not_one(error) from error
    code = read.id or read.deviceid or None
    if read.valid and read.valid.lower() in _FALSE:
        return Report(code, None)
    lat, lon = _or_none(read.lat), _or_none(read.lon)
    if read.location:
        lat, lon = _pair_of(read.location)
    speed, percent = _or_none(read.speed), _or_none(read.batt)
    return Report(
        code,
        Told(
            lat=lat,
            lon=lon,
            time_ms=_time_ms(read.timestamp) if read.timestamp else None,
            speed=None if speed is None else speed * _KNOT,
            heading=_or_none(read.heading if read.bearing is UNSET else read.bearing),
            altitude=_or_none(read.altitude),
            horizontal_accuracy=_or_none(read.accuracy),
            current_fuel_percent=None if percent is None else percent / 100,
        ),
    )


def report_of_json(body: bytes) -> Report:
    """What the JSON form says; raises `Refused`."""
    try:
        read = _decode(body)
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError) as error:
        raise _not_one(error) from error
    location, coords = read.location, read.location.coords
    return Report(
        read.device_id or read.id or None,
        Told(
            lat=coords.latitude,
            lon=coords.longitude,
            time_ms=None if location.timestamp is None else _time_ms(str(location.timestamp)),
            speed=coords.speed,
            heading=coords.heading,
            altitude=coords.altitude,
            horizontal_accuracy=coords.accuracy,
            current_fuel_percent=None if location.battery is None else location.battery.level,
        ),
    )


def _time_ms(text: str) -> float | None:
    """Seconds or milliseconds since 1970, or ISO 8601, which is UTC unless it says otherwise."""
    if _NUMBER.fullmatch(text):
        number = float(text)
        return number if number >= _FIRST_MILLISECONDS else number * 1000
    try:
        moment = dt.datetime.fromisoformat(text)
    except ValueError:
        return None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=dt.UTC)
    return moment.timestamp() * 1000


def _pair_of(text: str) -> tuple[float | None, float | None]:
    lat, _, lon = text.partition(",")
    try:
        return float(lat), float(lon)
    except ValueError:
        return None, None


def _or_none(value: float | UnsetType) -> float | None:
    return None if value is UNSET else value


def _not_one(error: Exception) -> Refused:
    return Refused(Refusal.MALFORMED, f"Not a report of OsmAnd or Traccar Client: {error}")
