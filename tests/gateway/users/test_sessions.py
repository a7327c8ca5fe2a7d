"""Signing in and out."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from pathlib import Path

import pytest
from argon2 import PasswordHasher

from gateway.identity import KeySet, TokenRules, identity_of_token
from gateway.users.passwords import Passwords
from gateway.users.session import Origin
from gateway.users.sessions import SessionRules, Sessions, SignedIn
from gateway.users.sql import SqlUserStore
from gateway.users.sql_sessions import SqlSessionStore
from gateway.users.user import User, changed
from protocol.refusals import Refusal, Refused
from protocol.users import UserChanges
from tests.gateway.users.backends import opened
from tests.gateway.users.people import NOW_MS, person

SECRET = "a-secret-of-thirty-two-bytes-or-more"
PASSWORD = "correct horse"
HERE = Origin("192.0.2.1", "Firefox")


class Interrupted(SqlSessionStore):
    """A store in which something else happens, once, as soon as somebody knows a hash."""

    meanwhile: Callable[[], Awaitable[object]] | None = None

    async def credentials_of(self, email: str) -> tuple[User, str | None] | None:
        found = await super().credentials_of(email)
        happens, self.meanwhile = self.meanwhile, None
        if happens is not None:
            await happens()
        return found


class Desk:
    """Sessions over a database of their own, and somebody who may sign in."""

    def __init__(self, users: SqlUserStore, store: Interrupted, passwords: Passwords) -> None:
        self.users = users
        self.store = store
        self.passwords = passwords
        self.keys = KeySet.of([SECRET])
        self.sessions = self.sessions_with(self.keys)

    def sessions_with(self, keys: KeySet) -> Sessions:
        rules = SessionRules(600.0, 3600.0)
        return Sessions(self.users, self.store, self.passwords, keys, TokenRules(), rules)

    async def sign_in(self, password: str = PASSWORD, origin: Origin = HERE) -> SignedIn:
        return await self.sessions.sign_in(ADA.email, password, origin)


ADA: User = person(1)


@pytest.fixture
def passwords() -> Iterator[Passwords]:
    passwords = Passwords()
    yield passwords
    passwords.stop()


@pytest.fixture
async def desk(tmp_path: Path, passwords: Passwords) -> AsyncIterator[Desk]:
    database = await opened(f"sqlite:///{tmp_path}/users.db")
    desk = Desk(SqlUserStore(database), Interrupted(database), passwords)
    await desk.users.save(ADA)
    await desk.sessions.set_password(ADA, PASSWORD)
    yield desk
    await database.stop()


async def refusal_of(work: Awaitable[object]) -> Refusal:
    with pytest.raises(Refused) as caught:
        await work
    return caught.value.refusal


async def test_the_access_token_proves_who_has_signed_in_and_where(desk: Desk) -> None:
    signed_in = await desk.sign_in()

    identity = identity_of_token(signed_in.access_token, desk.keys, time.time(), TokenRules())
    assert (identity.subject, identity.role) == (ADA.id, ADA.as_role)
    assert identity.session_id == signed_in.session.id
    assert (signed_in.session.address, signed_in.session.agent) == ("192.0.2.1", "Firefox")
    assert signed_in.expires_in_seconds == 600
    assert signed_in.access_token not in repr(signed_in)


async def test_a_wrong_password_and_a_wrong_address_are_the_same_no(desk: Desk) -> None:
    with pytest.raises(Refused) as wrong:
        await desk.sign_in("wrong horse")
    with pytest.raises(Refused) as unknown:
        await desk.sessions.sign_in("nobody@example.org", PASSWORD, HERE)

    assert wrong.value.body() == unknown.value.body()
    assert wrong.value.refusal is Refusal.CREDENTIALS_WRONG


async def test_a_password_that_is_replaced_while_it_is_compared_begins_no_session(
    desk: Desk,
) -> None:
    desk.store.meanwhile = lambda: desk.sessions.set_password(ADA, "another horse")

    assert await refusal_of(desk.sign_in()) is Refusal.CREDENTIALS_WRONG
    assert await desk.sessions.of_user(ADA.id) == []


async def test_who_knows_the_new_password_already_signs_in(desk: Desk) -> None:
    """Of two who sign in at once, one may have replaced the hash by a better one."""
    desk.store.meanwhile = lambda: desk.sessions.set_password(ADA, PASSWORD)

    signed_in = await desk.sign_in()

    assert await desk.sessions.of_user(ADA.id) == [signed_in.session]


async def test_nobody_who_was_deleted_meanwhile_begins_a_session(desk: Desk) -> None:
    await desk.users.delete(ADA.id, NOW_MS)

    assert await refusal_of(desk.sessions.begin(ADA, HERE)) is Refusal.FORBIDDEN


async def test_who_has_no_password_cannot_sign_in(desk: Desk) -> None:
    await desk.users.save(person(2))

    work = desk.sessions.sign_in(person(2).email, "anything", HERE)

    assert await refusal_of(work) is Refusal.CREDENTIALS_WRONG


async def test_guessing_is_slowed_down_and_the_hash_is_not_even_made(desk: Desk) -> None:
    results = await asyncio.gather(
        *(desk.sign_in(f"guess {number}") for number in range(20)), return_exceptions=True
    )

    refusals = [result.refusal for result in results if isinstance(result, Refused)]
    assert refusals.count(Refusal.CREDENTIALS_WRONG) == 5
    assert refusals.count(Refusal.TOO_FAST) == 15


async def test_a_disabled_account_is_told_to_who_knows_its_password(desk: Desk) -> None:
    await desk.users.save(changed(ADA, UserChanges(disabled=True), NOW_MS))

    assert await refusal_of(desk.sign_in()) is Refusal.FORBIDDEN
    assert await refusal_of(desk.sign_in("wrong horse")) is Refusal.CREDENTIALS_WRONG


async def test_a_weak_hash_is_made_anew_when_its_password_is_known(desk: Desk) -> None:
    weak = PasswordHasher(1, 8_192, 1).hash(PASSWORD)
    await desk.store.set_password(ADA.id, weak, NOW_MS, None)

    await desk.sign_in()

    present = await desk.store.find_password(ADA.id)
    assert present is not None
    assert present.startswith("$argon2id$v=19$m=19456,t=2,p=1$")
    await desk.sign_in()


async def test_a_refresh_token_is_good_once_and_the_next_one_after_it(desk: Desk) -> None:
    first = await desk.sign_in()

    second = await desk.sessions.refresh(first.refresh_token)
    third = await desk.sessions.refresh(second.refresh_token)

    assert len({each.refresh_token for each in (first, second, third)}) == 3
    assert [each.session.turn for each in (first, second, third)] == [1, 2, 3]
    assert third.session.id == first.session.id


async def test_a_token_that_is_used_twice_ends_the_session_for_both(desk: Desk) -> None:
    first = await desk.sign_in()
    second = await desk.sessions.refresh(first.refresh_token)

    assert await refusal_of(desk.sessions.refresh(first.refresh_token)) is Refusal.TOKEN_INVALID

    assert await refusal_of(desk.sessions.refresh(second.refresh_token)) is Refusal.TOKEN_INVALID
    assert await desk.sessions.of_user(ADA.id) == []


async def test_of_two_who_refresh_at_once_at_most_one_goes_on(desk: Desk) -> None:
    token = (await desk.sign_in()).refresh_token

    results = await asyncio.gather(
        *(desk.sessions.refresh(token) for _ in range(5)), return_exceptions=True
    )

    assert sum(isinstance(result, SignedIn) for result in results) <= 1
    assert await desk.sessions.of_user(ADA.id) == []


async def test_who_was_disabled_gets_no_new_tokens(desk: Desk) -> None:
    token = (await desk.sign_in()).refresh_token
    await desk.users.save(changed(ADA, UserChanges(disabled=True), NOW_MS))

    assert await refusal_of(desk.sessions.refresh(token)) is Refusal.FORBIDDEN


async def test_new_tokens_carry_the_role_of_now(desk: Desk) -> None:
    token = (await desk.sign_in()).refresh_token
    await desk.users.save(changed(ADA, UserChanges(role="admin"), NOW_MS))

    access = (await desk.sessions.refresh(token)).access_token

    assert identity_of_token(access, desk.keys, time.time(), TokenRules()).role.value == "admin"


async def test_a_rotated_secret_signs_nobody_out(desk: Desk) -> None:
    token = (await desk.sign_in()).refresh_token
    newer = desk.sessions_with(KeySet.of(["the-newest-secret-of-them-all-is-first", SECRET]))

    assert (await newer.refresh(token)).session.turn == 2


async def test_a_session_is_ended_by_its_owner_alone(desk: Desk) -> None:
    session = (await desk.sign_in()).session

    assert await refusal_of(desk.sessions.close(session.id, "bob")) is Refusal.NOT_FOUND
    await desk.sessions.close(session.id, ADA.id)
    assert await refusal_of(desk.sessions.close(session.id, ADA.id)) is Refusal.NOT_FOUND


async def test_a_password_is_changed_by_who_knows_it_and_other_sessions_end(desk: Desk) -> None:
    kept, other = await desk.sign_in(), await desk.sign_in()

    async def change(current: str, new: str) -> None:
        await desk.sessions.change_password(ADA, current, new, HERE, kept.session.id)

    assert await refusal_of(change("wrong horse", "battery staple")) is Refusal.INVALID
    assert await refusal_of(change(PASSWORD, "password1")) is Refusal.INVALID
    await change(PASSWORD, "battery staple")

    assert await desk.sessions.of_user(ADA.id) == [kept.session]
    assert await refusal_of(desk.sessions.refresh(other.refresh_token)) is Refusal.TOKEN_INVALID
    assert await refusal_of(desk.sign_in(PASSWORD)) is Refusal.CREDENTIALS_WRONG
    await desk.sign_in("battery staple")


async def test_a_gateway_without_a_secret_signs_nobody_in(desk: Desk) -> None:
    work = desk.sessions_with(KeySet.of()).sign_in(ADA.email, PASSWORD, HERE)

    assert await refusal_of(work) is Refusal.NOT_FOUND
