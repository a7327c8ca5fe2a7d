"""The way to a database, and what it means to fail."""

from __future__ import annotations

import asyncio
import contextlib
import sqlite3
import sys
import time
from collections.abc import AsyncIterator
from pathlib import Path

import asyncpg
import pytest
from sqlalchemy import text
from sqlalchemy.exc import ProgrammingError

from gateway.users import database as module
from gateway.users.database import Database, url_of
from gateway.users.sql import SqlUserStore
from gateway.users.store import StoreUnavailable
from tests.gateway.users.backends import opened
from tests.gateway.users.people import person
from tests.toolbox.ports import free_port
from tests.toolbox.postgres_server import PostgresServer


@pytest.mark.parametrize(
    ("given", "wanted"),
    [
        ("sqlite:///paceline.db", "sqlite+aiosqlite:///paceline.db"),
        ("postgres://u@h/d", "postgresql+asyncpg://u@h/d"),
        ("postgresql+psycopg://u@h/d", "postgresql+asyncpg://u@h/d"),
        ("postgresql://u@h/d?sslmode=require", "postgresql+asyncpg://u@h/d?ssl=require"),
    ],
)
def test_a_url_may_be_written_as_platforms_write_it(given: str, wanted: str) -> None:
    assert url_of(given).render_as_string() == wanted


@pytest.mark.parametrize(
    "given", ["mysql://h/d", "nonsense", "nosuch://h/d", "sqlite://", "sqlite:///:memory:"]
)
def test_a_url_of_anything_else_is_refused(given: str) -> None:
    with pytest.raises(ValueError, match="DATABASE_URL"):
        url_of(given)


async def test_what_was_not_started_is_unavailable(tmp_path: Path) -> None:
    database = Database(f"sqlite:///{tmp_path}/x.db")

    with pytest.raises(StoreUnavailable, match="it was not started"):
        await database.ping()
    await database.stop()


def modes_in(folder: Path) -> dict[str, int]:
    """The permissions of the files."""
    return {path.name: path.stat().st_mode & 0o777 for path in folder.iterdir()}


async def test_a_new_file_is_read_by_its_owner_alone(tmp_path: Path) -> None:
    store = await opened(f"sqlite:///{tmp_path}/x.db")
    await SqlUserStore(store).save(person())

    assert modes_in(tmp_path) == {"x.db": 0o600, "x.db-shm": 0o600, "x.db-wal": 0o600}
    await store.stop()


async def test_a_file_that_is_there_stays_as_readable_as_it_is(tmp_path: Path) -> None:
    path = tmp_path / "x.db"
    path.touch()
    path.chmod(0o640)
    await (await opened(f"sqlite:///{path}")).stop()

    assert modes_in(tmp_path) == {"x.db": 0o640}


async def test_a_folder_that_is_not_there_is_unavailable_until_it_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "RETRY_SECONDS", 0.01)
    database = Database(f"sqlite:///{tmp_path}/later/x.db")
    await database.start()
    with pytest.raises(StoreUnavailable, match="unable to open database file"):
        await database.ping()

    (tmp_path / "later").mkdir()

    await _until_it_answers(database)
    await database.stop()


async def test_a_mistake_in_a_statement_is_a_bug_and_no_mood_of_the_database(
    shared_postgres_server: PostgresServer,
) -> None:
    database = await _of_its_own(shared_postgres_server, "mistakes")
    with pytest.raises(ProgrammingError):
        async with database.reading() as connection:
            await connection.execute(text("SELECT nonsense"))
    await database.stop()


async def test_sqlite_keeps_its_journal_beside_the_file_and_readers_do_not_wait(
    tmp_path: Path,
) -> None:
    database = await opened(f"sqlite:///{tmp_path}/x.db")
    store = SqlUserStore(database)
    await store.save(person(1))
    async with database.writing() as connection:
        await connection.execute(text("UPDATE users SET name = 'half done'"))

        seen = await store.find_by_id(person(1).id)

    assert seen == person(1)
    assert (tmp_path / "x.db-wal").exists()
    await database.stop()


async def test_writers_of_one_process_are_let_in_by_their_turn_where_there_is_one_at_a_time(
    tmp_path: Path,
) -> None:
    database = await opened(f"sqlite:///{tmp_path}/x.db")
    entered: list[int] = []

    async def write(number: int) -> None:
        async with database.writing() as connection:
            entered.append(number)
            await connection.execute(text("UPDATE users SET version = version + 1"))

    await asyncio.gather(*(write(number) for number in range(50)))

    assert entered == list(range(50))
    await database.stop()


