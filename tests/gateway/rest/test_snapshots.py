"""A room's present state, over HTTP."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest

from gateway.feeds import gbfs
from gateway.identity import Role
from tests.gateway.rest.conftest import PRODUCTION, Door, OpenDoor, bearer
from tests.toolbox.gbfs_schema import faults_of

ROOM = "city:paris"
PATH = f"/api/rooms/{ROOM}/snapshot"
GBFS = f"{PATH}?format=gbfs"
GEOJSON = "application/geo+json"
EXAMPLES = Path(__file__).parents[2] / "data" / "gbfs"
PUBLIC = '[[room]]\npattern = "city:*"\npublic = true\n'


async def publish(door: Door, *bikes: dict[str, object]) -> str:
    items = [{"event": "bike-update", "data": bike} for bike in bikes]
    status, body = await door.post(ROOM, items, {"Authorization": bearer()})
    assert status == 200
    return str(body["data"][-1]["cursor"])


async def test_a_snapshot_has_every_bike_and_its_place(open_door: OpenDoor) -> None:
    door = await open_door(PRODUCTION)
    cursor = await publish(door, {"bike_id": "1", "lat": 1}, {"bike_id": "1", "lon": 2})
    answer = await door.ask("GET", PATH, role=Role.VIEWER)
    bike = {"bike_id": "1", "lat": 1, "lon": 2, "roomId": ROOM}
    assert answer.data == {"roomId": ROOM, "cursor": cursor, "bikes": [bike]}
    assert answer.headers["Cache-Control"] == "private, no-cache"


@pytest.mark.parametrize("way", ["?format=geojson", ""])
async def test_geojson_has_longitude_first_and_only_what_has_a_place(
    open_door: OpenDoor, way: str
) -> None:
    door = await open_door(PRODUCTION)
    bikes: list[dict[str, object]] = [
        {"bike_id": "1", "lat": 48.5, "lon": 2},
        {"bike_id": "2"},
        {"bike_id": "3", "lat": 91, "lon": 2},
        {"bike_id": "4", "lat": True, "lon": "2"},
        {"station_id": "5", "lat": -48.5, "lon": -2.25},
    ]
    await publish(door, *bikes)
    answer = await door.ask("GET", PATH + way, headers={} if way else {"Accept": GEOJSON})
    assert answer.headers["Content-Type"] == GEOJSON
    assert answer.body["type"] == "FeatureCollection"
    bike, station = answer.body["features"]
    assert (bike["id"], station["id"]) == ("1", "station/5")
    assert bike["geometry"] == {"type": "Point", "coordinates": [2, 48.5]}
    assert station["geometry"]["coordinates"] == [-2.25, -48.5]
    assert bike["properties"] == bikes[0] | {"roomId": ROOM}


async def test_what_is_known_already_is_not_sent_again(open_door: OpenDoor) -> None:
    door = await open_door(PRODUCTION)
    await publish(door, {"bike_id": "1", "lat": 1})
    tag = (await door.ask("GET", PATH)).headers["ETag"]
    known = {"If-None-Match": f'W/"x", {tag}'}
    answer = await door.ask("GET", PATH, headers=known)
    assert (answer.status, answer.body, answer.headers["ETag"]) == (304, None, tag)
    compressed = {"If-None-Match": f'{tag[:-1]}-gzip"'}
    assert (await door.ask("GET", PATH, headers=compressed)).status == 304
    assert (await door.ask("GET", f"{PATH}?format=geojson", headers=known)).status == 200
    await publish(door, {"bike_id": "1", "lat": 2})
    assert (await door.ask("GET", PATH, headers=known)).data["bikes"][0]["lat"] == 2


async def test_only_those_who_may_join_see_it(open_door: OpenDoor) -> None:
    door = await open_door(PRODUCTION)
    assert (await door.ask("GET", PATH, role=None)).code == "UNAUTHENTICATED"
    elsewhere = {"Authorization": bearer(Role.VIEWER, join=("city:lyon",))}
    assert (await door.ask("GET", PATH, headers=elsewhere)).code == "FORBIDDEN"
    assert (await door.ask("GET", f"{PATH}?format=kml")).code == "INVALID"


@pytest.fixture
async def public_door(open_door: OpenDoor, tmp_path: Path) -> Door:
    """In production, where rooms of cities are public."""
    config = tmp_path / "rooms.toml"
    await asyncio.to_thread(config.write_text, PUBLIC)
    return await open_door(PRODUCTION | {"PACELINE_CONFIG": str(config)})


@pytest.mark.parametrize(
    ("path", "feed"),
    [
        ("v2.3/free_bike_status.json", "free_bike_status"),
        ("v3.0/vehicle_status.json", "vehicle_status"),
        ("v3.1-RC3/vehicle_status.json", "vehicle_status"),
    ],
)
async def test_the_public_is_shown_a_feed_as_valid_gbfs_under_other_names(
    public_door: Door, path: str, feed: str
) -> None:
    entities = gbfs.parse(feed, (EXAMPLES / path).read_bytes()).entities
    await publish(public_door, *(entity.fields for entity in entities.values()))
    answer = await public_door.ask("GET", GBFS, role=None)
    assert (answer.status, answer.headers["Content-Type"]) == (200, "application/json")
    assert answer.headers["Cache-Control"] == "public, max-age=10"
    assert faults_of(answer.body) == []
    vehicles = answer.body["data"]["vehicles"]
    assert _without_names(vehicles) == _without_names(
        [_rounded(entity.fields) for entity in entities.values()]
    )
    text = json.dumps(answer.body)
    assert not [key for key in entities if key in text]


async def test_what_the_public_knows_already_is_not_sent_again(public_door: Door) -> None:
    await publish(public_door, {"bike_id": "1", "lat": 1, "lon": 2, "vehicle_state": "available"})
    first = await public_door.ask("GET", GBFS, role=None)
    known = {"If-None-Match": first.headers["ETag"]}
    answer = await public_door.ask("GET", GBFS, headers=known, role=None)
    assert (answer.status, answer.body) == (304, None)
    assert answer.headers["ETag"] == first.headers["ETag"]
    assert answer.headers["Cache-Control"].startswith("public, max-age=")


async def test_the_public_is_shown_nothing_else(public_door: Door, open_door: OpenDoor) -> None:
    assert (await public_door.ask("GET", PATH, role=None)).code == "UNAUTHENTICATED"
    elsewhere = "/api/rooms/ride:1/snapshot?format=gbfs"
    assert (await public_door.ask("GET", elsewhere, role=None)).code == "FORBIDDEN"
    answer = await (await open_door(PRODUCTION)).ask("GET", GBFS)
    assert (answer.code, answer.body["error"]["message"]) == (
        "FORBIDDEN",
        "Rooms of this kind are not public.",
    )


def _rounded(fields: dict[str, object]) -> dict[str, object]:
    """What the public may see of an entry in the examples."""
    shown = {name: value for name, value in fields.items() if name != "rental_uris"}
    for name in ("lat", "lon"):
        if isinstance(value := shown.get(name), float):
            shown[name] = round(value, 6)
    if isinstance(meters := shown.get("current_range_meters"), (int, float)):
        shown["current_range_meters"] = round(meters / 100) * 100
    if shown.get("last_reported") == "2023-07-17T13:34:13+02:00":
        shown["last_reported"] = "2023-07-17T11:34:13Z"
    return shown


def _without_names(vehicles: list[dict[str, Any]]) -> list[list[tuple[str, object]]]:
    """In an order that the names have no part in."""
    names = {"vehicle_id", "bike_id"}
    return sorted(
        sorted((name, value) for name, value in vehicle.items() if name not in names)
        for vehicle in vehicles
    )
