"""The contract of which rooms are told of as occupied, over every database."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Collection

import pytest

from gateway.users.database import Database
from gateway.users.job import NewJob
from gateway.users.sql_jobs import SqlJobStore
from gateway.users.sql_occupancy import SqlOccupancyStore
from tests.gateway.users.people import NOW_MS
from tests.gateway.users.test_job import owed


class Told:
    """Notes what is to be told, and owes a job for it."""

    def __init__(self) -> None:
        self.told: list[tuple[str, str]] = []

    def __call__(self, began: Collection[str], ended: Collection[str]) -> list[NewJob]:
        self.told += [("occupied", room) for room in sorted(began)]
        self.told += [("vacated", room) for room in sorted(ended)]
        return [owed(len(self.told))] if began or ended else []


@pytest.fixture
def store(database: Database) -> SqlOccupancyStore:
    return SqlOccupancyStore(database)


@pytest.fixture
async def other(database: Database, database_url: str) -> AsyncIterator[SqlOccupancyStore]:
    another = Database(database_url)
    await another.start()
    yield SqlOccupancyStore(another)
    await another.stop()


async def test_each_turn_is_told_once_by_whoever_is_first(
    store: SqlOccupancyStore, other: SqlOccupancyStore, database: Database
) -> None:
    told = Told()

    for rooms in ({"a", "b"}, {"b", "c"}):
        await asyncio.gather(
            *(stock.settle(rooms, (), told, NOW_MS) for stock in (store, other, store, other))
        )
    ended = await asyncio.gather(
        *(stock.settle({"c"}, {"a", "none"}, told, NOW_MS) for stock in (store, other))
    )

    assert sorted(told.told) == [
        *(("occupied", room) for room in "abc"),
        ("vacated", "a"),
    ]
    assert sorted(map(len, ended)) == [0, 1]
    assert (await SqlJobStore(database).counts(NOW_MS)).waiting >= 3


async def test_nothing_is_told_that_is_not_kept(store: SqlOccupancyStore) -> None:
    def fail(_began: Collection[str], _ended: Collection[str]) -> list[NewJob]:
        raise ZeroDivisionError

    told = Told()
    with pytest.raises(ZeroDivisionError):
        await store.settle({"a"}, (), fail, NOW_MS)
    await store.settle({"a"}, (), told, NOW_MS)

    assert told.told == [("occupied", "a")]


async def test_many_rooms_are_settled_at_once(store: SqlOccupancyStore) -> None:
    told, rooms = Told(), {f"room{number}" for number in range(1_200)}

    await store.settle(rooms, (), told, NOW_MS)
    await store.settle((), rooms, told, NOW_MS)

    assert len(told.told) == 2_400


async def test_rooms_that_nobody_looks_at_are_looked_at_in_turn(store: SqlOccupancyStore) -> None:
    told = Told()
    for number, room in enumerate("abc"):
        await store.settle({room}, (), told, NOW_MS + number)

    assert sorted(await store.unseen(NOW_MS + 2, NOW_MS + 9, 10)) == ["a", "b"]
    assert list(await store.unseen(NOW_MS + 10, NOW_MS + 20, 1)) == ["c"]
    assert sorted(await store.unseen(NOW_MS + 10, NOW_MS + 20, 10)) == ["a", "b"]
    assert list(await store.unseen(NOW_MS + 10, NOW_MS + 20, 10)) == []
