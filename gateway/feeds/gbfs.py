"""This module owns the reading of GBFS documents, of any version and any dirt.

GBFS (https://gbfs.org) 1.x and 2.x say `free_bike_status`, `bikes`, `bike_id` and POSIX seconds;
3.x says `vehicle_status`, `vehicles`, `vehicle_id` and RFC 3339. What is read here keeps the names
and values it came with: 0 stays 0 where the specification wants false.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from typing import Final

import msgspec
from msgspec import Raw

from protocol.bikes import header_of, key_of, own_time_ms

JsonObject = dict[str, object]

DISCOVERY: Final = "gbfs"
STATION_INFORMATION: Final = "station_information"
STATION_STATUS: Final = "station_status"
VEHICLE_FEEDS: Final = ("vehicle_status", "free_bike_status")
FEEDS: Final = (*VEHICLE_FEEDS, STATION_STATUS, STATION_INFORMATION)
# In the order in which the gateway looks for them.
VEHICLE_IDS: Final = ("bike_id", "vehicle_id")

# The largest fleets have some 30,000 vehicles of a dozen fields. Decoded values cost far more
# memory than their text, so a body of the permitted size could still be made to exhaust it.
VALUES_LIMIT = 4_000_000

_BYTE_ORDER_MARK = b"\xef\xbb\xbf"
# A station with one of these would be taken for a bike by whoever reads the room.
_NAMES_OF_A_BIKE = frozenset({*VEHICLE_IDS, "bikeId", "id"})
# Words of the gateway, not of GBFS: a feed has no say in them.
_RESERVED = frozenset({"roomId", "op"})
_MARKS_OF_STATUS = ("is_renting", "num_bikes_available", "num_vehicles_available")
_LARGEST_SECONDS = 1e11  # the year 5138; anything above is in milliseconds


class FeedMalformed(Exception):
    """The document cannot be used; the message says why, in words fit for a log."""


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


class _Envelope(msgspec.Struct):
    data: dict[str, Raw]
    last_updated: Raw = Raw(b"null")
    ttl: Raw = Raw(b"null")


_decode_envelope = msgspec.json.Decoder(_Envelope).decode
_decode_array = msgspec.json.Decoder(list[Raw]).decode
_decode_object = msgspec.json.Decoder(dict[str, object]).decode


def parse(feed: str, body: bytes) -> Document:
    """Read a vehicle or station document; `feed` is its GBFS name.

    Raises `FeedMalformed` when the envelope or the array is not what it should be, or when more
    than half of the entries are unusable: such a document says nothing about who has left.
    """
    envelope = _envelope_of(body)
    entries = _entries_of(feed, envelope.data)
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


def name_of(body: bytes, hint: str) -> str | None:
    """Which feed a document is, by its shape; `hint` (its file's name) decides where shapes agree.

    `gbfs` for discovery, None for a feed that shows neither vehicles nor stations.
    """
    data = _envelope_of(body).data
    if hint in FEEDS:
        return hint
    if "bikes" in data:
        return "free_bike_status"
    if "vehicles" in data and hint != "vehicle_availability":  # booking slots, of the same shape
        return "vehicle_status"
    if "stations" in data:
        text = bytes(data["stations"])
        is_status = any(mark.encode() in text for mark in _MARKS_OF_STATUS)
        return STATION_STATUS if is_status else STATION_INFORMATION
    return DISCOVERY if _feed_lists_of(data) else None


def addresses_of(body: bytes) -> tuple[dict[str, str], float | None]:
    """Name and address of every feed in a discovery document, and how long they hold (seconds).

    Up to 2.3 there is one list for each language; they differ in names that nobody reads here, so
    English is taken, or else the first. Raises `FeedMalformed`.
    """
    envelope = _envelope_of(body)
    lists = _feed_lists_of(envelope.data)
    if not lists:
        raise FeedMalformed("no list of feeds in the discovery document")
    chosen = lists.get("en") or next(iter(lists.values()))
    return chosen, seconds_of(envelope.ttl)


def seconds_of(value: Raw) -> float | None:
    """A duration in seconds, also where a feed wrote it as text; None when it is neither."""
    try:
        seconds = float(msgspec.json.decode(value, type=float | str))
    except (ValueError, msgspec.MsgspecError):
        return None
    return seconds if 0 <= seconds < _LARGEST_SECONDS else None


def moment_of(value: Raw) -> float | None:
    """A moment in seconds since 1970, from RFC 3339, POSIX seconds or milliseconds."""
    try:
        moment = msgspec.json.decode(value, type=float | str)
        if isinstance(moment, str) and not moment.isdigit():
            return dt.datetime.fromisoformat(moment).timestamp()
        seconds = float(moment)
    except (ValueError, OverflowError, msgspec.MsgspecError):
        return None
    return seconds / 1000 if seconds > _LARGEST_SECONDS else seconds


def _envelope_of(body: bytes) -> _Envelope:
    text = body.removeprefix(_BYTE_ORDER_MARK).strip()
    if not text:
        raise FeedMalformed("empty body")
    if text.startswith(b"<"):
        raise FeedMalformed("HTML or XML instead of JSON")
    if text.count(b",") > VALUES_LIMIT:
        raise FeedMalformed(f"more than {VALUES_LIMIT} values")
    try:
        return _decode_envelope(text)
    except msgspec.ValidationError as error:
        raise FeedMalformed(f"not a GBFS document: {error}") from error
    except (ValueError, RecursionError, msgspec.MsgspecError) as error:
        raise FeedMalformed(f"invalid JSON: {error}") from error


def _entries_of(feed: str, data: Mapping[str, Raw]) -> Sequence[Raw]:
    names = ("vehicles", "bikes") if feed in VEHICLE_FEEDS else ("stations",)
    name = next((name for name in names if name in data), None)
    if name is None:
        raise FeedMalformed(f"data has no {' or '.join(names)}")
    try:
        return _decode_array(data[name])
    except (ValueError, RecursionError, msgspec.MsgspecError) as error:
        raise FeedMalformed(f"data.{name} is not an array") from error


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
    header = header_of(msgspec.json.encode(fields))
    key = key_of(header)
    if key is None or not _is_placed_soundly(fields):
        return key, None
    return key, Entity(key, fields, own_time_ms(header))


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


def _feed_lists_of(data: Mapping[str, Raw]) -> dict[str, dict[str, str]]:
    """Lists of feeds by language; a 3.x document has one, under no language."""
    if "feeds" in data:
        feeds = _feed_list_of(data["feeds"])
        return {"": feeds} if feeds else {}
    lists: dict[str, dict[str, str]] = {}
    for language, value in data.items():
        try:
            inner = msgspec.json.decode(value, type=dict[str, Raw])
        except (ValueError, RecursionError, msgspec.MsgspecError):
            continue
        feeds = _feed_list_of(inner.get("feeds", Raw(b"null")))
        if feeds:
            lists[language] = feeds
    return lists


class _Listed(msgspec.Struct):
    name: str
    url: str


def _feed_list_of(value: Raw) -> dict[str, str]:
    try:
        listed = msgspec.json.decode(value, type=list[_Listed])
    except (ValueError, RecursionError, msgspec.MsgspecError):
        return {}
    return {entry.name: entry.url for entry in listed}
