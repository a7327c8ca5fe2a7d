from __future__ import annotations

import asyncio
import json
import time

import msgspec
import pytest

from gateway.settings import Settings
from gateway.sockets.expiry import TokenWatch
from gateway.sockets.session import Session
from tests.gateway.sockets.recorded_door import Door
from tests.gateway.sockets.recording_transport import RecordingTransport
from tests.toolbox import virtual_time


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
    assert 0 < look_in_seconds <= 60, "a session that is gone has no timer for an hour"


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


# ---- as time passes: a token of half an hour, the warning a minute before, ten seconds of leeway


@pytest.fixture
def _clock_of_the_loop(monkeypatch: pytest.MonkeyPatch) -> None:
    """The wall's clock goes as fast as that of the virtual loop."""
    monkeypatch.setattr(time, "time", lambda: 1.8e9 + asyncio.get_running_loop().time())


def patient_door() -> Door:
    """Its peers answer no pings, and are not asked."""
    door = Door()
    door.engine.ping_interval = 1e6
    return door


@pytest.mark.usefixtures("_clock_of_the_loop")
def test_a_token_is_warned_of_in_time_and_ends_when_the_leeway_is_over() -> None:
    async def scenario() -> None:
        door = patient_door()
        _, session, transport = watched(door, 1800)
        await asyncio.sleep(1739)
        assert events_of(transport) == []
        await asyncio.sleep(3)
        assert events_of(transport) == ["token-expiring"]
        await asyncio.sleep(66)
        assert not session.connection.closed
        await asyncio.sleep(4)
        assert events_of(transport) == ["token-expiring", "goodbye"]
        assert session.connection.closed
        door.engine.wheel.stop()

    virtual_time.run(scenario())


@pytest.mark.usefixtures("_clock_of_the_loop")
def test_the_end_of_the_old_token_is_not_that_of_the_new_one() -> None:
    async def scenario() -> None:
        door = patient_door()
        watch, session, transport = watched(door, 1800)
        await asyncio.sleep(1750)
        session.identity = msgspec.structs.replace(
            session.identity, expires_at_seconds=time.time() + 1800
        )
        session.is_warned = False
        watch.watch(session)
        await asyncio.sleep(1730)
        assert events_of(transport) == ["token-expiring"], "that of the old one"
        await asyncio.sleep(15)
        assert events_of(transport) == ["token-expiring", "token-expiring"]
        await asyncio.sleep(70)
        assert session.connection.closed
        door.engine.wheel.stop()

    virtual_time.run(scenario())


@pytest.mark.usefixtures("_clock_of_the_loop")
def test_a_new_token_that_ends_earlier_is_seen_to_earlier() -> None:
    async def scenario() -> None:
        door = patient_door()
        watch, session, transport = watched(door, 86_400)
        session.identity = msgspec.structs.replace(
            session.identity, expires_at_seconds=time.time() + 100
        )
        watch.watch(session)
        await asyncio.sleep(42)
        assert events_of(transport) == ["token-expiring"]
        await asyncio.sleep(70)
        assert events_of(transport) == ["token-expiring", "goodbye"]
        door.engine.wheel.stop()

    virtual_time.run(scenario())


@pytest.mark.usefixtures("_clock_of_the_loop")
def test_a_session_that_has_gone_is_told_nothing_and_not_looked_at_again() -> None:
    async def scenario() -> None:
        door = patient_door()
        _, session, transport = watched(door, 100)
        session.connection.peer = None
        await asyncio.sleep(200)
        assert transport.texts == []
        assert not session.connection.closed
        door.engine.wheel.stop()

    virtual_time.run(scenario())


@pytest.mark.usefixtures("_clock_of_the_loop")
def test_a_look_whose_place_another_has_taken_is_no_second_one_for_ever() -> None:
    async def scenario() -> None:
        door = patient_door()
        watch, session, _ = watched(door, 86_400)  # looked at after 60 seconds, and again
        for lifetime_seconds in (100, 86_400):  # the first is looked at earlier, the second then
            session.identity = msgspec.structs.replace(
                session.identity, expires_at_seconds=time.time() + lifetime_seconds
            )
            watch.watch(session)
        await asyncio.sleep(50)
        next_look_seconds = session.look_seconds
        await asyncio.sleep(40)
        assert session.look_seconds == next_look_seconds
        door.engine.wheel.stop()

    virtual_time.run(scenario())
