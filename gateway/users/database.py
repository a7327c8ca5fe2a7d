"""This module owns the way to a database: connections, transactions, and what it means to fail.

Nothing above it sees an exception of a driver. A database that is away costs each caller a moment
and `StoreUnavailable`; it is asked again in the background until it is back.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import time
from collections.abc import AsyncIterator
from typing import Any, Final

import asyncpg
import structlog
from sqlalchemy import URL, Connection, event, make_url
from sqlalchemy.exc import (
    DataError,
    DBAPIError,
    IntegrityError,
    NoSuchModuleError,
    ProgrammingError,
    SQLAlchemyError,
)
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine
from sqlalchemy.pool import NullPool

from gateway.users import schema
from gateway.users.stillness import Mark, mark_of
from gateway.users.store import StoreUnavailable

logger = structlog.get_logger(__name__)

LIMIT_SECONDS: Final = 2.0  # for one piece of work, and for a connection to do it on
RETRY_SECONDS: Final = 1.0
_LOCK_SECONDS: Final = 1.5  # for SQLite's one writer to be done; it waits in a thread of its own
# For one lock that long work waits for, on PostgreSQL: backups, restores, imports.
_LONG_LOCK_SECONDS: Final = 10
_CONNECTIONS: Final = 10
_GOODBYE_SECONDS: Final = 0.25  # for a server to hear that a connection is not needed any more
# Mistakes of ours, not moods of the database: they must be seen as what they are.
_BUGS: Final = (IntegrityError, ProgrammingError, DataError)


class SchemaBehind(Exception):
    """The database lacks migrations."""


class TablesBusy(StoreUnavailable):
    """Somebody else holds what a migration has to change. Nothing was changed."""

    def __str__(self) -> str:
        return (
            f"Another session holds a table that has to be changed ({self.reason})."
            " Nothing was changed. Wait for it to end, or end it, and run `paceline migrate`"
            " again; who it is shows PostgreSQL in pg_stat_activity, the oldest xact_start first."
        )


class _Connection(asyncpg.Connection):  # type: ignore[misc] # asyncpg publishes no types
    """A connection that is given up soon: SQLAlchemy waits two seconds for a line that is dead."""

    async def close(self, *, timeout: float | None = None) -> None:  # noqa: ASYNC109 - asyncpg's signature
        await super().close(
            timeout=_GOODBYE_SECONDS if timeout is None else min(timeout, _GOODBYE_SECONDS)
        )


class Database:
    """One database: SQLite in a file, or PostgreSQL.

    SQLite is the gateway's own file, so it is brought up to date at start; PostgreSQL belongs to
    others as well, so its schema waits for `paceline migrate`.
    """

    def __init__(self, url: str) -> None:
        self.url = url_of(url)
        self.is_sqlite = self.url.get_backend_name() == "sqlite"
        self._engine = _engine_of(self.url)
        # Work that takes its time has connections without a limit for each statement.
        self._long_engine = self._engine if self.is_sqlite else _long_engine_of(self.url)
        # SQLite wants to know at BEGIN who will write; PostgreSQL reads best without a BEGIN.
        self._writer = self._engine.execution_options(paceline_writes=True)
        self._long_writer = self._long_engine.execution_options(paceline_writes=True)
        self._reader = (
            self._engine
            if self.is_sqlite
            else self._engine.execution_options(isolation_level="AUTOCOMMIT")
        )
        # SQLite has one writer at a time and does not let those who wait in by their turn: among
        # many in one process some would wait in vain.
        self._turn = asyncio.Lock() if self.is_sqlite else contextlib.nullcontext()
        self._trouble = "it was not started"
        self._mending: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Get ready; a database that is away is waited for in the background."""
        await self._try_to_prepare()
        if self._trouble:
            logger.warning("! user store unavailable", why=self._trouble)
            self._mending = asyncio.create_task(self._prepare_forever())

    async def stop(self) -> None:
        """Close everything; a second call does nothing."""
        if self._mending is not None:
            self._mending.cancel()
            await asyncio.gather(self._mending, return_exceptions=True)
            self._mending = None
        await self._engine.dispose()

    async def ping(self) -> None:
        """Return when the database answers; raise `StoreUnavailable` when it does not."""
        async with self.reading() as connection:
            await connection.exec_driver_sql("SELECT 1")

    def mark(self) -> Mark | None:
        """Something that stays the same for as long as nobody writes; None when that is unknown."""
        return mark_of(self.url.database or "", time.time()) if self.is_sqlite else None

    @contextlib.asynccontextmanager
    async def reading(self) -> AsyncIterator[AsyncConnection]:
        """A connection to read on, each statement by itself. Raises `StoreUnavailable`."""
        self._check_ready()
        async with _translated(), self._reader.connect() as connection:
            yield connection

    @contextlib.asynccontextmanager
    async def writing(self) -> AsyncIterator[AsyncConnection]:
        """A transaction, all or nothing. Raises `StoreUnavailable`; `IntegrityError` passes."""
        self._check_ready()
        async with _translated(), self._turn, self._writer.begin() as connection:
            yield connection

    @contextlib.asynccontextmanager
    async def snapshot(self) -> AsyncIterator[AsyncConnection]:
        """One moment of the whole database, to read for as long as it takes.

        Raises `StoreUnavailable`. Writers do not wait for it.
        """
        options = {} if self.is_sqlite else {"isolation_level": "REPEATABLE READ"}
        engine = self._long_engine.execution_options(**options)
        async with _translated(None), engine.connect() as connection:
            await self._allow_time(connection)
            yield connection

    @contextlib.asynccontextmanager
    async def writing_for_long(self) -> AsyncIterator[AsyncConnection]:
        """A transaction that may take its time: commands wait, requests do not."""
        async with _translated(None), self._turn, self._long_writer.begin() as connection:
            await self._allow_time(connection)
            yield connection

    async def migrate(self, revision: str = "head") -> tuple[str | None, str | None]:
        """Go to a version of the schema, in whatever time it takes: (from, to).

        Raises `RevisionUnknown`, `TablesBusy` or `StoreUnavailable`; then nothing was changed.
        """
        try:
            async with _translated(None), self._long_writer.begin() as connection:
                return await connection.run_sync(schema.migrate, revision)
        except StoreUnavailable as unavailable:
            if _is_about_a_lock(unavailable.__cause__):
                raise TablesBusy(unavailable.reason) from unavailable
            raise

    async def _allow_time(self, connection: AsyncConnection) -> None:
        """Let the transaction take its time, but for a lock that somebody keeps."""
        if not self.is_sqlite:
            await connection.exec_driver_sql("SET LOCAL statement_timeout = 0")
            await connection.exec_driver_sql(f"SET LOCAL lock_timeout = '{_LONG_LOCK_SECONDS}s'")

    def _check_ready(self) -> None:
        if self._trouble:
            raise StoreUnavailable(self._trouble)

    async def _prepare_forever(self) -> None:
        while self._trouble:
            await asyncio.sleep(RETRY_SECONDS)
            await self._try_to_prepare()
        logger.info("= user store available")

    async def _try_to_prepare(self) -> None:
        try:
            await self._prepare()
        except StoreUnavailable as unavailable:
            self._trouble = unavailable.reason or "it does not answer"
        except SchemaBehind:
            self._trouble = "its schema is behind; run `paceline migrate`"
        except (
            SQLAlchemyError
        ) as error:  # rights that are missing, for instance: no reason to crash
            self._trouble = _said_by(error)
        else:
            self._trouble = ""

    async def _prepare(self) -> None:
        async with _translated(), self._reader.connect() as connection:
            is_behind = await connection.run_sync(schema.is_behind)
        if not is_behind:
            return
        if not self.is_sqlite:
            raise SchemaBehind
        before, after = await self.migrate()
        if before is not None:
            logger.info("= schema migrated", before=before, after=after)


