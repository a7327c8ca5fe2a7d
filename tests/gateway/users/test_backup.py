"""Backups, from every database and into every database."""

from __future__ import annotations

import asyncio
import gzip
import io
import json
from collections.abc import AsyncIterator

import pytest

from gateway.users.backup import BackupUnusable, restore_backup, write_backup
from gateway.users.database import Database
from gateway.users.external import ExternalIdentity
from gateway.users.sql import SqlUserStore
from gateway.users.sql_external import SqlExternalStore
from gateway.users.sql_sessions import SqlSessionStore
from gateway.users.store import UserQuery
from tests.gateway.users.backends import BACKENDS, opened
from tests.gateway.users.people import NOW_MS, person
from tests.gateway.users.test_session import session_of

COUNT = 1_200


@pytest.fixture
async def full(database: Database) -> Database:
    store, sessions = SqlUserStore(database), SqlSessionStore(database)
    for start in range(0, COUNT, 400):
        await store.save_new([person(number) for number in range(start, start + 400)])
    await sessions.set_password(person(1).id, "$argon2id$...", NOW_MS, None)
    await sessions.open(session_of(person(1)))
    identity = ExternalIdentity("https://id.example", "one")
    await SqlExternalStore(database).link(identity, person(1).id, NOW_MS)
    return database


@pytest.fixture(params=sorted(BACKENDS))
async def empty(request: pytest.FixtureRequest) -> AsyncIterator[Database]:
    url = await asyncio.to_thread(BACKENDS[request.param], request, "paceline_restored")
    database = Database(url)
    yield database
    await database.stop()


async def backup_of(database: Database) -> bytes:
    file = io.BytesIO()
    counts = await write_backup(database, file)
    assert counts["users"] >= COUNT
    return file.getvalue()


async def everybody(database: Database) -> list[object]:
    return list((await SqlUserStore(database).page(UserQuery(limit=100_000))).users)


async def test_what_was_backed_up_is_there_again(full: Database, empty: Database) -> None:
    counts = await restore_backup(empty, io.BytesIO(await backup_of(full)))

    await empty.start()
    one_each = {"passwords": 1, "sessions": 1, "external_identities": 1}
    told = {"audit": COUNT + 2}
    assert counts == {"users": COUNT, "api_keys": 0, "verifications": 0} | one_each | told
    assert await everybody(empty) == await everybody(full)
    sessions = SqlSessionStore(empty)
    assert await sessions.credentials_of(person(1).email) == (person(1), "$argon2id$...")
    assert await sessions.of_user(person(1).id, NOW_MS) == [session_of(person(1))]
    await SqlUserStore(empty).save(person(COUNT))


async def test_a_trail_of_its_own_is_not_mixed_with_that_of_a_backup(
    full: Database, empty: Database
) -> None:
    backup = await backup_of(full)
    await empty.migrate()
    await empty.start()
    store = SqlUserStore(empty)
    await store.save(person(1))
    await store.delete(person(1).id, NOW_MS)

    with pytest.raises(BackupUnusable, match="a trail of changes of its own"):
        await restore_backup(empty, io.BytesIO(backup))


async def test_a_backup_under_writes_is_one_moment(full: Database, empty: Database) -> None:
    """Users are made one after the other: a moment has the first so many, without a hole."""
    store, is_over = SqlUserStore(full), asyncio.Event()

    async def write() -> int:
        number = COUNT
        while not is_over.is_set():
            await store.save(person(number))
            number += 1
        return number

    writing = asyncio.create_task(write())
    backup = await backup_of(full)
    is_over.set()
    last = await writing

    counts = await restore_backup(empty, io.BytesIO(backup))
    await empty.start()
    assert COUNT <= counts["users"] <= last
    assert await everybody(empty) == [person(number) for number in range(counts["users"])]


async def test_a_database_that_keeps_somebody_is_left_alone(full: Database) -> None:
    backup = await backup_of(full)

    with pytest.raises(BackupUnusable, match="keeps 1200 users"):
        await restore_backup(full, io.BytesIO(backup))


@pytest.mark.parametrize("kept", [0, 10, 5_000, -1, -20])
async def test_a_file_that_was_cut_off_restores_nothing(
    full: Database, empty: Database, kept: int
) -> None:
    backup = await backup_of(full)
    assert len(backup) > 6_000

    with pytest.raises(BackupUnusable):
        await restore_backup(empty, io.BytesIO(backup[:kept]))

    await empty.migrate()
    await empty.start()
    assert await everybody(empty) == []


async def test_lines_that_are_missing_or_strange_restore_nothing(
    full: Database, empty: Database
) -> None:
    lines = gzip.decompress(await backup_of(full)).splitlines(keepends=True)
    head = json.loads(lines[0])
    strange = [
        [*lines[:1], *lines[2:]],
        lines[:-1],
        [json.dumps(head | {"schema": "9999"}).encode(), *lines[1:]],
        [
            lines[0],
            b'{"is": "rows", "table": "alembic_version", "rows": [{"version_num": "x"}]}\n',
            lines[-1],
        ],
        [b"{}\n"],
    ]

    for each in strange:
        with pytest.raises(BackupUnusable):
            await restore_backup(empty, io.BytesIO(gzip.compress(b"".join(each))))

    await empty.migrate()
    await empty.start()
    assert await everybody(empty) == []


async def test_a_database_without_tables_has_nothing_to_back_up(empty: Database) -> None:
    with pytest.raises(BackupUnusable, match="nothing to back up"):
        await write_backup(empty, io.BytesIO())


async def test_the_backup_of_an_empty_database_is_one(empty: Database) -> None:
    await (await opened(empty.url.render_as_string(hide_password=False))).stop()
    file = io.BytesIO()

    assert set((await write_backup(empty, file)).values()) == {0}
    file.seek(0)
    assert set((await restore_backup(empty, file)).values()) == {0}
