"""Old gateways on the schema of the next version: what they know is there, and means the same.

A gateway of before is the statements that it sends: those name the tables and columns of its own
schema and no others. So they are read from a database of that schema, and sent to the next one.
"""

from __future__ import annotations

import itertools
from collections.abc import AsyncIterator, Iterator
from typing import Any, Final

import pytest
from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Integer,
    MetaData,
    Table,
    delete,
    insert,
    select,
    text,
    update,
)
from sqlalchemy.exc import DBAPIError

from gateway.users import schema
from gateway.users.database import Database

REVISIONS: Final = schema.revisions()
STEPS: Final = list(itertools.pairwise(REVISIONS))
_VERSION_TABLE: Final = "alembic_version"

Row = dict[str, Any]


@pytest.fixture
async def empty(database_url: str) -> AsyncIterator[Database]:
    database = Database(database_url)
    yield database
    await database.stop()


class OldGateway:
    """Writes into every column of every table that there was, and reads all of it back."""

    def __init__(self, database: Database, tables: list[Table]) -> None:
        self._database = database
        self._tables = tables
        self._numbers = itertools.count(1)

    @classmethod
    async def of(cls, database: Database) -> OldGateway:
        """One for which the schema that the database has is the newest."""
        there = MetaData()
        async with database._writer.connect() as connection:  # noqa: SLF001 - beside the store
            await connection.run_sync(there.reflect)
        return cls(database, [each for each in there.sorted_tables if each.name != _VERSION_TABLE])

    async def write(self) -> dict[str, Row]:
        """A new row in every table; those that refer to others refer to these."""
        rows: dict[str, Row] = {}
        async with self._database._writer.begin() as connection:  # noqa: SLF001 - as above
            for table in self._tables:
                rows[table.name] = dict(self._values_of(table, rows))
                await connection.execute(insert(table).values(rows[table.name]))
        return rows

    async def read(self, rows: dict[str, Row]) -> dict[str, Row]:
        """The same rows, found by their keys, as they are now."""
        found: dict[str, Row] = {}
        async with self._database._writer.connect() as connection:  # noqa: SLF001 - as above
            for table in self._tables:
                statement = select(table).where(*_is(table, rows[table.name]))
                row = (await connection.execute(statement)).one()
                found[table.name] = {str(name): value for name, value in row._mapping.items()}  # noqa: SLF001 - the documented way
        return found

    async def change_and_delete(self, rows: dict[str, Row]) -> None:
        """Every other column is written anew; then the rows go, the last table's first."""
        async with self._database._writer.begin() as connection:  # noqa: SLF001 - as above
            for table in reversed(self._tables):
                row = rows[table.name]
                news = {
                    column.name: row[column.name]
                    for column in table.columns
                    if not column.primary_key
                }
                of_row = _is(table, row)
                changed = await connection.execute(update(table).where(*of_row).values(news))
                gone = await connection.execute(delete(table).where(*of_row))
                assert (changed.rowcount, gone.rowcount) == (1, 1), table.name

    def _values_of(self, table: Table, rows: dict[str, Row]) -> Iterator[tuple[str, Any]]:
        for column in table.columns:
            parents = [key.column for key in column.foreign_keys]
            if parents:
                yield column.name, rows[parents[0].table.name][parents[0].name]
            else:
                yield column.name, self._value_for(column)

    def _value_for(self, column: Column[Any]) -> object:
        number = next(self._numbers)
        if isinstance(column.type, Boolean):
            return bool(number % 2)
        if isinstance(column.type, (BigInteger, Integer)):
            return number
        return f'"{column.name} {number}"'  # also for what is kept as JSON


def _is(table: Table, row: Row) -> list[Any]:
    return [column == row[column.name] for column in table.primary_key]


@pytest.mark.parametrize(("before", "after"), STEPS, ids=str)
async def test_a_gateway_of_the_version_before_works_on_the_schema_of_the_next(
    empty: Database, before: str, after: str
) -> None:
    await empty.migrate(before)
    old = await OldGateway.of(empty)
    kept = await old.write()

    await empty.migrate(after)

    made = await old.write()
    assert await old.read(kept) == kept
    assert await old.read(made) == made
    await old.change_and_delete(made)

    await empty.migrate(before)
    assert await old.read(kept) == kept


async def test_the_first_gateway_works_on_the_newest_schema(empty: Database) -> None:
    await empty.migrate(REVISIONS[0])
    first = await OldGateway.of(empty)
    kept = await first.write()

    await empty.migrate()

    made = await first.write()
    assert await first.read(kept) == kept
    await first.change_and_delete(made)


# What a migration must not do.
BREACHES: Final = {
    "a column gets another name": "ALTER TABLE passwords RENAME COLUMN hash TO digest",
    "a column is dropped": "ALTER TABLE passwords DROP COLUMN hash",
    "a table is dropped": "DROP TABLE sessions",
    "what may be there many times may be there once": (
        "CREATE UNIQUE INDEX one_and_only ON users ((age IS NULL))"
    ),
}


@pytest.mark.parametrize("breach", BREACHES)
async def test_a_schema_that_older_gateways_mind_is_noticed(empty: Database, breach: str) -> None:
    await empty.migrate()
    old = await OldGateway.of(empty)
    await old.write()

    async with empty._writer.begin() as connection:  # noqa: SLF001 - what a bad migration does
        await connection.execute(text(BREACHES[breach]))

    with pytest.raises(DBAPIError):
        await old.write()
