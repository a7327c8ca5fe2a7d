"""How a worker hears of changes, over every database."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Sequence
from pathlib import Path

import pytest

from gateway.users.changes import Change, ChangeWatch
from gateway.users.database import Database
from gateway.users.sql import SqlUserStore
from gateway.users.sql_changes import SqlChangeStore, note_change
from gateway.users.store import StoreUnavailable, VersionStale
from gateway.users.user import changed
from protocol.users import UserChanges
from tests.gateway.users.backends import let_age, opened, statements
from tests.gateway.users.people import NOW_MS, person


class Listener:
    """A worker: what it has heard, look by look."""

    def __init__(self, store: SqlChangeStore | StagedChanges) -> None:
        self.heard: list[set[str] | None] = []
        self.has_news = asyncio.Event()
        self.watch = ChangeWatch(store, self.hear)

    async def hear(self, subjects: set[str] | None) -> None:
        self.heard.append(subjects)
        if subjects:
            self.has_news.set()

    async def news(self) -> list[set[str] | None]:
        """What is heard at one more look."""
        self.heard.clear()
        await self.watch.look()
        return list(self.heard)


class StagedChanges:
    """A store whose numbers are told in any order, and that may be away."""

    def __init__(self) -> None:
        self.rows: dict[int, str] = {}
        self.is_away = False

    async def latest(self) -> int:
        self._check()
        return max(self.rows, default=0)

    async def after(self, number: int) -> Sequence[Change]:
        self._check()
        return [Change(*row) for row in sorted(self.rows.items()) if row[0] > number]

    async def forget(self, before_ms: int) -> None:  # noqa: ARG002 - the contract's signature
        self._check()

    def _check(self) -> None:
        if self.is_away:
            raise StoreUnavailable


@pytest.fixture
def changes(database: Database) -> SqlChangeStore:
    return SqlChangeStore(database)


async def note(database: Database, *subjects: str, now_ms: int = 4_000_000_000_000) -> None:
    for subject in subjects:
        async with database.writing() as connection:
            await note_change(connection, subject, now_ms)


# ---- over every database


async def test_changes_of_others_are_heard_of_once(
    database: Database, changes: SqlChangeStore
) -> None:
    await note(database, "long ago")
    listener = Listener(changes)
    assert await listener.news() == [None, set()]

    await note(database, "ada", "bob", "ada")
    assert await listener.news() == [{"ada", "bob"}]
    assert await listener.news() == []
    await note(database, "cy")
    assert await listener.news() == [{"cy"}]


async def test_sqlite_is_asked_again_once_somebody_has_written_to_it(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'users.db'}"
    async with contextlib.AsyncExitStack() as stack:
        database, elsewhere = await opened(url), await opened(url)
        stack.push_async_callback(database.stop)
        stack.push_async_callback(elsewhere.stop)
        changes = SqlChangeStore(database)
        let_age(tmp_path)
        asked = stack.enter_context(statements())

        assert [await changes.after(0) for _ in range(5)] == [[]] * 5
        looks = len([statement for statement in asked if "FROM changes" in statement])
        assert looks in {1, 2}, "twice when half a minute ends just then"
        async with elsewhere.writing() as connection:
            await note_change(connection, "ann", NOW_MS)
        assert [change.subject for change in await changes.after(0)] == ["ann"]


async def test_a_change_of_a_user_is_told_with_it_or_not_at_all(
    database: Database, changes: SqlChangeStore, store: SqlUserStore
) -> None:
    listener, user = Listener(changes), person(1)
    await store.save(user)
    await listener.watch.look()
    after = changed(user, UserChanges(disabled=True), NOW_MS)
    await store.save(after)
    assert await listener.news() == [{user.id}]

    with pytest.raises(VersionStale):
        await store.save(after)
    assert await listener.news() == []
    await store.delete(user.id, NOW_MS)
    assert await listener.news() == [{user.id}]


async def test_old_changes_are_forgotten(database: Database, changes: SqlChangeStore) -> None:
    await note(database, "ada", now_ms=NOW_MS)
    await note(database, "bob", now_ms=NOW_MS + 1)

    await changes.forget(NOW_MS + 1)

    assert [change.subject for change in await changes.after(0)] == ["bob"]


# ---- with numbers as they happen to come


async def test_a_number_that_appears_late_is_heard_of() -> None:
    staged = StagedChanges()
    staged.rows = {5: "old"}
    listener = Listener(staged)
    await listener.watch.look()

    staged.rows[7] = "second"
    assert await listener.news() == [{"second"}]
    staged.rows[6] = "first"
    assert await listener.news() == [{"first"}]
    assert await listener.news() == []


async def test_what_happened_while_the_store_was_away_is_heard_of_afterwards() -> None:
    staged = StagedChanges()
    staged.rows = {5: "old"}
    listener = Listener(staged)
    await listener.watch.look()
    staged.is_away = True
    await listener.watch._try_to_look()  # noqa: SLF001 - a look that fails is one of its own kind
    staged.rows[6] = "meanwhile"
    staged.is_away = False

    assert await listener.news() == [{"meanwhile"}]


async def test_a_store_that_is_back_is_told_of_even_without_news() -> None:
    staged = StagedChanges()
    staged.rows = {5: "old"}
    listener = Listener(staged)
    await listener.watch.look()
    staged.is_away = True
    await listener.watch._try_to_look()  # noqa: SLF001 - as above
    staged.is_away = False

    assert await listener.news() == [set()]


async def test_a_database_of_before_makes_everybody_suspect() -> None:
    staged = StagedChanges()
    staged.rows = {5: "old"}
    listener = Listener(staged)
    await listener.watch.look()
    staged.is_away = True
    await listener.watch._try_to_look()  # noqa: SLF001 - as above
    staged.is_away, staged.rows = False, {2: "restored"}

    assert await listener.news() == [None, set()]
    staged.rows[3] = "after it"
    assert await listener.news() == [{"after it"}]


async def test_what_could_not_be_heard_of_is_told_again() -> None:
    staged = StagedChanges()
    staged.rows = {5: "old"}
    listener = Listener(staged)
    await listener.watch.look()
    staged.rows[6] = "ada"
    hear, listener.watch._hear = listener.watch._hear, _fails  # noqa: SLF001 - what hears may fail
    await listener.watch._try_to_look()  # noqa: SLF001 - as above
    listener.watch._hear = hear  # noqa: SLF001 - as above

    assert await listener.news() == [{"ada"}]


async def test_it_looks_by_itself_and_knows_whether_it_is_up_to_date() -> None:
    staged = StagedChanges()
    listener = Listener(staged)
    assert not listener.watch.is_up_to_date
    await listener.watch.start()
    assert listener.watch.is_up_to_date
    staged.rows[1] = "ada"
    async with asyncio.timeout(5):
        await listener.has_news.wait()
    assert listener.heard[-1] == {"ada"}
    await listener.watch.stop()


async def _fails(_subjects: set[str] | None) -> None:
    raise StoreUnavailable


class LateChanges(StagedChanges):
    """A store that counts its questions, and answers when it is let."""

    def __init__(self) -> None:
        super().__init__()
        self.asked = 0
        self.gate = asyncio.Event()
        self.gate.set()

    async def after(self, number: int) -> Sequence[Change]:
        self.asked += 1
        await self.gate.wait()
        return await super().after(number)


async def test_who_asks_a_worker_that_is_late_has_it_look_once_for_all() -> None:
    staged = LateChanges()
    listener = Listener(staged)
    await listener.watch.look()
    asked = staged.asked

    assert await asyncio.gather(*(listener.watch.catch_up() for _ in range(50))) == [True] * 50
    assert staged.asked == asked + 1
    await listener.watch.stop()


async def test_a_store_that_is_away_is_not_waited_for() -> None:
    staged = LateChanges()
    staged.is_away = True
    listener = Listener(staged)
    assert not await listener.watch.catch_up()

    staged.gate.clear()
    async with asyncio.timeout(15):
        assert not await listener.watch.catch_up()
    await listener.watch.stop()
