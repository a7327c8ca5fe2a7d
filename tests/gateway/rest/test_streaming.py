"""A room as Server-Sent Events, over HTTP."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import time
from collections.abc import AsyncIterator
from typing import Any

import pytest
from yarl import URL

from gateway.broker.contract import BrokerUnavailable
from gateway.broker.memory import MemoryBroker
from gateway.identity import Identity, Role
from gateway.rooms.membership import Peer
from protocol.cursor import Cursor
from protocol.events import JoinRoom
from protocol.refusals import Goodbye
from protocol.users import NewUser, UserChanges
from tests.gateway.rest.conftest import DEVELOPMENT, PRODUCTION, Door, OpenDoor, bearer
from tests.toolbox.event_stream import EventStream

ROOM = "city:paris"
PATH = f"/api/rooms/{ROOM}/events"
NOW_MS = 1_760_000_000_000
BIKE = {"bike_id": "7", "lat": 48.85, "lon": 2.35}


@contextlib.asynccontextmanager
async def stream(door: Door, query: str = "", **headers: str) -> AsyncIterator[EventStream]:
    sent = {name.replace("_", "-"): value for name, value in headers.items()}
    url = URL(f"{PATH}{query}", encoded=True)
    async with door.client.get(url, headers={"Accept": "text/event-stream", **sent}) as response:
        assert response.status == 200, await response.text()
        yield EventStream(response, sent.get("Last-Event-ID", ""))


async def update(door: Door, **fields: Any) -> str:  # noqa: ANN401 - any JSON
    status, body = await door.post(ROOM, {"event": "bike-update", "data": BIKE | fields})
    assert status == 200
    return str(body["data"]["cursor"])


async def code_of(door: Door, query: str = "", **headers: str) -> tuple[int, str]:
    sent = {name.replace("_", "-"): value for name, value in headers.items()}
    async with door.client.get(URL(f"{PATH}{query}", encoded=True), headers=sent) as response:
        return response.status, (await response.json())["error"]["code"]


async def until_gone(door: Door) -> None:
    async with asyncio.timeout(15):
        while len(door.streams) or door.hub.membership.peers:  # noqa: ASYNC110 - no event for it
            await asyncio.sleep(0.01)


async def test_a_stream_says_where_it_stands_and_then_what_happens(door: Door) -> None:
    async with stream(door) as events:
        joined = await events.next()
        assert joined.name == "room-joined"
        assert joined.last_id == joined.data["cursor"]
        cursor = await update(door)
        updated = await events.next()
        assert (updated.name, updated.last_id) == ("bike-updated", cursor)
        assert updated.data == BIKE | {"roomId": ROOM}
        await update(door, op="remove")
        removed = await events.next()
        assert removed.name == "bike-removed"
        assert removed.data == {"roomId": ROOM, "reason": "removed", "bikeId": "7"}
        headers = events.response.headers
    assert headers["Cache-Control"] == "no-store"
    assert headers["X-Accel-Buffering"] == "no"
    assert headers["X-Content-Type-Options"] == "nosniff"
    await until_gone(door)


async def test_the_snapshot_comes_first_when_it_is_asked_for(door: Door) -> None:
    await update(door)
    async with stream(door, "?snapshot=true") as events:
        assert (await events.next()).data["snapshot"] == [BIKE | {"roomId": ROOM}]


@pytest.mark.parametrize("way", ["header", "parameter"])
async def test_who_comes_back_is_told_what_it_missed_once_and_in_order(
    door: Door, way: str
) -> None:
    first = await update(door)
    missed = [await update(door, lat=lat) for lat in range(5)]
    query = "?snapshot=true" if way == "header" else f"?snapshot=true&since={first}"
    headers = {"Last_Event_ID": first} if way == "header" else {}
    async with stream(door, query, **headers) as events:
        joined = await events.next()
        assert joined.data["recovered"] is True
        assert "snapshot" not in joined.data
        assert joined.last_id == first  # cut off here, it would still lack the others
        assert [(await events.next()).last_id for _ in missed] == missed
        assert await update(door, lat=9) == (await events.next()).last_id


async def test_the_last_event_counts_for_more_than_where_the_url_began(door: Door) -> None:
    first = await update(door)
    second = await update(door, lat=1)
    third = await update(door, lat=2)
    async with stream(door, f"?since={first}", Last_Event_ID=second) as events:
        await events.next()
        assert (await events.next()).last_id == third


async def test_what_cannot_be_continued_is_reset_and_the_snapshot_follows(door: Door) -> None:
    await update(door)
    async with stream(door, "?snapshot=true&since=other.1.00000000") as events:
        reset, joined = await events.next(), await events.next()
    assert (reset.name, reset.data) == ("room-reset", {"roomId": ROOM, "reason": "lost"})
    assert joined.data["recovered"] is False
    assert joined.data["snapshot"] == [BIKE | {"roomId": ROOM}]
    assert joined.last_id == joined.data["cursor"]


async def test_json_with_line_ends_in_it_is_still_one_event(door: Door) -> None:
    async with stream(door) as events:
        await events.next()
        await door.post(ROOM, '{"event": "note", "data": {"a":\r\n1,\r"b":\n\n2}}')
        event = await events.next()
    assert (event.name, event.data) == ("note", {"a": 1, "b": 2})


async def test_the_author_is_a_stranger_to_its_stream(open_door: OpenDoor) -> None:
    door = await open_door(PRODUCTION)
    token = bearer(Role.RIDER, subject="ann")
    async with stream(door, Authorization=token) as events:
        await events.next()
        await door.post(ROOM, {"event": "note", "data": 1}, {"Authorization": token})
        assert (await events.next()).data == 1


async def test_only_those_who_may_join_may_stream(open_door: OpenDoor) -> None:
    door = await open_door(PRODUCTION)
    assert await code_of(door) == (401, "UNAUTHENTICATED")
    elsewhere = bearer(Role.VIEWER, join=("city:lyon",))
    assert await code_of(door, Authorization=elsewhere) == (403, "FORBIDDEN")
    assert await code_of(door, "?since=x", Authorization=bearer()) == (400, "INVALID_CURSOR")
    assert await code_of(door, "?sins=1", Authorization=bearer()) == (422, "INVALID")
    await until_gone(door)


async def test_a_stream_is_a_member_of_its_room(open_door: OpenDoor) -> None:
    door = await open_door(PRODUCTION)
    async with stream(door, Authorization=bearer(Role.VIEWER, subject="ann")) as events:
        await events.next()
        answer = await door.ask("GET", f"/api/rooms/{ROOM}/members")
        (member,) = answer.data["members"]
        assert member["subject"] == "ann"
        await door.ask("DELETE", f"/api/peers?peerId={member['peerId']}")
        goodbye = await events.next()
        assert (goodbye.name, goodbye.data["code"]) == ("goodbye", Goodbye.REMOVED.code)
        with pytest.raises(EOFError):
            await events.next()
    await until_gone(door)


async def test_a_stream_ends_when_its_user_is_disabled(open_door: OpenDoor) -> None:
    door = await open_door(PRODUCTION)
    user = await door.accounts.create(NewUser(email="ann@example.org", name="Ann"), NOW_MS)
    async with stream(door, Authorization=bearer(Role.VIEWER, subject=user.id)) as events:
        await events.next()
        began = time.monotonic()
        await door.ask("PATCH", f"/api/users/{user.id}", {"disabled": True})
        goodbye = await events.next()
        with pytest.raises(EOFError):
            await events.next()
        assert time.monotonic() - began < 10  # it does not wait for a heartbeat
    assert goodbye.data == {"code": 3501, "reason": "the account is disabled"}
    assert events.retry_ms == 2000  # and no other time to come back


async def test_a_stream_ends_with_its_token(open_door: OpenDoor) -> None:
    door = await open_door(PRODUCTION | {"PACELINE_JWT_LEEWAY_SECONDS": "0"})
    async with stream(door, Authorization=bearer(Role.VIEWER, seconds=1.5)) as events:
        await events.next()
        assert (await events.next()).data["code"] == Goodbye.TOKEN_EXPIRED.code


async def test_a_busy_stream_ends_with_its_token_too(open_door: OpenDoor) -> None:
    door = await open_door(PRODUCTION | {"PACELINE_JWT_LEEWAY_SECONDS": "0"})
    async with stream(door, Authorization=bearer(Role.VIEWER, seconds=1.5)) as events:
        await events.next()
        event = None
        async with asyncio.timeout(15):
            while event is None or event.name == "note":
                await door.post(ROOM, {"event": "note"}, {"Authorization": bearer()})
                event = await events.next()
        assert event.data["code"] == Goodbye.TOKEN_EXPIRED.code


async def test_a_stream_that_is_taken_out_of_its_room_ends(open_door: OpenDoor) -> None:
    door = await open_door(PRODUCTION)
    async with stream(door, Authorization=bearer(Role.VIEWER)) as events:
        await events.next()
        (peer_id,) = door.hub.membership.peers
        await door.ask("DELETE", f"/api/rooms/{ROOM}/members/{peer_id}")
        assert (await events.next()).data == {"roomId": ROOM, "reason": "removed"}
        assert (await events.next()).data["code"] == Goodbye.REMOVED.code
        with pytest.raises(EOFError):
            await events.next()


async def test_a_quiet_stream_has_heartbeats(open_door: OpenDoor) -> None:
    door = await open_door(DEVELOPMENT | {"PACELINE_PING_INTERVAL_SECONDS": "0.05"})
    async with stream(door) as events:
        await events.next()
        await events.comment()
        await events.comment()


async def test_a_departing_worker_tells_its_streams_when_to_come_back(door: Door) -> None:
    async with stream(door) as events:
        await events.next()
        (staying,) = door.streams.staying()
        door.streams.is_accepting = False
        door.streams.see_off(staying)
        goodbye = await events.next()
        assert goodbye.data["code"] == Goodbye.SHUTTING_DOWN.code
        assert events.retry_ms == goodbye.data["reconnectAfterMs"]
    # A browser that comes too early is told to try again; it would give up after a 503.
    async with stream(door) as events:
        assert (await events.next()).data["code"] == Goodbye.SHUTTING_DOWN.code
    assert (await code_of(door))[0] == 503


async def test_so_many_streams_of_an_identity_and_no_more(open_door: OpenDoor) -> None:
    door = await open_door(PRODUCTION | {"PACELINE_CONNECTIONS_PER_IDENTITY_LIMIT": "1"})
    ann, ben = bearer(Role.VIEWER, subject="ann"), bearer(Role.VIEWER, subject="ben")
    async with stream(door, Authorization=ann):
        assert await code_of(door, Authorization=ann) == (429, "TOO_FAST")
        async with stream(door, Authorization=ben) as events:
            await events.next()
    await until_gone(door)
    async with stream(door, Authorization=ann) as events:
        await events.next()


async def test_so_many_streams_from_an_address_and_no_more(open_door: OpenDoor) -> None:
    door = await open_door(DEVELOPMENT | {"PACELINE_CONNECTIONS_PER_ADDRESS_LIMIT": "1"})
    async with stream(door) as events:
        await events.next()
        assert await code_of(door) == (429, "TOO_FAST")


async def test_a_broker_that_is_away_is_not_now(open_door: OpenDoor) -> None:
    class Absent(MemoryBroker):
        async def follow(self, room: str) -> Cursor:  # noqa: ARG002 - it is away for every room
            raise BrokerUnavailable

    door = await open_door(DEVELOPMENT, Absent)
    assert (await code_of(door))[0] == 503
    async with stream(door) as events:
        assert (await events.next()).name == "goodbye"
    await until_gone(door)


async def test_who_does_not_read_is_cut_off(open_door: OpenDoor) -> None:
    limits = {"PACELINE_OUTBOX_LIMIT_BYTES": "200000", "PACELINE_WRITE_HIGH_WATER_BYTES": "20000"}
    door = await open_door(DEVELOPMENT | limits)
    with socket.create_connection((door.client.host, door.client.port or 0)) as sleeper:
        sleeper.sendall(f"GET {PATH} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
        async with asyncio.timeout(60):
            while not door.metrics.goodbyes[str(Goodbye.TOO_SLOW.code)]:
                await door.post(ROOM, {"event": "note", "data": "x" * 30_000})
        await until_gone(door)


async def test_pages_of_allowed_origins_may_read_a_stream(open_door: OpenDoor) -> None:
    origin = "https://maps.example"
    door = await open_door(DEVELOPMENT | {"PACELINE_ALLOWED_ORIGINS": origin})
    async with stream(door, Origin=origin) as events:
        assert events.response.headers["Access-Control-Allow-Origin"] == origin
    async with stream(door, Origin="https://elsewhere.example") as events:
        assert "Access-Control-Allow-Origin" not in events.response.headers
        assert events.response.headers["Vary"] == "Origin"


# ---- tickets


async def test_a_ticket_opens_one_stream_without_a_header(open_door: OpenDoor) -> None:
    door = await open_door(PRODUCTION)
    answer = await door.ask("POST", "/api/tickets", role=Role.VIEWER, subject="ann")
    assert answer.status == 201
    assert answer.data["expiresInSeconds"] == 30
    query = f"?ticket={answer.data['ticket']}"
    async with stream(door, query) as events:
        await events.next()
        (peer,) = door.hub.membership.peers.values()
        assert (peer.identity.subject, peer.identity.role) == ("ann", Role.VIEWER)
    assert await code_of(door, query) == (401, "TOKEN_INVALID")
    assert await code_of(door, "?ticket=none") == (401, "TOKEN_INVALID")
    assert await code_of(door, "?ticket=none&since=bad") == (401, "TOKEN_INVALID")


async def test_a_ticket_is_worth_no_more_than_its_token(open_door: OpenDoor) -> None:
    door = await open_door(PRODUCTION)
    user = await door.accounts.create(NewUser(email="ann@example.org", name="Ann"), NOW_MS)
    answer = await door.ask("POST", "/api/tickets", role=Role.VIEWER, subject=user.id)
    await door.accounts.change(user.id, UserChanges(disabled=True), NOW_MS)
    assert await code_of(door, f"?ticket={answer.data['ticket']}") == (403, "FORBIDDEN")
    assert (await door.ask("POST", "/api/tickets", role=None)).code == "UNAUTHENTICATED"


# ---- beside sockets


async def test_streams_and_sockets_share_a_room(door: Door) -> None:
    """What goes to everybody together passes a stream by, and it is told all the same, once."""
    peer = Peer("socket", Identity("ann", Role.RIDER), lambda _: None)
    door.hub.welcome(peer)
    await door.hub.join(peer, JoinRoom(ROOM), lambda _: None)
    async with stream(door) as events:
        await events.next()
        door.hub.leave(peer, ROOM)
        cursors = [await update(door, lat=lat) for lat in range(20)]
        assert [(await events.next()).last_id for _ in cursors] == cursors
    door.hub.forget(peer)
