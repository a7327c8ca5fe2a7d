"""What a change of a user causes is owed if and only if the change is made, on every database."""

from __future__ import annotations

import asyncio

import msgspec
import pytest

from gateway.users.database import Database
from gateway.users.external import ExternalIdentity, IdentityTaken
from gateway.users.job import NewJob
from gateway.users.outbox import UserEvent
from gateway.users.sql import SqlUserStore
from gateway.users.sql_external import SqlExternalStore
from gateway.users.sql_jobs import SqlJobStore
from gateway.users.sql_proofs import SqlProofStore
from gateway.users.store import Creation, EmailTaken, VersionStale
from gateway.users.user import User
from tests.gateway.users.people import NOW_MS, person
from tests.gateway.users.test_job import owed


class Desk:
    """A store whose changes are noted, each with a job."""

    def __init__(self, database: Database) -> None:
        self.events: list[UserEvent] = []
        self.store = SqlUserStore(database, self._owe)
        self.external = SqlExternalStore(database, self._owe)
        self._jobs = SqlJobStore(database)

    def _owe(self, event: UserEvent) -> list[NewJob]:
        self.events.append(event)
        return [owed(len(self.events))]

    async def owed(self) -> int:
        return (await self._jobs.counts(NOW_MS)).waiting


@pytest.fixture
def desk(database: Database) -> Desk:
    return Desk(database)


def renamed(user: User, name: str = "Renamed") -> User:
    return msgspec.structs.replace(
        user, name=name, version=user.version + 1, updated_at_ms=NOW_MS + 5
    )


async def test_each_change_is_told_with_what_was_before(desk: Desk) -> None:
    ada = person(1)
    await desk.store.save(ada)
    await desk.store.save(renamed(ada))
    await desk.store.delete(ada.id, NOW_MS + 9)

    assert desk.events == [
        UserEvent(name="created", user=ada, at_ms=ada.created_at_ms),
        UserEvent(name="changed", user=renamed(ada), before=ada, at_ms=NOW_MS + 5),
        UserEvent(name="deleted", user=renamed(ada), at_ms=NOW_MS + 9),
    ]
    assert await desk.owed() == 3


async def test_what_is_not_done_owes_nothing(desk: Desk) -> None:
    ada = person(1)
    await desk.store.save(ada)
    same_address = msgspec.structs.replace(person(2), email=ada.email)

    for refused, kind in ((same_address, EmailTaken), (renamed(renamed(ada)), VersionStale)):
        with pytest.raises(kind):
            await desk.store.save(refused)
    with pytest.raises(VersionStale):
        await desk.store.delete(ada.id, NOW_MS, 7)
    assert not await desk.store.delete(person(3).id, NOW_MS)
    assert await desk.owed() == 1


async def test_a_creation_under_a_key_owes_once(desk: Desk) -> None:
    creation = Creation("key", "fingerprint", NOW_MS)

    await asyncio.gather(*(desk.store.create(person(1), creation) for _ in range(4)))

    assert await desk.owed() == 1


async def test_of_many_who_change_a_user_at_once_each_who_succeeds_owes(desk: Desk) -> None:
    ada = person(1)
    await desk.store.save(ada)

    answers = await asyncio.gather(
        *(desk.store.save(renamed(ada, f"Name {number}")) for number in range(8)),
        return_exceptions=True,
    )

    assert sum(answer is None for answer in answers) == 1
    assert await desk.owed() == 2


async def test_of_an_import_those_who_are_new_are_told_as_such(desk: Desk) -> None:
    await desk.store.save(person(1))

    await desk.store.save_new([person(1), person(2), person(3)])

    imported = [event for event in desk.events if event.is_import]
    assert [event.user for event in imported] == [person(2), person(3)]
    assert await desk.owed() == 3


async def test_who_comes_from_an_issuer_is_told_once_and_has_a_verified_address(
    desk: Desk, database: Database
) -> None:
    ada, identity = person(1), ExternalIdentity("https://id.example", "ada")
    await desk.external.create(ada, identity)
    with pytest.raises(IdentityTaken):
        await desk.external.create(person(2), identity)

    created = UserEvent(name="created", user=ada, is_verified=True, at_ms=ada.created_at_ms)
    assert desk.events == [created]
    assert await desk.owed() == 1
    assert await SqlProofStore(database).verified_at_ms(ada.id) == ada.created_at_ms
