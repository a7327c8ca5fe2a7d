"""This module owns the names under which the public sees vehicles: one for each time it waits.

Who could follow a name from where a trip began to where it ended would know the trip. So a vehicle
has a new name after it was not to be seen, as it is on a trip, and also when it is seen away from
where its name was given: then there was a trip of which nobody has told. While it waits the name
stays, for people who are on their way to it. What is remembered is of the vehicles that are seen
now, and no more; to lose it gives all of them new names.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

import msgspec

from gateway.rooms.distance import meters_between
from protocol import vehicle_status
from protocol.vehicle_status import Vehicle

# Far more than satellites are wrong by, less than anybody hires a bike for.
AWAY_METERS: Final = 100.0


class Alias(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """A name and where it was given: a place in degrees, or else a station."""

    name: str
    lat: float | None = None
    lon: float | None = None
    station_id: str | None = None


_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(dict[str, Alias]).decode


class Shown(msgspec.Struct, frozen=True):
    """What the public is shown, and what has to be remembered for the next time."""

    document: bytes
    memory: bytes
    vehicles_count: int


def shown(values: bytes, memory: bytes | None, now_ms: int, new_name: Callable[[], str]) -> Shown:
    """A snapshot as GBFS `vehicle_status`, with the names of before as far as they still hold."""
    vehicles = vehicle_status.vehicles_of(values, now_ms)
    aliases = aliases_of(vehicles, _remembered(memory), new_name)
    named = (
        msgspec.structs.replace(vehicle, vehicle_id=aliases[key].name)
        for key, vehicle in vehicles.items()
    )
    return Shown(vehicle_status.document_of(named, now_ms), _encode(aliases), len(vehicles))


def aliases_of(
    vehicles: Mapping[str, Vehicle], before: Mapping[str, Alias], new_name: Callable[[], str]
) -> dict[str, Alias]:
    """The alias of each vehicle that is seen: the one of before, or a new one."""
    aliases: dict[str, Alias] = {}
    for key, vehicle in vehicles.items():
        alias = before.get(key)
        if alias is None or not _is_where(alias, vehicle):
            alias = Alias(new_name(), vehicle.lat, vehicle.lon, vehicle.station_id)
        aliases[key] = alias
    return aliases


def _is_where(alias: Alias, vehicle: Vehicle) -> bool:
    """Whether the vehicle is still where it was given its name."""
    match (alias.lat, alias.lon, vehicle.lat, vehicle.lon):
        case (None, None, None, None):
            return alias.station_id == vehicle.station_id
        case (float() | int(), float() | int(), float() | int(), float() | int()) as places:
            return meters_between(*places) <= AWAY_METERS
    return False


def _remembered(memory: bytes | None) -> dict[str, Alias]:
    try:
        return {} if memory is None else _decode(memory)
    except msgspec.MsgspecError:  # of another version, perhaps: then there are new names
        return {}