def url_of(text: str) -> URL:
    """The URL as SQLAlchemy wants it, from the forms in which platforms write it.

    Raises `ValueError` for one that names no database that users are kept in.
    """
    try:
        url = make_url(text)
        name = url.get_backend_name()
    except (SQLAlchemyError, NoSuchModuleError, ValueError) as error:
        raise ValueError("DATABASE_URL is not a URL of a database") from error
    if name == "sqlite":
        if url.database in {None, "", ":memory:"}:  # each connection would have one of its own
            raise ValueError("DATABASE_URL must name a file: sqlite:///paceline.db")
        return url.set(drivername="sqlite+aiosqlite")
    if name not in {"postgres", "postgresql"}:
        raise ValueError("DATABASE_URL must begin with sqlite:// or postgresql://")
    mode = url.query.get("sslmode")
    if mode is not None:  # asyncpg has the same words under another name
        url = url.difference_update_query(["sslmode"]).update_query_dict({"ssl": mode})
    return url.set(drivername="postgresql+asyncpg")


def _engine_of(url: URL) -> AsyncEngine:
    if url.get_backend_name() == "sqlite":
        engine = create_async_engine(
            url, pool_timeout=LIMIT_SECONDS, connect_args={"timeout": _LOCK_SECONDS}
        )
        event.listen(engine.sync_engine, "do_connect", _make_file)
        event.listen(engine.sync_engine, "connect", _set_sqlite_up)
        event.listen(engine.sync_engine, "begin", _begin_sqlite)
        return engine
    return create_async_engine(
        url,
        pool_size=_CONNECTIONS,
        max_overflow=0,
        pool_timeout=LIMIT_SECONDS,
        pool_pre_ping=True,  # a restarted server leaves connections behind that nobody answers
        connect_args={
            "timeout": LIMIT_SECONDS,
            "command_timeout": LIMIT_SECONDS,
            "connection_class": _Connection,
        },
    )


