"""Users in SQL: which index serves which query, shown by PostgreSQL among 100,000 users."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import AsyncIterator
from typing import Any

import asyncpg
import msgspec
import pytest
from sqlalchemy import Select, select, text

from gateway.users.database import Database
from gateway.users.sorting import place_of
from gateway.users.sql import SqlUserStore, count_of, statement_of
from gateway.users.store import UserQuery
from gateway.users.tables import users
from gateway.users.user import User, folded
from protocol.users import UserRole
from tests.gateway.users.backends import opened
from tests.gateway.users.people import person
from tests.toolbox.postgres_server import PostgresServer

CROWD = 100_000
_ROLES: tuple[UserRole, ...] = ("viewer", "operator", "admin")
_numbers = itertools.count()
_SYLLABLES = ("an", "bo", "cy", "da", "el", "fi", "gu", "ha", "io", "ju", "ko", "lu", "ma", "ni")


def resident(number: int) -> User:
    """One of the crowd: nearly all are riders, few are disabled, names begin in many ways."""
    name = "".join(_SYLLABLES[number // 14**power % 14] for power in (0, 1, 2))
    role: UserRole = _ROLES[number // 100 % 3] if number % 100 == 0 else "rider"
    return person(number, name=f"{name} {number}", role=role, disabled=number % 50 == 0)


def page(**query: Any) -> UserQuery:  # noqa: ANN401 - whatever a query has
    return UserQuery(**query)


PAGES = {
    "newest first": page(is_descending=True),
    "oldest first": page(),
    "by name": page(sort="name"),
    "by e-mail": page(sort="email"),
    "by e-mail, backwards": page(sort="email", is_descending=True),
    "the next page": page(after=place_of(resident(50_000), "createdAt")),
    "the next page by name": page(sort="name", after=place_of(resident(50_000), "name")),
    "the next page, backwards": page(
        is_descending=True, after=place_of(resident(50_000), "createdAt")
    ),
    "page 20": page(offset=950),
    "admins": page(role="admin"),
    "riders": page(role="rider", is_descending=True),
    "admins by name": page(role="admin", sort="name"),
    "the disabled": page(disabled=True),
    "the others": page(disabled=False),
    "disabled admins": page(role="admin", disabled=True),
    "riders who are not disabled": page(role="rider", disabled=False),
    "one e-mail": page(email="PERSON77@example.org"),
    "names that begin so": page(name_prefix="Anbo", sort="name"),
}
LISTED: dict[str, Select[Any]] = {
    **{f"page: {name}": statement_of(query) for name, query in PAGES.items()},
    **{f"total: {name}": count_of(query) for name, query in PAGES.items() if query.after is None},
    "by id": select(users).where(users.c.id == resident(5).id),
    "by e-mail": select(users).where(users.c.email_folded == folded(resident(5).email)),
}


@pytest.fixture
async def crowd(shared_postgres_server: PostgresServer) -> AsyncIterator[Database]:
    url = await asyncio.to_thread(shared_postgres_server.create_database, f"crowd_{next(_numbers)}")
    database = await opened(url)
    rows = [
        {
            **msgspec.structs.asdict(user),
            "email_folded": folded(user.email),
            "name_folded": folded(user.name),
        }
        for user in map(resident, range(CROWD))
    ]
    admin = await asyncpg.connect(url)
    await admin.copy_records_to_table(
        "users", records=[tuple(row.values()) for row in rows], columns=list(rows[0])
    )
    await admin.execute("VACUUM ANALYZE")
    await admin.close()
    yield database
    await database.stop()


@pytest.mark.journey
async def test_no_listed_query_reads_the_whole_table(crowd: Database) -> None:
    plans = {}
    async with crowd.reading() as connection:
        for name, statement in LISTED.items():
            literal = statement.compile(
                dialect=connection.dialect, compile_kwargs={"literal_binds": True}
            )
            rows = await connection.execute(text(f"EXPLAIN {literal}".replace(":", "\\:")))
            plans[name] = "\n".join(row[0] for row in rows)

    scanned = {name: plan for name, plan in plans.items() if "Seq Scan" in plan}
    assert scanned == {}
    # The judge can say guilty: without an index for it, this one reads everything.
    async with crowd.reading() as connection:
        rows = await connection.execute(text("EXPLAIN SELECT * FROM users WHERE age = 99"))
        assert "Seq Scan" in "\n".join(row[0] for row in rows)


@pytest.mark.journey
async def test_pages_of_a_crowd_hold_everybody_once(crowd: Database) -> None:
    store, query = SqlUserStore(crowd), UserQuery(sort="name", limit=5_000)
    seen: set[str] = set()
    for left in reversed(range(CROWD // query.limit)):
        found = await store.page(query)
        seen |= {user.id for user in found.users}
        query = msgspec.structs.replace(query, after=place_of(found.users[-1], "name"))
        assert (found.total, found.has_more) == (CROWD, left > 0)

    assert len(seen) == CROWD


def test_a_page_asks_for_one_user_more_than_it_shows() -> None:
    assert "LIMIT 51" in str(statement_of(page()).compile(compile_kwargs={"literal_binds": True}))
