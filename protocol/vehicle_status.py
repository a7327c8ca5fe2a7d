"""This module owns a room's present state as GBFS 3.0 `vehicle_status`: what the public may know.

Shown is what can be hired or soon can be, and says so. A vehicle on a trip is not shown
(https://github.com/MobilityData/gbfs/blob/v3.0/gbfs.md#vehicle_statusjson), nor is one that does
not say its state: it may well be on one. Of each there are the fields that the specification has,
if they hold what it asks for. Extensions and deep links are left out and numbers are rounded, for
they would tell one vehicle from all others, whatever name it has.
"""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Iterable, Mapping
from typing import Any, Final

import msgspec
from msgspec import Raw

from protocol import bikes

VERSION: Final = "3.0"
TTL_SECONDS: Final = 10

_ID_LIMIT_CHARACTERS: Final = 128
_PLACE_DIGITS: Final = 6  # about 0.1 m; the specification asks for no more
_RANGE_STEP_METERS: Final = 100
_RANGE_LIMIT_METERS: Final = 10_000_000
# Which states of MDS are shown, and as what: reserved? disabled? All others are on a trip, away, or
# nobody knows where.
_STANDINGS: Final = {
    "available": (False, False),
    "reserved": (True, False),
    "non_operational": (False, True),
}
_EQUIPMENT: Final = ("child_seat_a", "child_seat_b", "child_seat_c", "winter_tires", "snow_chains")
_MOMENT: Final = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}([+-][0-9]{2}:[0-9]{2}|Z)"
)
_EPOCH: Final = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)

_decode_values = msgspec.json.Decoder(list[Raw]).decode
_decode_fields = msgspec.json.Decoder(dict[str, Any]).decode
_encode = msgspec.json.Encoder().encode


class Vehicle(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """A vehicle as the public sees it. It has a place, a station, or both."""

    vehicle_id: str = ""  # until it has one
    is_reserved: bool
    is_disabled: bool
    lat: float | None = None
    lon: float | None = None
    station_id: str | None = None
    home_station_id: str | None = None
    vehicle_type_id: str | None = None
    pricing_plan_id: str | None = None
    last_reported: str | None = None
    current_range_meters: int | None = None
    current_fuel_percent: float | None = None
    vehicle_equipment: tuple[str, ...] = ()
    available_until: str | None = None


def vehicles_of(values: bytes, now_ms: int) -> dict[str, Vehicle]:
    """What of a snapshot the public may see, by the keys that the room knows; without ids yet."""
    found: dict[str, Vehicle] = {}
    for value in _decode_values(values):
        fields = _decode_fields(value)
        key = bikes.key_of(fields)
        if key is None or key.startswith(bikes.STATION_KEY_PREFIX):
            continue
        if (vehicle := _vehicle_of(fields, now_ms)) is not None:
            found[key] = vehicle
    return found


def document_of(vehicles: Iterable[Vehicle], now_ms: int) -> bytes:
    """The document, in the order of the ids: any other order would outlast them."""
    return _encode(
        {
            "last_updated": _moment_of(now_ms),
            "ttl": TTL_SECONDS,
            "version": VERSION,
            "data": {"vehicles": sorted(vehicles, key=lambda vehicle: vehicle.vehicle_id)},
        }
    )


def _vehicle_of(fields: Mapping[str, Any], now_ms: int) -> Vehicle | None:
    standing = _standing_of(fields)
    place, station_id = bikes.place_of(fields), _id_of(fields.get("station_id"))
    if standing is None or (place is None and station_id is None):
        return None
    reported_ms = bikes.own_time_ms(fields)
    return Vehicle(
        is_reserved=standing[0],
        is_disabled=standing[1],
        lat=None if place is None else round(place[0], _PLACE_DIGITS),
        lon=None if place is None else round(place[1], _PLACE_DIGITS),
        station_id=station_id,
        home_station_id=_id_of(fields.get("home_station_id")),
        vehicle_type_id=_id_of(fields.get("vehicle_type_id")),
        pricing_plan_id=_id_of(fields.get("pricing_plan_id")),
        # Clocks of vehicles go wrong; nothing was reported after now.
        last_reported=None if reported_ms is None else _moment_of(min(reported_ms, now_ms)),
        current_range_meters=_range_of(fields.get("current_range_meters")),
        current_fuel_percent=_share_of(fields.get("current_fuel_percent")),
        vehicle_equipment=_equipment_of(fields.get("vehicle_equipment")),
        available_until=_text_moment_of(fields.get("available_until")),
    )


def _standing_of(fields: Mapping[str, object]) -> tuple[bool, bool] | None:
    """Whether it is reserved and whether it is disabled; None: not to be shown."""
    state = fields.get("vehicle_state")
    reserved, disabled = _flag_of(fields.get("is_reserved")), _flag_of(fields.get("is_disabled"))
    if state is None:
        return None if reserved is None or disabled is None else (reserved, disabled)
    standing = _STANDINGS.get(state) if isinstance(state, str) else None
    if standing is None:
        return None
    return standing[0] or reserved is True, standing[1] or disabled is True


def _flag_of(value: object) -> bool | None:
    """Real feeds send 0 and 1 for booleans."""
    if isinstance(value, bool):
        return value
    return value == 1 if type(value) is int and value in {0, 1} else None


def _id_of(value: object) -> str | None:
    if type(value) is not str and type(value) is not int:
        return None
    text = str(value)
    return text if 0 < len(text) <= _ID_LIMIT_CHARACTERS and text.isprintable() else None


def _range_of(value: object) -> int | None:
    if not bikes.is_number(value, 0, _RANGE_LIMIT_METERS):
        return None
    return round(value / _RANGE_STEP_METERS) * _RANGE_STEP_METERS


def _share_of(value: object) -> float | None:
    return round(float(value), 2) if bikes.is_number(value, 0, 1) else None


def _equipment_of(value: object) -> tuple[str, ...]:
    return tuple(name for name in _EQUIPMENT if name in value) if isinstance(value, list) else ()


def _text_moment_of(value: object) -> str | None:
    return value if isinstance(value, str) and _MOMENT.fullmatch(value) else None


def _moment_of(time_ms: int) -> str:
    """RFC 3339, UTC, whole seconds."""
    moment = _EPOCH + dt.timedelta(seconds=time_ms // 1000)
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")