async def test_a_locked_database_is_unavailable_in_bounded_time(
    database: Database, database_url: str
) -> None:
    store = SqlUserStore(database)
    async with locked(database_url):
        began = time.monotonic()
        with pytest.raises(StoreUnavailable):
            await store.save(person())
        assert time.monotonic() - began < 4

    await store.save(person())


async def test_long_work_takes_its_time_and_a_lock_that_is_kept_ends_it(
    shared_postgres_server: PostgresServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "LIMIT_SECONDS", 0.2)
    monkeypatch.setattr(module, "_LONG_LOCK_SECONDS", 1)
    url = await asyncio.to_thread(shared_postgres_server.create_database, "long_work")
    database = await opened(url)
    takes_time = text("SELECT pg_sleep(0.5)")

    with pytest.raises(StoreUnavailable):
        async with database.reading() as connection:
            await connection.execute(takes_time)
    async with database.snapshot() as connection:
        await connection.execute(takes_time)
    async with database.writing_for_long() as connection:
        await connection.execute(takes_time)
    async with locked(url):
        with pytest.raises(StoreUnavailable, match="lock timeout"):
            await SqlUserStore(database).save_new([person()])
    await database.stop()


@contextlib.asynccontextmanager
async def locked(url: str) -> AsyncIterator[None]:
    """Somebody else has the table for as long as they like."""
    if url.startswith("sqlite"):
        with contextlib.closing(sqlite3.connect(url.removeprefix("sqlite:///"))) as connection:
            connection.execute("BEGIN IMMEDIATE")
            yield
        return
    other = await asyncpg.connect(url)
    try:
        async with other.transaction():
            await other.execute("LOCK TABLE users IN ACCESS EXCLUSIVE MODE")
            yield
    finally:
        await other.close()


async def test_a_server_that_restarts_is_unavailable_meanwhile_and_then_is_not(
    postgres_server: PostgresServer,
) -> None:
    database = await _of_its_own(postgres_server, "restarting")
    store = SqlUserStore(database)
    await asyncio.gather(*(store.save(person(number)) for number in range(10)))

    postgres_server.kill()
    began = time.monotonic()
    with pytest.raises(StoreUnavailable):
        await store.find_by_id(person(1).id)
    assert time.monotonic() - began < 3

    postgres_server.restart()
    found = await asyncio.gather(*(store.find_by_id(person(number).id) for number in range(10)))
    assert found == [person(number) for number in range(10)]
    await database.stop()


async def test_a_server_that_comes_late_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "RETRY_SECONDS", 0.01)
    database = Database(f"postgresql://paceline@127.0.0.1:{free_port()}/x")

    await database.start()

    with pytest.raises(StoreUnavailable):
        await database.ping()
    await database.stop()


async def _of_its_own(server: PostgresServer, name: str) -> Database:
    return await opened(await asyncio.to_thread(server.create_database, name))


async def _until_it_answers(database: Database) -> None:
    async with asyncio.timeout(10):
        while True:
            try:
                await database.ping()
            except StoreUnavailable:
                await asyncio.sleep(0.01)
            else:
                return


async def test_a_database_without_rights_for_us_stops_no_gateway(
    shared_postgres_server: PostgresServer,
) -> None:
    database = await _of_its_own(shared_postgres_server, "without_rights")
    async with database.writing() as connection:
        await connection.execute(text("CREATE ROLE stranger LOGIN"))
    await database.stop()
    url = shared_postgres_server.url_of("without_rights").replace("paceline@", "stranger@")
    stranger = Database(url)

    await stranger.start()

    with pytest.raises(StoreUnavailable, match="the store is unavailable: permission denied"):
        await stranger.ping()
    await stranger.stop()


async def test_another_process_that_comes_and_goes_leaves_what_is_written_beside_it(
    tmp_path: Path,
) -> None:
    path = tmp_path / "x.db"
    database = await opened(f"sqlite:///{path}")
    async with database.reading() as one, database.reading() as another:  # a connection each
        await one.exec_driver_sql("SELECT 1")
        await another.exec_driver_sql("SELECT 1")
    look = "import sqlite3, sys; sqlite3.connect(sys.argv[1]).execute('SELECT * FROM users')"
    child = await asyncio.create_subprocess_exec(sys.executable, "-c", look, str(path))
    assert await child.wait() == 0
    await SqlUserStore(database).save(person(1))

    with contextlib.closing(sqlite3.connect(path)) as witness:
        assert witness.execute("SELECT count(*) FROM users").fetchone() == (1,)
    await database.stop()
