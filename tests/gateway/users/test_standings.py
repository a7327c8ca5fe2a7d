"""How subjects stand right now: remembered, and made to count when they change."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Container

import pytest

from gateway.identity import Identity, presented_key, subject_of_key
from gateway.users.api_keys import ApiKeys
from gateway.users.database import Database
from gateway.users.sql import SqlUserStore
from gateway.users.sql_api_keys import SqlKeyStore
from gateway.users.sql_changes import SqlChangeStore
from gateway.users.sql_sessions import SqlSessionStore
from gateway.users.standings import Standings
from gateway.users.store import StoreUnavailable
from gateway.users.user import User, changed
from protocol.keys import NewKey
from protocol.refusals import Goodbye, Refusal, Refused
from protocol.users import UserChanges
from tests.gateway.users.people import NOW_MS, person
from tests.gateway.users.test_session import session_of

ADA = person(1)
TOKEN = Identity(ADA.id, issued_at_seconds=NOW_MS / 1000)
DISABLED = changed(ADA, UserChanges(disabled=True), NOW_MS + 5)


class AwayNowAndThen(SqlUserStore):
    """Users of a database that can be taken away, or be slow to answer."""

    is_away = False
    asked = 0

    def __init__(self, database: Database) -> None:
        super().__init__(database)
        self.gate = asyncio.Event()
        self.gate.set()
        self.has_read = asyncio.Event()

    async def find_by_id(self, user_id: str) -> User | None:
        self.asked += 1
        if self.is_away:
            raise StoreUnavailable
        user = await super().find_by_id(user_id)
        self.has_read.set()
        await self.gate.wait()
        return user


class Worker:
    """One worker's standings, and who is connected to it."""

    def __init__(self, database: Database) -> None:
        self.users = AwayNowAndThen(database)
        self.sessions, self.keys = SqlSessionStore(database), SqlKeyStore(database)
        changes = SqlChangeStore(database)
        self.standings = Standings(self.users, self.sessions, self.keys, changes)
        self.connected: list[Identity] = []
        self.sent_off: list[Goodbye] = []
        self.has_sent_off = asyncio.Event()
        self.standings.judge_by(self.judge, lambda: {each.subject for each in self.connected})

    def judge(
        self, subjects: Container[str], goodbye_of: Callable[[Identity], Goodbye | None]
    ) -> list[str]:
        verdicts = [goodbye_of(each) for each in self.connected if each.subject in subjects]
        gone = [goodbye for goodbye in verdicts if goodbye is not None]
        self.sent_off += gone
        if gone:
            self.has_sent_off.set()
        return [goodbye.name for goodbye in gone]


@pytest.fixture
async def workers(database: Database) -> AsyncIterator[list[Worker]]:
    workers = [Worker(database) for _ in range(2)]
    await workers[0].users.save(ADA)
    for worker in workers:
        await worker.standings.start()
    yield workers
    for worker in workers:
        await worker.standings.stop()


async def test_who_stands_well_is_let_in_and_remembered(workers: list[Worker]) -> None:
    standings = workers[0].standings

    assert not standings.check_now(TOKEN)
    await standings.check(TOKEN)
    assert standings.check_now(TOKEN)
    assert (standings.hits, standings.misses) == (1, 1)


async def test_subjects_of_other_issuers_are_nobody_s_business(workers: list[Worker]) -> None:
    assert workers[0].standings.check_now(Identity("auth0|5f7c8ec7c33c6c004bbafe82"))
    assert workers[0].standings.misses == 0


async def test_a_change_counts_here_before_it_is_answered(workers: list[Worker]) -> None:
    worker = workers[0]
    await worker.standings.check(TOKEN)
    worker.connected.append(TOKEN)

    await worker.users.save(DISABLED)
    await worker.standings.changed({ADA.id})

    assert worker.sent_off == [Goodbye.DISABLED]
    with pytest.raises(Refused):
        await worker.standings.check(TOKEN)


async def test_a_change_counts_on_the_other_worker_within_a_second(workers: list[Worker]) -> None:
    here, elsewhere = workers
    await elsewhere.standings.check(TOKEN)
    elsewhere.connected.append(TOKEN)

    await here.users.save(DISABLED)
    async with asyncio.timeout(1):
        await elsewhere.has_sent_off.wait()

    assert elsewhere.sent_off == [Goodbye.DISABLED]
    with pytest.raises(Refused) as caught:
        await elsewhere.standings.check(TOKEN)
    assert caught.value.refusal is Refusal.FORBIDDEN


