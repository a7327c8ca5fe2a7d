"""A made-up bicycle system in the shape of a large real one: 0 and 1 for booleans, long numbers."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

BIKES = 1_244
STATIONS = 1_811
UPDATED_SECONDS = 1_738_144_058

Fields = dict[str, Any]


def document(name: str, entries: list[Fields], **envelope: Any) -> Fields:  # noqa: ANN401 - any JSON
    """A GBFS 2.3 document whose array has that name."""
    return {
        "last_updated": UPDATED_SECONDS,
        "ttl": 60,
        "version": "2.3",
        "data": {name: entries},
        **envelope,
    }


def bike(number: int, **fields: Any) -> Fields:  # noqa: ANN401 - any JSON
    rng = random.Random(number)  # noqa: S311 - the same bike each time
    return {
        "bike_id": f"{rng.getrandbits(128):032x}",
        "lat": round(41.6 + rng.random() / 2, 9),
        "lon": round(-87.9 + rng.random() / 2, 9),
        "is_reserved": 0,
        "is_disabled": rng.getrandbits(1),
        "current_range_meters": rng.random() * 54_717.56,
        "vehicle_type_id": "2",
        "rental_uris": {"ios": "https://example.com/scan"},
        **fields,
    }


def status(number: int, **fields: Any) -> Fields:  # noqa: ANN401 - any JSON
    return {
        "station_id": str(1_955_905_507_044_284_968 + number),
        "num_bikes_available": number % 15,
        "num_docks_available": 15 - number % 15,
        "is_installed": 1,
        "is_renting": 1,
        "is_returning": 1,
        "last_reported": UPDATED_SECONDS - number,
        **fields,
    }


def information(number: int, **fields: Any) -> Fields:  # noqa: ANN401 - any JSON
    return {
        "station_id": str(1_955_905_507_044_284_968 + number),
        "name": f"Station {number}",
        "lat": 41.6 + number / 10_000,
        "lon": -87.9 + number / 10_000,
        "capacity": 15,
        "address": "somewhere",
        **fields,
    }


def feeds(bikes: int = BIKES, stations: int = STATIONS) -> dict[str, Fields]:
    """All documents of the system, by their feed's name."""
    return {
        "free_bike_status": document("bikes", [bike(n) for n in range(bikes)]),
        "station_status": document("stations", [status(n) for n in range(stations)]),
        "station_information": document("stations", [information(n) for n in range(stations)]),
    }


def discovery(addresses: dict[str, str]) -> Fields:
    listed = [{"name": name, "url": url} for name, url in addresses.items()]
    return {
        "last_updated": UPDATED_SECONDS,
        "ttl": 60,
        "version": "2.3",
        "data": {"fr": {"feeds": []}, "en": {"feeds": listed}},
    }


def write(folder: Path, documents: dict[str, Fields]) -> Path:
    """A folder as somebody saved it: the discovery document leads to the internet."""
    addresses = {name: f"https://gbfs.example.com/{name}.json" for name in documents}
    for name, content in {"gbfs": discovery(addresses), **documents}.items():
        (folder / f"{name}.json").write_text(json.dumps(content))
    return folder
