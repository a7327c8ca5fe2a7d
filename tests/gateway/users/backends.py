"""The databases that the suites of the user store run over; a new one is a function and a row."""

from __future__ import annotations

import asyncio
import contextlib
import os
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, Final

import asyncpg
import pytest
from sqlalchemy import Engine, event

from gateway.users.database import Database
from tests.toolbox.postgres_server import PostgresServer

_LONG_AGO_SECONDS: Final = 1_700_000_000

PostgresOf = Callable[[], PostgresServer]


def sqlite(request: pytest.FixtureRequest, name: str) -> str:
    folder: Path = request.getfixturevalue("tmp_path")
    return f"sqlite:///{folder / name}.db"


def postgresql(request: pytest.FixtureRequest, name: str) -> str:
    """A database of the shared server, emptied; made when it is asked for the first time."""
    server: PostgresServer = request.getfixturevalue("shared_postgres_server")
    asyncio.run(_emptied(server, name))
    return server.url_of(name)


BACKENDS: Final[dict[str, Callable[[pytest.FixtureRequest, str], str]]] = {
    "sqlite": sqlite,
    "postgresql": postgresql,
}


async def opened(url: str) -> Database:
    """The database, its schema the newest, started."""
    database = Database(url)
    await database.migrate()
    await database.start()
    return database


def let_age(folder: Path) -> None:
    """Make as if the files of a SQLite database had been written to a long time ago."""
    for file in folder.iterdir():
        os.utime(file, (_LONG_AGO_SECONDS, _LONG_AGO_SECONDS))


@contextlib.contextmanager
def statements() -> Iterator[list[str]]:
    """What databases are asked meanwhile."""
    asked: list[str] = []

    def note(*said: Any) -> None:  # noqa: ANN401 - SQLAlchemy's own
        asked.append(said[2])

    event.listen(Engine, "before_cursor_execute", note)
    try:
        yield asked
    finally:
        event.remove(Engine, "before_cursor_execute", note)


async def _emptied(server: PostgresServer, name: str) -> None:
    admin = await asyncpg.connect(server.url_of("postgres"))
    try:
        known = await admin.fetchval("SELECT 1 FROM pg_database WHERE datname = $1", name)
        if not known:
            await admin.execute(f"CREATE DATABASE {name} TEMPLATE template0")
    finally:
        await admin.close()
    if known:
        await execute(server.url_of(name), ["DROP SCHEMA public CASCADE", "CREATE SCHEMA public"])


async def execute(url: str, statements: Sequence[str]) -> None:
    """Have PostgreSQL execute statements, one after the other."""
    connection = await asyncpg.connect(url)
    try:
        for statement in statements:
            await connection.execute(statement)
    finally:
        await connection.close()