async def test_without_a_store_a_token_is_believed_and_judged_when_it_is_back(
    workers: list[Worker],
) -> None:
    worker = workers[0]
    await worker.users.save(DISABLED)
    await worker.standings._hear({ADA.id})  # noqa: SLF001 - what a look would bring about
    worker.users.is_away = True
    await worker.standings.check(TOKEN)
    worker.connected.append(TOKEN)
    worker.users.is_away = False

    await worker.standings._hear(set())  # noqa: SLF001 - as above

    assert worker.sent_off == [Goodbye.DISABLED]


async def test_what_was_known_counts_while_the_store_is_away(workers: list[Worker]) -> None:
    worker = workers[0]
    await worker.users.save(DISABLED)
    with pytest.raises(Refused):
        await worker.standings.check(TOKEN)
    worker.users.is_away = True

    with pytest.raises(Refused):
        await worker.standings.check(TOKEN)


async def test_when_nothing_is_certain_everybody_is_judged(workers: list[Worker]) -> None:
    worker = workers[0]
    worker.connected += [Identity(person(number).id) for number in range(1, 30)]
    for number in range(2, 30):
        await worker.users.save(person(number, disabled=number % 2 == 0))

    await worker.standings._hear(None)  # noqa: SLF001 - what a look would bring about

    assert worker.sent_off == [Goodbye.DISABLED] * 14


async def test_a_change_that_was_made_is_no_failure_when_the_store_goes_away(
    workers: list[Worker],
) -> None:
    worker = workers[0]
    worker.connected.append(TOKEN)
    await worker.users.save(DISABLED)
    worker.users.is_away = True

    await worker.standings.changed({ADA.id})
    assert worker.sent_off == []

    worker.users.is_away = False
    async with asyncio.timeout(5):
        await worker.has_sent_off.wait()


async def test_a_session_that_another_worker_has_begun_is_known_at_once(
    workers: list[Worker],
) -> None:
    here, elsewhere = workers
    await elsewhere.standings.check(TOKEN)
    session = session_of(ADA)
    await here.sessions.open(session)
    signed_in = Identity(ADA.id, issued_at_seconds=NOW_MS / 1000, session_id=session.id)

    assert not elsewhere.standings.check_now(signed_in)
    await elsewhere.standings.check(signed_in)


async def test_who_is_let_in_while_the_account_is_disabled_is_not_overlooked(
    workers: list[Worker],
) -> None:
    """It is not among the peers yet when those are judged."""
    here, elsewhere = workers
    here.users.gate.clear()
    coming = asyncio.create_task(here.standings.check(TOKEN))
    async with asyncio.timeout(5):
        await here.users.has_read.wait()
    await elsewhere.users.save(DISABLED)
    await here.standings.changed({ADA.id})
    here.users.gate.set()

    with pytest.raises(Refused) as caught:
        await coming
    assert caught.value.refusal is Refusal.FORBIDDEN


async def test_nobody_has_the_store_asked_again_and_again(workers: list[Worker]) -> None:
    worker = workers[0]
    await worker.standings.check(TOKEN)
    ended = Identity(ADA.id, issued_at_seconds=NOW_MS / 1000, session_id="ended")
    with pytest.raises(Refused):
        await worker.standings.check(ended)
    asked = worker.users.asked

    for _ in range(5):
        with pytest.raises(Refused):
            await worker.standings.check(ended)
        with pytest.raises(Refused):
            worker.standings.check_now(ended)

    assert worker.users.asked == asked


async def test_a_key_that_another_worker_has_rotated_is_known_at_once(
    workers: list[Worker],
) -> None:
    here, elsewhere = [ApiKeys(worker.keys, worker.standings) for worker in workers]
    key, text = await here.create(NewKey(name="shop", publish=("*",)), NOW_MS)
    await workers[1].standings.identity_of_key(presented_key(text))

    _, news = await here.rotate(key.id, NOW_MS, 0)

    assert workers[1].standings.identity_of_key_now(presented_key(news)) is None
    identity = await workers[1].standings.identity_of_key(presented_key(news))
    assert identity.subject == subject_of_key(key.id)
    await here.stop()
    await elsewhere.stop()


async def test_all_who_come_at_once_with_a_new_key_are_known(workers: list[Worker]) -> None:
    here, elsewhere = [ApiKeys(worker.keys, worker.standings) for worker in workers]
    key, text = await here.create(NewKey(name="shop", publish=("*",)), NOW_MS)
    standings = workers[1].standings
    await standings.identity_of_key(presented_key(text))
    _, news = await here.rotate(key.id, NOW_MS, 0)

    async def come(after_turns: int) -> None:
        for _ in range(after_turns):
            await asyncio.sleep(0)
        presented = presented_key(news)
        if standings.identity_of_key_now(presented) is None:
            await standings.identity_of_key(presented)

    await asyncio.gather(*map(come, range(30)))
    await here.stop()
    await elsewhere.stop()
