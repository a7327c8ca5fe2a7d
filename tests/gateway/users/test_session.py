"""Sessions: the rules, and the contract of their store over every database."""

from __future__ import annotations

import asyncio

import msgspec
import pytest

from gateway.users.database import Database
from gateway.users.session import (
    SESSIONS_OF_A_USER_LIMIT,
    Origin,
    Session,
    new_session,
    next_turn,
)
from gateway.users.sql import SqlUserStore
from gateway.users.sql_sessions import SqlSessionStore
from gateway.users.user import User
from tests.gateway.users.people import NOW_MS, person

HOUR_MS = 3_600_000


@pytest.fixture
def sessions(database: Database) -> SqlSessionStore:
    return SqlSessionStore(database)


@pytest.fixture
async def ada(store: SqlUserStore) -> User:
    await store.save(person(1))
    return person(1)


def session_of(user: User, number: int = 0) -> Session:
    origin = Origin("192.0.2.1", "Firefox")
    return new_session(user.id, origin, NOW_MS + number, HOUR_MS, number.to_bytes(10, "big"))


# ---- rules


def test_what_a_client_calls_itself_is_shortened_and_printable() -> None:
    origin = Origin("192.0.2.1", "Evil\x1b[31m\r\n" + "x" * 1000)

    session = new_session("ada", origin, NOW_MS, HOUR_MS, bytes(10))

    assert session.agent.startswith("Evil[31mxxx")
    assert len(session.agent) == 200


def test_a_turn_prolongs_a_session() -> None:
    session = session_of(person())

    after = next_turn(session, NOW_MS + 7, HOUR_MS, 24 * HOUR_MS)

    assert (after.turn, after.used_at_ms, after.expires_at_ms) == (
        2,
        NOW_MS + 7,
        NOW_MS + 7 + HOUR_MS,
    )
    assert after.created_at_ms == session.created_at_ms


def test_no_turn_prolongs_a_session_for_ever() -> None:
    session = session_of(person())
    late_ms = session.created_at_ms + 23 * HOUR_MS + 1

    after = next_turn(session, late_ms, HOUR_MS, 24 * HOUR_MS)

    assert after.expires_at_ms == session.created_at_ms + 24 * HOUR_MS


def test_a_view_tells_which_session_is_asking() -> None:
    session = session_of(person())

    assert session.view(session.id).is_current
    assert not session.view(None).is_current


# ---- the store


async def test_an_open_session_is_found_until_it_expires(
    sessions: SqlSessionStore, ada: User
) -> None:
    session = session_of(ada)
    await sessions.open(session)

    assert await sessions.find(session.id, NOW_MS) == session
    assert await sessions.find(session.id, NOW_MS + HOUR_MS) is None
    assert await sessions.find("none", NOW_MS) is None
    assert await sessions.of_user(ada.id, NOW_MS) == [session]


async def test_1_of_many_who_use_one_turn_one_is_first(
    sessions: SqlSessionStore, ada: User
) -> None:
    session = session_of(ada)
    await sessions.open(session)
    after = next_turn(session, NOW_MS, HOUR_MS, 24 * HOUR_MS)

    done = await asyncio.gather(*(sessions.turn(session, after) for _ in range(10)))

    assert sum(done) == 1
    assert await sessions.find(session.id, NOW_MS) == after


async def test_2_what_is_closed_is_gone(sessions: SqlSessionStore, ada: User) -> None:
    one, other, third = (session_of(ada, number) for number in range(3))
    for session in (one, other, third):
        await sessions.open(session)

    assert await sessions.close(one.id, NOW_MS) == one
    assert await sessions.close(one.id, NOW_MS) is None
    assert await sessions.of_user(ada.id, NOW_MS) == [third, other]
    assert await sessions.close_all(ada.id, NOW_MS) == 2
    assert await sessions.of_user(ada.id, NOW_MS) == []


async def test_2_sessions_and_password_go_with_their_user(
    sessions: SqlSessionStore, store: SqlUserStore, ada: User
) -> None:
    await sessions.open(session_of(ada))
    await sessions.set_password(ada.id, "hash", NOW_MS, session_of(ada).id)

    await store.delete(ada.id, NOW_MS)

    assert await sessions.find(session_of(ada).id, NOW_MS) is None
    assert await sessions.find_password(ada.id) is None


async def test_3_a_new_password_ends_the_other_sessions(
    sessions: SqlSessionStore, ada: User
) -> None:
    one, other = session_of(ada, 0), session_of(ada, 1)
    await sessions.open(one)
    await sessions.open(other)

    assert await sessions.set_password(ada.id, "hash", NOW_MS, one.id)
    assert await sessions.of_user(ada.id, NOW_MS) == [one]
    assert await sessions.set_password(ada.id, "another hash", NOW_MS, None)
    assert await sessions.of_user(ada.id, NOW_MS) == []
    assert await sessions.credentials_of(ada.email.upper()) == (ada, "another hash")


async def test_3_no_session_begins_with_a_password_that_was_replaced(
    sessions: SqlSessionStore, ada: User
) -> None:
    await sessions.set_password(ada.id, "hash", NOW_MS, None)

    assert await sessions.open(session_of(ada, 0), "hash")
    await sessions.set_password(ada.id, "another hash", NOW_MS, None)
    assert not await sessions.open(session_of(ada, 1), "hash")
    assert await sessions.of_user(ada.id, NOW_MS) == []
    assert await sessions.open(session_of(ada, 2), "another hash")
    assert await sessions.open(session_of(ada, 3))


async def test_nobody_has_no_password(sessions: SqlSessionStore, ada: User) -> None:
    assert await sessions.credentials_of(ada.email) == (ada, None)
    assert await sessions.credentials_of("nobody@example.org") is None
    assert await sessions.set_password("nobody", "hash", NOW_MS, None) is False


async def test_a_better_hash_takes_the_place_of_the_one_that_was_proved(
    sessions: SqlSessionStore, ada: User
) -> None:
    await sessions.set_password(ada.id, "old", NOW_MS, None)

    await sessions.replace_hash(ada.id, "older", "wrong")
    assert await sessions.find_password(ada.id) == "old"
    await sessions.replace_hash(ada.id, "old", "new")
    assert await sessions.find_password(ada.id) == "new"


async def test_a_user_has_only_so_many_sessions(sessions: SqlSessionStore, ada: User) -> None:
    for number in range(SESSIONS_OF_A_USER_LIMIT + 3):
        await sessions.open(session_of(ada, number))

    kept = await sessions.of_user(ada.id, NOW_MS)

    assert len(kept) == SESSIONS_OF_A_USER_LIMIT
    assert kept[0].used_at_ms - kept[-1].used_at_ms == SESSIONS_OF_A_USER_LIMIT - 1
    assert kept[0] == session_of(ada, SESSIONS_OF_A_USER_LIMIT + 2)


async def test_expired_sessions_are_forgotten_when_another_begins(
    sessions: SqlSessionStore, ada: User
) -> None:
    await sessions.open(session_of(ada, 0))
    late = msgspec.structs.replace(session_of(ada, 1), created_at_ms=NOW_MS + HOUR_MS + 1)

    await sessions.open(late)

    assert await sessions.of_user(ada.id, 0) == [late]
