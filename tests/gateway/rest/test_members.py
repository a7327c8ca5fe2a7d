"""Who is in a room, and who is taken out of it, over HTTP."""

from __future__ import annotations

from typing import Any

import pytest

from gateway.identity import Identity, Role
from gateway.rooms.membership import Peer
from protocol.events import JoinRoom
from tests.gateway.rest.conftest import PRODUCTION, Door, OpenDoor, bearer

ROOM = "city:paris"
MEMBERS = f"/api/rooms/{ROOM}/members"


async def enter(door: Door, name: str) -> Peer:
    peer = Peer(name, Identity(f"subject of {name}", Role.RIDER))
    door.hub.welcome(peer)
    await door.hub.join(peer, JoinRoom(ROOM), lambda _joined: None)
    return peer


async def ask(door: Door, method: str, path: str, token: str) -> tuple[int, Any]:
    headers = {"Authorization": token} if token else {}
    async with door.client.request(method, path, headers=headers) as response:
        return response.status, await response.json()


async def test_members_are_listed_for_whoever_may_join(open_door: OpenDoor) -> None:
    door = await open_door(PRODUCTION)
    await enter(door, "ann")
    status, body = await ask(door, "GET", MEMBERS, bearer(Role.VIEWER))
    assert status == 200
    assert body == {
        "data": {"roomId": ROOM, "members": [{"peerId": "ann", "subject": "subject of ann"}]}
    }
    assert (await ask(door, "GET", MEMBERS, bearer(Role.VIEWER, join=("city:lyon",))))[0] == 403
    assert (await ask(door, "GET", MEMBERS, ""))[0] == 401


async def test_the_removal_of_a_peer_is_confirmed(open_door: OpenDoor) -> None:
    door = await open_door(PRODUCTION)
    status, body = await ask(door, "DELETE", f"{MEMBERS}/nobody", bearer(Role.OPERATOR))
    assert (status, body) == (200, {"data": {"roomId": ROOM, "peerId": "nobody"}})


@pytest.mark.parametrize("path", [f"{MEMBERS}/ann", "/api/peers?subject=ann"])
@pytest.mark.parametrize("role", [Role.VIEWER, Role.RIDER, Role.SERVICE])
async def test_nobody_but_operators_removes(open_door: OpenDoor, path: str, role: Role) -> None:
    door = await open_door(PRODUCTION)
    ann = await enter(door, "ann")
    assert (await ask(door, "DELETE", path, bearer(role)))[0] == 403
    assert ROOM in ann.subscriptions


@pytest.mark.parametrize(
    "query",
    [
        "",
        "?subject=",
        "?peerId=a&subject=b",
        "?somebody=a",
        "?peerId=a&peerId=b",
        f"?peerId={'x' * 201}",
    ],
)
async def test_whom_to_dismiss_has_to_be_said(open_door: OpenDoor, query: str) -> None:
    door = await open_door(PRODUCTION)
    status, body = await ask(door, "DELETE", f"/api/peers{query}", bearer(Role.OPERATOR))
    assert (status, body["error"]["code"]) == (422, "INVALID")


async def test_the_dismissal_of_a_subject_is_confirmed(open_door: OpenDoor) -> None:
    door = await open_door(PRODUCTION)
    status, body = await ask(door, "DELETE", "/api/peers?subject=nobody", bearer(Role.ADMIN))
    assert (status, body) == (200, {"data": {"subject": "nobody"}})
