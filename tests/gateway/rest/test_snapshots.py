"""A room's present state, over HTTP."""

from __future__ import annotations

import pytest

from gateway.identity import Role
from tests.gateway.rest.conftest import PRODUCTION, Door, OpenDoor, bearer

ROOM = "city:paris"
PATH = f"/api/rooms/{ROOM}/snapshot"
GEOJSON = "application/geo+json"


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
    assert (await door.ask("GET", f"{PATH}?format=geojson", headers=known)).status == 200
    await publish(door, {"bike_id": "1", "lat": 2})
    assert (await door.ask("GET", PATH, headers=known)).data["bikes"][0]["lat"] == 2


async def test_only_those_who_may_join_see_it(open_door: OpenDoor) -> None:
    door = await open_door(PRODUCTION)
    assert (await door.ask("GET", PATH, role=None)).code == "UNAUTHENTICATED"
    elsewhere = {"Authorization": bearer(Role.VIEWER, join=("city:lyon",))}
    assert (await door.ask("GET", PATH, headers=elsewhere)).code == "FORBIDDEN"
    assert (await door.ask("GET", f"{PATH}?format=kml")).code == "INVALID"
