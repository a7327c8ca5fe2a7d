"""What has ended is forgotten; what has not stays."""

from __future__ import annotations

import time

import msgspec
from sqlalchemy import func, select

from gateway.backends import Stores
from gateway.jobs.housekeeping import cutting, housekeeping
from gateway.users.api_key import ApiKey
from gateway.users.audit import AuditQuery, Deed
from gateway.users.database import Database
from gateway.users.job import Job
from gateway.users.store import Creation
from gateway.users.tables import metadata
from tests.gateway.jobs.bench import owed
from tests.gateway.users.people import person
from tests.gateway.users.test_session import session_of

DAY_MS = 86_400_000
NOTHING = Job(id="j", kind="k", lane="k", body="null", run_at_ms=0, created_at_ms=0, attempts=1)


def key_of(number: int, expires_at_ms: int | None) -> ApiKey:
    return ApiKey(
        id=f"key{number}",
        name="shop",
        digest="d",
        join=(),
        publish=("*",),
        created_at_ms=0,
        expires_at_ms=expires_at_ms,
    )


async def test_each_table_loses_what_has_ended_and_nothing_else(
    stores: Stores, database: Database
) -> None:
    now_ms = time.time_ns() // 1_000_000
    await stores.users.create(person(1), Creation("old", "f", now_ms - 2 * DAY_MS))
    await stores.users.create(person(2), Creation("new", "f", now_ms - 2 * DAY_MS + 1))
    session = msgspec.structs.replace(session_of(person(1)), created_at_ms=now_ms - DAY_MS)
    for number, ends_at_ms in enumerate([now_ms + DAY_MS, now_ms - 1]):
        replaced = msgspec.structs.replace(session, id=f"s{number}", expires_at_ms=ends_at_ms)
        await stores.sessions.open(replaced)
    for number, end_ms in enumerate([now_ms - 31 * DAY_MS, now_ms - DAY_MS, None]):
        await stores.keys.save(key_of(number, end_ms), now_ms - DAY_MS)
    await stores.jobs.add([owed("a"), owed("b"), owed("c")])
    done, dead, _ = await stores.jobs.claim("me", now_ms + 9_999, now_ms + DAY_MS, 3)
    await stores.jobs.finish(done.id, "me", now_ms - 2 * DAY_MS)
    await stores.jobs.park(dead.id, "me", now_ms - 2 * DAY_MS, "no")

    table = housekeeping(stores.housekeeping, stores.changes, stores.jobs, stores.proofs)
    for each in [*table, *table]:
        await each.work.run(NOTHING)

    counts = {}
    async with database.reading() as connection:
        for name in ("users", "creations", "sessions", "api_keys", "changes", "jobs"):
            statement = select(func.count()).select_from(metadata.tables[name])
            counts[name] = (await connection.execute(statement)).scalar_one()
    assert counts == {
        "users": 2,
        "creations": 0,
        "sessions": 1,
        "api_keys": 2,
        "changes": 0,
        "jobs": 2,
    }


async def test_the_trail_goes_back_so_many_days(stores: Stores) -> None:
    now_ms = time.time_ns() // 1_000_000
    for days in (31, 30, 1):
        await stores.audit.note(now_ms - days * DAY_MS, Deed("worker.drained", f"{days}"))

    for _ in range(2):
        await cutting(stores.audit, 30).work.run(NOTHING)

    page = await stores.audit.page(AuditQuery())
    assert [entry.whom for entry in page.entries] == ["", "1"]
    assert page.entries[0].details == {"through": 2, "count": 2}
    assert page.entries[0].via == "gateway"
