"""What is done with API keys, over every database."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import pytest
from sqlalchemy import select

from gateway.identity import digest_of, is_tracker_code
from gateway.users.api_key import ApiKey
from gateway.users.api_keys import ApiKeys
from gateway.users.database import Database
from gateway.users.sql_api_keys import SqlKeyStore
from gateway.users.sql_changes import SqlChangeStore
from gateway.users.tables import api_keys
from protocol.keys import NewKey
from protocol.refusals import Refusal, Refused
from tests.gateway.users.people import NOW_MS

SHOP = NewKey(name="shop", publish=("city:*",))


class Interrupted(SqlKeyStore):
    """A store in which something else happens, once, as soon as somebody has looked at a key."""

    meanwhile: Callable[[], Awaitable[object]] | None = None

    async def find(self, key_id: str) -> ApiKey | None:
        found = await super().find(key_id)
        happens, self.meanwhile = self.meanwhile, None
        if happens is not None:
            await happens()
        return found


@pytest.fixture
def store(database: Database) -> Interrupted:
    return Interrupted(database)


@pytest.fixture
def keys(store: Interrupted) -> ApiKeys:
    return ApiKeys(store)


async def test_a_key_is_kept_but_not_its_text(keys: ApiKeys, database: Database) -> None:
    key, text = await keys.create(SHOP, NOW_MS)

    assert await keys.get(key.id) == key
    assert key.digest == digest_of(text)
    async with database.reading() as connection:
        (row,) = (await connection.execute(select(api_keys))).all()
    secret = text.rpartition("_")[2]
    assert secret not in repr(row)


async def test_a_key_that_may_do_nothing_is_refused(keys: ApiKeys) -> None:
    with pytest.raises(Refused) as caught:
        await keys.create(NewKey(name="shop"), NOW_MS)

    assert set(caught.value.details["fields"]) == {"publish"}


@pytest.mark.parametrize(
    ("publish", "join", "bad"),
    [
        ((), (), {"publish"}),
        (("city:*",), (), {"publish"}),
        (("a", "b"), ("c",), {"publish", "join"}),
        (("a\u202e",), (), {"publish"}),
        (("a",), ("a",), {"join"}),
    ],
)
async def test_a_tracker_reports_into_one_room_and_does_nothing_else(
    keys: ApiKeys, publish: tuple[str, ...], join: tuple[str, ...], bad: set[str]
) -> None:
    with pytest.raises(Refused) as caught:
        await keys.create(NewKey(name="ada", publish=publish, join=join, tracker=True), NOW_MS)
    assert set(caught.value.details["fields"]) == bad


async def test_a_tracker_stays_one(keys: ApiKeys) -> None:
    key, text = await keys.create(NewKey(name="ada", publish=("a",), tracker=True), NOW_MS)
    rotated, new_text = await keys.rotate(key.id, NOW_MS, 0)

    assert is_tracker_code(text)
    assert is_tracker_code(new_text)
    assert (rotated.is_tracker, rotated.view().tracker) == (True, True)


async def test_keys_are_listed_the_newest_first(keys: ApiKeys) -> None:
    made = [(await keys.create(SHOP, NOW_MS + number))[0] for number in range(3)]

    assert await keys.all() == made[::-1]


async def test_a_rotated_key_has_a_new_text(keys: ApiKeys) -> None:
    key, text = await keys.create(NewKey(name="shop", join=("a", "b")), NOW_MS)

    after, new_text = await keys.rotate(key.id, NOW_MS, 100)

    assert new_text != text
    assert (after.digest, after.previous_digest) == (digest_of(new_text), key.digest)
    assert await keys.get(key.id) == after


async def test_a_revoked_key_is_gone_and_everybody_is_told(
    keys: ApiKeys, database: Database
) -> None:
    key, _ = await keys.create(SHOP, NOW_MS)
    await keys.revoke(key.id, NOW_MS)

    for work in (keys.get(key.id), keys.revoke(key.id, NOW_MS), keys.rotate(key.id, NOW_MS, 0)):
        with pytest.raises(Refused) as caught:
            await work
        assert caught.value.refusal is Refusal.NOT_FOUND
    told = await SqlChangeStore(database).after(0)
    assert [change.subject for change in told] == [f"key:{key.id}"] * 2


async def test_a_key_that_is_rotated_by_two_at_once_has_the_text_of_one(
    store: Interrupted, keys: ApiKeys
) -> None:
    key, _ = await keys.create(SHOP, NOW_MS)
    store.meanwhile = lambda: keys.rotate(key.id, NOW_MS, 100)

    with pytest.raises(Refused) as caught:
        await keys.rotate(key.id, NOW_MS, 100)

    assert caught.value.refusal is Refusal.CONFLICT
    assert (await keys.get(key.id)).previous_digest == key.digest


async def test_a_key_that_is_revoked_while_it_is_rotated_stays_revoked(
    store: Interrupted, keys: ApiKeys
) -> None:
    key, _ = await keys.create(SHOP, NOW_MS)
    store.meanwhile = lambda: keys.revoke(key.id, NOW_MS)

    with pytest.raises(Refused) as caught:
        await keys.rotate(key.id, NOW_MS, 100)

    assert caught.value.refusal is Refusal.NOT_FOUND
    assert await keys.all() == []


async def test_use_is_noted_once_a_minute(keys: ApiKeys, database: Database) -> None:
    key, _ = await keys.create(SHOP, NOW_MS)

    for _ in range(100):
        keys.note_use(key.id)
    assert len(asyncio.all_tasks()) <= 3
    await keys.stop()

    assert (await keys.get(key.id)).used_at_ms is not None
