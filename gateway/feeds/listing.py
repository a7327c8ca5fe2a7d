"""This module owns what GBFS says about its own documents: which is which, and where they lie."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import msgspec
from msgspec import Raw

from gateway.feeds.envelope import FeedMalformed, envelope_of, seconds_of
from gateway.feeds.gbfs import FEEDS, STATION_INFORMATION, STATION_STATUS

DISCOVERY: Final = "gbfs"
_MARKS_OF_STATUS = ("is_renting", "num_bikes_available", "num_vehicles_available")


def name_of(body: bytes, hint: str) -> str | None:
    """Which feed a document is, by its shape; `hint` (its file's name) decides where shapes agree.

    `gbfs` for discovery, None for a feed that shows neither vehicles nor stations.
    """
    data = envelope_of(body).data
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
    envelope = envelope_of(body)
    lists = _feed_lists_of(envelope.data)
    if not lists:
        raise FeedMalformed("no list of feeds in the discovery document")
    chosen = lists.get("en") or next(iter(lists.values()))
    return chosen, seconds_of(envelope.ttl)


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
