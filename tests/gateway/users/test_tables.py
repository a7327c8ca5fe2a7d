"""The tables are what the migrations make."""

from __future__ import annotations

from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlalchemy import Connection, inspect

from gateway.users.database import Database
from gateway.users.tables import metadata


async def test_migrations_make_the_tables_that_the_queries_see(database: Database) -> None:
    def differences(connection: Connection) -> list[object]:
        return list(compare_metadata(MigrationContext.configure(connection), metadata))

    async with database.reading() as connection:
        assert await connection.run_sync(differences) == []


async def test_every_index_has_the_name_that_was_given_to_it(database: Database) -> None:
    def names(connection: Connection) -> set[str | None]:
        tables = inspect(connection)
        return {index["name"] for table in metadata.tables for index in tables.get_indexes(table)}

    async with database.reading() as connection:
        present = await connection.run_sync(names)

    declared = {index.name for table in metadata.tables.values() for index in table.indexes}
    assert present == declared
