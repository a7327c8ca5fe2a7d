from __future__ import annotations

import asyncio
import json
import time

import msgspec

from gateway.settings import Settings
from gateway.sockets.expiry import TokenWatch
from gateway.sockets.session import Session
from tests.gateway.sockets.recorded_door import Door
from tests.gateway.sockets.recording_transport import RecordingTransport


def watched(
    door: Door, lifetime_seconds: float | None, **environ: str
) -> tuple[TokenWatch, Session, RecordingTransport]:
    settings = Settings.from_env({"PACELINE_ENV": "development", **environ})
    session, transport = door.enter("peer", "room")
    expires = None if lifetime_seconds is None else time.time() + lifetime_seconds
    session.identity = msgspec.structs.replace(session.identity, expires_at_seconds=expires)
    session.connection.peer = session
    watch = TokenWatch(settings, door.lanes)
    watch.watch(session)
    return watch, session, transport


def events_of(transport: RecordingTransport) -> list[str]:
    return [json.loads(text[2:])[0] for text in transport.texts if text.startswith("42[")]


async def test_a_token_without_an_end_is_not_watched() -> None:
    door = Door()
    _, session, transport = watched(door, None)
    door.engine.wheel.stop()

    assert session.look_seconds is None
    assert events_of(transport) == []


async def test_nothing_is_said_long_before_the_end() -> None:
    door = Door()
    _, session, transport = watched(door, 3600)
    look_in_seconds = (session.look_seconds or 0) - asyncio.get_running_loop().time()
    door.engine.wheel.stop()

    assert events_of(transport) == []
    assert 0 < look_in_seconds <= 300, "a session that is gone is not remembered for an hour"


async def test_shortly_before_the_end_there_is_one_warning() -> None:
    door = Door()
    watch, session, transport = watched(door, 30)
    watch.watch(session)
    door.engine.wheel.stop()

    assert events_of(transport) == ["token-expiring"]


async def test_at_the_end_there_is_a_goodbye_that_invites_back() -> None:
    door = Door()
    _, session, transport = watched(door, -60)
    door.engine.wheel.stop()

    assert events_of(transport)[-1] == "goodbye"
    assert session.connection.closed
    assert "41" not in transport.texts, "which would tell the client not to come back"


async def test_within_the_leeway_it_may_stay() -> None:
    door = Door()
    _, session, transport = watched(door, -5, PACELINE_JWT_LEEWAY_SECONDS="10")
    door.engine.wheel.stop()

    assert not session.connection.closed
    assert events_of(transport) == ["token-expiring"]


async def test_a_new_token_puts_the_end_off() -> None:
    door = Door()
    watch, session, transport = watched(door, 30)
    session.identity = msgspec.structs.replace(
        session.identity, expires_at_seconds=time.time() + 7200
    )
    session.is_warned = False
    watch.watch(session)
    door.engine.wheel.stop()

    assert events_of(transport) == ["token-expiring"], "that of the old one"
    assert not session.connection.closed
