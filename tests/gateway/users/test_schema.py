"""Versions of the schema: forward and back, with data in the tables, on every database."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest
from sqlalchemy import Connection, inspect, text

from gateway.users import schema
from gateway.users.database import Database
from gateway.users.schema import RevisionUnknown
from gateway.users.sql import SqlUserStore
from gateway.users.store import StoreUnavailable
from tests.gateway.users.people import person


@pytest.fixture
async def empty(database_url: str) -> AsyncIterator[Database]:
    database = Database(database_url)
    yield database
    await database.stop()


def test_revisions_are_numbered_in_order() -> None:
    revisions = schema.revisions()

    assert revisions == [f"{number:04}" for number in range(1, len(revisions) + 1)]


async def test_forward_to_the_newest_and_back_to_none(empty: Database) -> None:
    newest = schema.revisions()[-1]

    assert await empty.migrate() == (None, newest)
    assert await empty.migrate() == (newest, newest)
    assert await empty.migrate("base") == (newest, None)
    assert await _tables(empty) <= {"alembic_version"}
    assert await empty.migrate() == (None, newest)


async def test_users_outlive_every_step_back_and_forward_again(empty: Database) -> None:
    await empty.migrate()
    await empty.start()
    store = SqlUserStore(empty)
    await store.save(person(1))

    for revision in [*reversed(schema.revisions()), *schema.revisions()]:
        await empty.migrate(revision)
        assert await store.find_by_id(person(1).id) == person(1)


async def test_two_that_migrate_at_once_do_so_one_after_the_other(
    empty: Database, database_url: str
) -> None:
    other = Database(database_url)
    try:
        await asyncio.gather(empty.migrate(), other.migrate())
    finally:
        await other.stop()

    assert {"users", "creations"} <= await _tables(empty)


async def test_an_unknown_version_is_named(empty: Database) -> None:
    with pytest.raises(RevisionUnknown, match="There is no schema 'x'; there are 0001"):
        await empty.migrate("x")


async def test_a_gateway_of_before_works_on_a_newer_schema_and_does_not_touch_it(
    empty: Database,
) -> None:
    await empty.migrate()
    await _pretend_to_be(empty, "9999")
    await empty.start()
    store = SqlUserStore(empty)
    await store.save(person())

    assert await store.find_by_id(person().id) == person()
    with pytest.raises(RevisionUnknown, match="'9999', which is of a newer version"):
        await empty.migrate()


async def test_sqlite_is_brought_up_to_date_at_start_and_postgresql_waits_to_be(
    empty: Database,
) -> None:
    await empty.start()

    if empty.is_sqlite:
        await SqlUserStore(empty).save(person())
    else:
        with pytest.raises(StoreUnavailable, match="run `paceline migrate`"):
            await SqlUserStore(empty).save(person())


async def _tables(database: Database) -> set[str]:
    def names(connection: Connection) -> set[str]:
        return set(inspect(connection).get_table_names())

    async with database._engine.connect() as connection:  # noqa: SLF001 - before it is started
        return await connection.run_sync(names)


async def _pretend_to_be(database: Database, revision: str) -> None:
    async with database._writer.begin() as connection:  # noqa: SLF001 - before it is started
        await connection.execute(
            text("UPDATE alembic_version SET version_num = :r"), {"r": revision}
        )
