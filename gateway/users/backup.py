"""This module owns backups: one moment of all users, in a file that fills any empty database.

A backup is lines of JSON in gzip: what it is, then rows by table, then how many there were, so that
a file that was cut off is noticed. It is taken from a snapshot, so the gateway goes on meanwhile.
"""

from __future__ import annotations

import asyncio
import datetime as dt
import gzip
import os
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any, Final

import msgspec
from sqlalchemy import Connection, MetaData, Table, func, insert, inspect, select
from sqlalchemy.exc import OperationalError, StatementError
from sqlalchemy.ext.asyncio import AsyncConnection

from gateway.users import schema
from gateway.users.database import Database
from gateway.users.sql_audit import go_on_from_last
from gateway.users.tables import (
    api_keys,
    audit,
    external_identities,
    passwords,
    sessions,
    users,
    verifications,
)

_FORMAT: Final = 1
# In this order each row finds what it refers to. Keys of creations are of a day, changes of the
# workers of the moment, and jobs and tokens of mails are on their way: none means anything
# elsewhere.
_TABLES: Final = (users, passwords, sessions, api_keys, external_identities, verifications, audit)
_ROWS_AT_ONCE: Final = 500


class BackupUnusable(Exception):
    """The file is no whole backup, or there is no room for what is in it; the message says why."""


class _Head(msgspec.Struct, frozen=True, rename="camel"):
    format: int
    schema: str
    taken_at: dt.datetime


class _Part(msgspec.Struct, frozen=True, tag_field="is", tag="rows"):
    table: str
    rows: list[dict[str, Any]]


class _Foot(msgspec.Struct, frozen=True, tag_field="is", tag="end"):
    counts: dict[str, int]


_encode = msgspec.json.Encoder().encode
_decode_head = msgspec.json.Decoder(_Head).decode
_decode_part = msgspec.json.Decoder(_Part | _Foot).decode


async def write_backup(database: Database, file: IO[bytes]) -> dict[str, int]:
    """Write everything to the file; gives the number of rows by table.

    Raises `StoreUnavailable`, and what writing the file raises.
    """
    counts: dict[str, int] = {}
    with gzip.GzipFile(fileobj=file, mode="wb") as lines:
        async with database.snapshot() as connection:
            revision = await connection.run_sync(schema.revision_of)
            if revision is None:
                raise BackupUnusable("There is nothing to back up: the database has no tables.")
            head = _Head(_FORMAT, revision, dt.datetime.now(dt.UTC))
            lines.write(_encode(head) + b"\n")
            for table in _TABLES:
                counts[str(table.name)] = await _write_table(connection, table, lines)
        lines.write(_encode(_Foot(counts)) + b"\n")
    return counts


async def write_backup_file(database: Database, path: Path) -> dict[str, int]:
    """Write a backup in the place of what is there, if anything is, once it is whole.

    Raises what `write_backup` raises.
    """
    unfinished = path.with_name(path.name + ".unfinished")
    try:
        # It holds hashes of passwords and keys: nobody else on the machine reads it.
        descriptor = os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            counts = await write_backup(database, file)
            file.flush()
            await asyncio.to_thread(os.fsync, file.fileno())
        unfinished.replace(path)
    finally:
        unfinished.unlink(missing_ok=True)
    return counts


async def _write_table(connection: AsyncConnection, table: Table, lines: gzip.GzipFile) -> int:
    count = 0
    result = await connection.stream(select(table))
    async for rows in result.partitions(_ROWS_AT_ONCE):
        # SQLAlchemy's names are strings of a class of their own.
        mappings = (row._mapping for row in rows)  # noqa: SLF001 - documented, in spite of its name
        part = _Part(str(table.name), [{str(k): v for k, v in each.items()} for each in mappings])
        lines.write(_encode(part) + b"\n")
        count += len(rows)
    return count


async def restore_backup(database: Database, file: IO[bytes]) -> dict[str, int]:
    """Fill a database that keeps nobody yet; gives the number of rows by table.

    All of it or nothing. Raises `BackupUnusable` or `StoreUnavailable`.
    """
    lines = _lines_of(file)
    try:
        head = _decode_head(next(lines, b""))
    except msgspec.MsgspecError as error:
        raise BackupUnusable("The file is no backup.") from error
    if head.format != _FORMAT or head.schema not in schema.revisions():
        raise BackupUnusable("The backup was made by a newer version than this one.")
    await _check_empty(database)
    await database.migrate(head.schema)
    async with database.writing_for_long() as connection:
        counts = await _fill(connection, lines)
    await database.migrate()
    return counts


async def _check_empty(database: Database) -> None:
    async with database.snapshot() as connection:
        if await connection.run_sync(schema.revision_of) is None:
            return
        count = (await connection.execute(select(func.count()).select_from(users))).scalar_one()
        has_trail = await connection.run_sync(_has_trail)
    if count:
        raise BackupUnusable(f"The database keeps {count} users; restore into an empty one.")
    if has_trail:
        said = "The database keeps a trail of changes of its own; restore into a new one."
        raise BackupUnusable(said)


def _has_trail(connection: Connection) -> bool:
    if not inspect(connection).has_table(audit.name):  # an earlier schema
        return False
    return connection.execute(select(audit.c.number).limit(1)).first() is not None


async def _fill(connection: AsyncConnection, lines: Iterator[bytes]) -> dict[str, int]:
    there = MetaData()
    await connection.run_sync(there.reflect)
    counts = {str(table.name): 0 for table in _TABLES if table.name in there.tables}
    for line in lines:
        try:
            part = _decode_part(line)
        except msgspec.MsgspecError as error:
            raise BackupUnusable("The backup is damaged.") from error
        if isinstance(part, _Foot):
            _check_whole(part, counts, lines)
            if audit.name in counts:
                await go_on_from_last(connection)
            return counts
        if part.table not in counts:
            raise BackupUnusable(f"The backup has a table {part.table[:50]!r} that is none.")
        try:
            await connection.execute(insert(there.tables[part.table]), part.rows)
        except OperationalError:  # the database, not the file
            raise
        except (StatementError, TypeError) as error:
            raise BackupUnusable("The backup has rows that do not fit together.") from error
        counts[part.table] += len(part.rows)
    raise BackupUnusable("The backup is not whole: its end is missing.")


def _check_whole(foot: _Foot, counts: dict[str, int], lines: Iterator[bytes]) -> None:
    if {name: count for name, count in foot.counts.items() if count} != {
        name: count for name, count in counts.items() if count
    }:
        raise BackupUnusable("The backup is not whole: rows are missing.")
    if next(lines, None) is not None:  # to read to the end is also to check gzip's sum of it all
        raise BackupUnusable("The backup goes on behind its end.")


def _lines_of(file: IO[bytes]) -> Iterator[bytes]:
    try:
        with gzip.GzipFile(fileobj=file, mode="rb") as lines:
            yield from lines
    except (OSError, EOFError, zlib.error) as error:
        raise BackupUnusable("The file is no whole backup.") from error
