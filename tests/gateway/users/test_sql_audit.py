"""The queries of the trail, as PostgreSQL answers them."""

from __future__ import annotations

import asyncio
from typing import Any, Final

import asyncpg
import pytest
from sqlalchemy import Select, text

from gateway.users.audit import AuditQuery
from gateway.users.sql_audit import entries_counted, entries_of
from tests.gateway.users.backends import opened
from tests.toolbox.postgres_server import PostgresServer

ENTRIES: Final = 50_000
QUERIES: Final = {
    "the newest": AuditQuery(),
    "from there on": AuditQuery(after=ENTRIES // 2),
    "from the beginning": AuditQuery(is_descending=False),
    "of somebody": AuditQuery(subject="subject 7"),
    "about somebody": AuditQuery(whom="whom 7"),
    "of a kind": AuditQuery(action="action 7"),
    "of an hour": AuditQuery(since_ms=20_000, until_ms=20_500),
}
LISTED: Final[dict[str, Select[Any]]] = {
    **{f"page: {name}": entries_of(query) for name, query in QUERIES.items()},
    **{f"total: {name}": entries_counted(query) for name, query in QUERIES.items()},
}


@pytest.mark.journey
async def test_no_query_reads_the_whole_trail(shared_postgres_server: PostgresServer) -> None:
    url = await asyncio.to_thread(shared_postgres_server.create_database, "long_trail")
    database = await opened(url)
    admin = await asyncpg.connect(url)
    await admin.copy_records_to_table("audit", records=map(_row_of, range(1, ENTRIES + 1)))
    await admin.execute("VACUUM ANALYZE")
    await admin.close()

    plans = {}
    async with database.reading() as connection:
        for name, statement in LISTED.items():
            literal = statement.compile(
                dialect=connection.dialect, compile_kwargs={"literal_binds": True}
            )
            rows = await connection.execute(text(f"EXPLAIN {literal}".replace(":", "\\:")))
            plans[name] = "\n".join(row[0] for row in rows)
        without = await connection.execute(text("EXPLAIN SELECT * FROM audit WHERE address = 'x'"))
        guilty = "\n".join(row[0] for row in without)
    await database.stop()

    assert {name: plan for name, plan in plans.items() if "Seq Scan" in plan} == {}
    assert "Seq Scan" in guilty  # the judge can say so
    for name, index in {
        "of somebody": "audit_by_subject",
        "about somebody": "audit_by_whom",
        "of a kind": "audit_by_action",
        "of an hour": "audit_by_time",
    }.items():
        assert index in plans[f"total: {name}"]


def test_all_entries_are_counted_without_reading_them() -> None:
    assert "count(" not in str(entries_counted(AuditQuery()))
    assert "count(" in str(entries_counted(AuditQuery(whom="7")))


def _row_of(number: int) -> tuple[object, ...]:
    names = (f"{name} {number % 200}" for name in ("action", "whom"))
    return (number, number, f"subject {number % 200}", "token", *names, "{}", "", "")
