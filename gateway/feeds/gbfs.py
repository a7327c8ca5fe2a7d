"""This module owns the reading of GBFS documents, of any version and any dirt.

GBFS (https://gbfs.org) 1.x and 2.x say `free_bike_status`, `bikes`, `bike_id` and POSIX seconds;
3.x says `vehicle_status`, `vehicles`, `vehicle_id` and RFC 3339. What is read here keeps the names
and values it came with: 0 stays 0 where the specification wants false.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import msgspec
from msgspec import Raw

from gateway.feeds.envelope import FeedMalformed, entries_of, envelope_of, moment_of, seconds_of
from protocol.bikes import key_of, own_time_ms

JsonObject = dict[str, object]

STATION_INFORMATION: Final = "station_information"
STATION_STATUS: Final = "station_status"
VEHICLE_FEEDS: Final = ("vehicle_status", "free_bike_status")
FEEDS: Final = (*VEHICLE_FEEDS, STATION_STATUS, STATION_INFORMATION)
# In the order in which the gateway looks for them.
VEHICLE_IDS: Final = ("bike_id", "vehicle_id")

# A station with one of these would be taken for a bike by whoever reads the room.
_NAMES_OF_A_BIKE = frozenset({*VEHICLE_IDS, "bikeId", "id"})
# Words of the gateway, not of GBFS: a feed has no say in them.
_RESERVED = frozenset({"roomId", "op"})


class Entity(msgspec.Struct, frozen=True):
    """A vehicle or a station as its feed shows it.

    `key` is the gateway's name for it, `time_ms` its own time of observation, if it tells one.
    """

    key: str
    fields: JsonObject
    time_ms: int | None = None


class Document(msgspec.Struct, frozen=True):
    """One reading of one feed.

    `held` are keys of entries that are unusable today though plainly still there, `skipped` counts
    these and the ones that cannot even be named.
    """

    feed: str
    entities: dict[str, Entity]
    held: frozenset[str] = frozenset()
    skipped: int = 0
    ttl_seconds: float | None = None
    updated_seconds: float | None = None


_decode_object = msgspec.json.Decoder(dict[str, object]).decode


def parse(feed: str, body: bytes) -> Document:
    """Read a vehicle or station document; `feed` is its GBFS name.

    Raises `FeedMalformed` when the envelope or the array is not what it should be, or when more
    than half of the entries are unusable: such a document says nothing about who has left.
    """
    envelope = envelope_of(body)
    name = _array_of(feed, envelope.data)
    entries = entries_of(name, envelope.data[name])
    entities: dict[str, Entity] = {}
    held: set[str] = set()
    skipped = 0
    for entry in entries:
        key, entity = _entity_of(feed, entry)
        if entity is not None:
            skipped += entity.key in entities
            entities[entity.key] = entity
            continue
        skipped += 1
        if key is not None:
            held.add(key)
    if skipped * 2 > len(entries):
        raise FeedMalformed(f"{skipped} of {len(entries)} entries are unusable")
    return Document(
        feed,
        entities,
        frozenset(held - entities.keys()),
        skipped,
        seconds_of(envelope.ttl),
        moment_of(envelope.last_updated),
    )


def _array_of(feed: str, data: Mapping[str, Raw]) -> str:
    names = ("vehicles", "bikes") if feed in VEHICLE_FEEDS else ("stations",)
    name = next((name for name in names if name in data), None)
    if name is None:
        raise FeedMalformed(f"data has no {' or '.join(names)}")
    return name


def _entity_of(feed: str, entry: Raw) -> tuple[str | None, Entity | None]:
    """The entry's key, if it has one, and what it shows, if that is usable."""
    try:
        fields = _decode_object(entry)
    except (ValueError, RecursionError, msgspec.MsgspecError):
        return None, None
    unwanted = _RESERVED if feed in VEHICLE_FEEDS else _RESERVED | _NAMES_OF_A_BIKE
    for name in unwanted & fields.keys():
        del fields[name]
    if not _has_identity(feed, fields):
        return None, None
    key = key_of(fields)
    if key is None or not _is_placed_soundly(fields):
        return key, None
    return key, Entity(key, fields, own_time_ms(fields))


def _has_identity(feed: str, fields: JsonObject) -> bool:
    names = VEHICLE_IDS if feed in VEHICLE_FEEDS else ("station_id",)
    return any(isinstance(fields.get(name), (str, int)) for name in names)


def _is_placed_soundly(fields: JsonObject) -> bool:
    """Whether the location is a pair of degrees, or not given at all."""
    latitude, longitude = fields.get("lat"), fields.get("lon")
    if latitude is None and longitude is None:
        return True
    return _is_degrees(latitude, 90) and _is_degrees(longitude, 180)


def _is_degrees(value: object, limit: float) -> bool:
    return (
        isinstance(value, (int, float)) and not isinstance(value, bool) and -limit <= value <= limit
    )
