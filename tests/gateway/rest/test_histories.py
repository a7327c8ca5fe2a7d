"""A room's history, over HTTP."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from gateway.identity import Role
from gateway.rest import histories
from gateway.rooms.publication import draft_of_event
from tests.gateway.broker.worker import Worker
from tests.gateway.rest.conftest import PRODUCTION, Answer, Door, OpenDoor, bearer

ROOM = "city:paris"
PATH = f"/api/rooms/{ROOM}/history"


async def publish(door: Door, *texts: object, room: str = ROOM) -> str:
    """Publish one event each; the place behind the last of them."""
    items = [{"event": "chat", "data": text} for text in texts]
    status, body = await door.post(room, items, {"Authorization": bearer()})
    assert status == 200
    return str(body["data"][-1]["cursor"])


async def read(door: Door, since: str, more: str = "") -> Answer:
    return await door.ask("GET", f"{PATH}?since={since}{more}", role=Role.VIEWER)


def texts_of(page: dict[str, Any]) -> list[object]:
    return [told["data"] for told in page["publications"]]


async def test_pages_go_on_without_hole_or_repetition(open_door: OpenDoor) -> None:
    door = await open_door(PRODUCTION)
    cursor = await publish(door, "before")
    last = await publish(door, *range(7))
    found: list[object] = []
    pages = []
    for _ in range(3):
        page = (await read(door, cursor, "&limit=3")).data
        found += texts_of(page)
        pages.append((len(page["publications"]), page["hasMore"]))
        cursor = page["cursor"]
        if not page["hasMore"]:
            break
        assert cursor == page["publications"][-1]["cursor"]
    assert (found, pages) == (list(range(7)), [(3, True), (3, True), (1, False)])
    assert cursor == last
    assert (await read(door, cursor)).data == {
        "roomId": ROOM,
        "publications": [],
        "cursor": last,
        "hasMore": False,
    }
    after = await publish(door, "after")
    page = (await read(door, cursor)).data
    assert page["publications"] == [{"event": "chat", "cursor": after, "data": "after"}]


async def test_events_are_told_as_members_hear_them(open_door: OpenDoor) -> None:
    door = await open_door(PRODUCTION)
    cursor = await publish(door, "before")
    worker = Worker(door.other_worker)
    bike = [{"event": "bike-update", "data": {"bike_id": "1", "lat": 1.5}}]
    await door.post(ROOM, bike, {"Authorization": bearer()})
    data = b'{"photo":{"_placeholder":true,"num":0}}'
    await worker.publish(draft_of_event(ROOM, "photo", data, None, None, (b"\x00\xff",)))
    update, photo = (await read(door, cursor)).data["publications"]
    assert update["event"] == "bike-updated"
    assert update["data"] == {"bike_id": "1", "lat": 1.5, "roomId": ROOM}
    assert (photo["event"], photo["data"]) == ("photo", {"photo": {"base64": "AP8="}})


async def test_a_page_ends_when_it_is_large(
    open_door: OpenDoor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(histories, "PAGE_BYTES", 1000)
    door = await open_door(PRODUCTION)
    cursor = await publish(door, "before")
    await publish(door, "a" * 5000, "b" * 500, "c" * 400, "d" * 200)
    pages = []
    for _ in range(3):
        page = (await read(door, cursor)).data
        pages.append(([len(str(text)) for text in texts_of(page)], page["hasMore"]))
        cursor = page["cursor"]
    assert pages == [([5000], True), ([500, 400], True), ([200], False)]


async def test_what_is_not_all_of_it_is_refused(open_door: OpenDoor, tmp_path: Path) -> None:
    config = tmp_path / "rooms.toml"
    text = '[[room]]\npattern = "city:*"\nhistory_length = 2\n'
    await asyncio.to_thread(config.write_text, text)
    door = await open_door(PRODUCTION | {"PACELINE_CONFIG": str(config)})
    cursor = await publish(door, "before")
    await publish(door, 1, 2)
    assert texts_of((await read(door, cursor)).data) == [1, 2]
    await publish(door, 3)
    answer = await read(door, cursor)
    assert (answer.status, answer.code) == (410, "CURSOR_GONE")
    elsewhere = await publish(door, "x", room="city:rome")
    assert (await read(door, elsewhere)).code == "CURSOR_GONE"


async def test_only_those_who_may_join_read_it(open_door: OpenDoor) -> None:
    door = await open_door(PRODUCTION)
    cursor = await publish(door, "before")
    path = f"{PATH}?since={cursor}"
    assert (await door.ask("GET", path, role=None)).code == "UNAUTHENTICATED"
    elsewhere = {"Authorization": bearer(Role.VIEWER, join=("city:lyon",))}
    assert (await door.ask("GET", path, headers=elsewhere)).code == "FORBIDDEN"
    assert (await read(door, "yesterday")).code == "INVALID_CURSOR"
    assert (await door.ask("GET", PATH)).bad_fields.keys() == {"since"}


async def test_who_asks_is_judged_before_what(open_door: OpenDoor) -> None:
    door = await open_door(PRODUCTION)
    for path in (PATH, f"/api/rooms/{ROOM}/events"):
        stranger = await door.ask("GET", f"{path}?since=bad", role=None)
        assert (stranger.status, stranger.code) == (401, "UNAUTHENTICATED")
        member = await door.ask("GET", f"{path}?since=bad", role=Role.VIEWER)
        assert (member.status, member.code) == (400, "INVALID_CURSOR")
