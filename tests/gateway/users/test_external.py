"""The contract of who users are elsewhere, over every database."""

from __future__ import annotations

import asyncio

import msgspec
import pytest

from gateway.users.database import Database
from gateway.users.external import ExternalIdentity, IdentityTaken
from gateway.users.sql import SqlUserStore
from gateway.users.sql_external import SqlExternalStore
from gateway.users.store import EmailTaken
from tests.gateway.users.people import NOW_MS, person

ADA = ExternalIdentity("https://id.example", "ada")
ADA_ELSEWHERE = ExternalIdentity("https://other.example", "ada")


@pytest.fixture
def external(database: Database) -> SqlExternalStore:
    return SqlExternalStore(database)


async def test_a_user_is_made_with_who_it_is_elsewhere(
    external: SqlExternalStore, store: SqlUserStore
) -> None:
    await external.create(person(1), ADA)

    assert await external.find_user(ADA) == person(1)
    assert await external.find_user(ADA_ELSEWHERE) is None
    assert await store.find_by_id(person(1).id) == person(1)


async def test_a_user_may_be_somebody_at_several_issuers(
    external: SqlExternalStore, store: SqlUserStore
) -> None:
    await store.save(person(1))
    await external.link(ADA, person(1).id, NOW_MS)
    await external.link(ADA_ELSEWHERE, person(1).id, NOW_MS)
    await external.note_use(ADA, NOW_MS + 1)

    assert await external.find_user(ADA) == await external.find_user(ADA_ELSEWHERE) == person(1)


async def test_an_identity_belongs_to_one_user(
    external: SqlExternalStore, store: SqlUserStore
) -> None:
    await external.create(person(1), ADA)
    await store.save(person(2))

    with pytest.raises(IdentityTaken):
        await external.link(ADA, person(2).id, NOW_MS)
    with pytest.raises(IdentityTaken):
        await external.create(person(3), ADA)
    assert await external.find_user(ADA) == person(1)
    assert await store.find_by_id(person(3).id) is None  # both or neither


async def test_an_address_that_is_taken_makes_nobody(
    external: SqlExternalStore, store: SqlUserStore
) -> None:
    await store.save(person(1))
    twin = msgspec.structs.replace(person(1), id=person(2).id)

    with pytest.raises(EmailTaken):
        await external.create(twin, ADA)
    assert await external.find_user(ADA) is None


async def test_nobody_is_linked_to_whom_there_is_not(external: SqlExternalStore) -> None:
    with pytest.raises(IdentityTaken):
        await external.link(ADA, person(1).id, NOW_MS)


async def test_with_a_user_go_its_identities(
    external: SqlExternalStore, store: SqlUserStore
) -> None:
    await external.create(person(1), ADA)
    await store.delete(person(1).id, NOW_MS)

    assert await external.find_user(ADA) is None
    await external.create(person(2), ADA)
    assert await external.find_user(ADA) == person(2)


async def test_a_sign_in_is_spent_once_on_all_workers(
    external: SqlExternalStore, other_store: SqlUserStore
) -> None:
    elsewhere = SqlExternalStore(other_store._database)  # noqa: SLF001 - another worker's
    spent = await asyncio.gather(
        *(each.spend("one", NOW_MS, NOW_MS + 1000) for each in (external, elsewhere) * 5)
    )

    assert sorted(spent) == [False] * 9 + [True]
    assert await external.spend("another", NOW_MS, NOW_MS + 1000)


async def test_what_has_expired_is_forgotten(external: SqlExternalStore) -> None:
    assert await external.spend("one", NOW_MS, NOW_MS + 1000)
    assert not await external.spend("one", NOW_MS + 1000, NOW_MS + 2000)
    assert await external.spend("another", NOW_MS + 1001, NOW_MS + 2000)
    assert await external.spend("one", NOW_MS + 1001, NOW_MS + 2000)
