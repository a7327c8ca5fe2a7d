"""Deeds that change nothing in the store, and are put down in its trail yet."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from structlog.testing import capture_logs

from gateway.backends import stores_of
from gateway.users.acting import Actor, acting
from gateway.users.audit import AuditPage, AuditQuery, Deed
from gateway.users.database import Database
from gateway.users.store import StoreUnavailable
from gateway.users.trail import Trail
from gateway.users.user import User
from tests.gateway.users.people import person

ADA = person(1)


class Away:
    """A trail that is away."""

    async def note(self, now_ms: int, *deeds: Deed) -> None:
        raise StoreUnavailable(f"away at {now_ms}, with {len(deeds)} deeds")

    async def page(self, query: AuditQuery) -> AuditPage:
        raise StoreUnavailable(f"away, with {query}")

    async def cut(self, before_ms: int, now_ms: int) -> int:
        raise StoreUnavailable(f"away from {before_ms} to {now_ms}")

    async def find(self, email: str) -> User | None:
        raise StoreUnavailable(f"away, and {len(email)} characters say nothing")


async def deeds_in(database: Database) -> Sequence[tuple[str, str, str]]:
    page = await stores_of(database).audit.page(AuditQuery(is_descending=False))
    return [(entry.subject, entry.action, entry.whom) for entry in page.entries]


@pytest.fixture
def trail(database: Database) -> Trail:
    stores = stores_of(database)
    return Trail(stores.audit, stores.users.find_by_email)


async def test_an_order_is_put_down_here_and_in_the_log(trail: Trail, database: Database) -> None:
    with capture_logs() as lines, acting(Actor("an operator", "token")):
        await trail.note("peer.removed", "p1", room="city:paris", nothing=None)

    assert await deeds_in(database) == [("an operator", "peer.removed", "p1")]
    (line,) = lines
    assert line["event"] == "= audit"
    assert (line["by"], line["whom"], line["room"]) == ("an operator", "p1", "city:paris")


async def test_of_accounts_that_are_slowed_down_those_that_there_are_are_put_down(
    trail: Trail, database: Database
) -> None:
    await stores_of(database).users.save(ADA)

    for email in (ADA.email, "nobody@example.org"):
        trail.note_slowed(email)
    await trail.stop()

    assert (await deeds_in(database))[1:] == [("", "sign-in.slowed", ADA.id)]


async def test_a_flood_of_accounts_asks_the_store_no_more_than_so_often() -> None:
    asked: list[str] = []

    async def find(email: str) -> User | None:
        asked.append(email)
        return None

    trail = Trail(Away(), find)
    for number in range(1_000):
        trail.note_slowed(f"{number}@example.org")
    await trail.stop()

    assert 100 <= len(asked) <= 101


async def test_a_store_that_is_away_costs_a_line() -> None:
    away = Away()
    trail = Trail(away, away.find)

    with capture_logs() as lines:
        await trail.note("worker.drained", "w1")
        trail.note_slowed(ADA.email)
        await trail.stop()

    assert [line["event"] for line in lines] == ["= audit", "! not in the trail"]