def _make_file(_dialect: object, _record: object, arguments: list[Any], _more: object) -> None:
    """A file that is not there yet is its owner's alone; SQLite's other files take after it."""
    path = arguments[0]
    if path.startswith("file:"):  # a URI of SQLite's own
        return
    # It holds hashes of passwords and keys. Why it cannot be made is SQLite's to say. One that is
    # there is never opened here: to close it would take all locks of this process off it, and the
    # next process that is done with it would delete the log that this one writes to.
    with contextlib.suppress(OSError):
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600))


def _long_engine_of(url: URL) -> AsyncEngine:
    """PostgreSQL for work that is rare and may be long: a connection each, closed after it."""
    return create_async_engine(
        url,
        poolclass=NullPool,
        connect_args={"timeout": LIMIT_SECONDS, "connection_class": _Connection},
    )


def _set_sqlite_up(connection: Any, _record: object) -> None:  # noqa: ANN401 - a driver's own class
    connection.isolation_level = None  # the driver must not begin transactions by its own lights
    cursor = connection.cursor()
    cursor.execute("PRAGMA journal_mode = WAL")
    cursor.execute("PRAGMA synchronous = NORMAL")
    cursor.execute("PRAGMA foreign_keys = ON")
    cursor.close()


def _begin_sqlite(connection: Connection) -> None:
    # To begin with a read and then write fails at once when somebody else wrote in between.
    is_writer = connection.get_execution_options().get("paceline_writes", False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if is_writer else "BEGIN")


@contextlib.asynccontextmanager
async def _translated(limit_seconds: float | None = LIMIT_SECONDS) -> AsyncIterator[None]:
    try:
        async with asyncio.timeout(limit_seconds):
            yield
    except _BUGS:
        raise
    except (DBAPIError, PoolTimeout, OSError, asyncpg.PostgresError, asyncpg.InterfaceError) as no:
        raise StoreUnavailable(_said_by(no)) from no


def _is_about_a_lock(error: BaseException | None) -> bool:
    """Whether somebody else kept what was waited for: a table, or SQLite's one place to write."""
    origin = error.orig if isinstance(error, DBAPIError) else error
    is_kept = getattr(origin, "sqlstate", None) == asyncpg.LockNotAvailableError.sqlstate
    return is_kept or "database is locked" in str(origin)


def _said_by(error: Exception) -> str:
    """What the driver said, in one line, without the statement and its values."""
    origin = error.orig if isinstance(error, DBAPIError) and error.orig else error
    first_line = str(origin).partition("\n")[0]
    return first_line or type(error).__name__
