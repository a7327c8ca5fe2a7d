"""Fifty clients who make, change and delete the same users on two workers: nothing is lost.

Two real gateways over one PostgreSQL and one Redis. Each client asks either of them as it comes.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import AsyncIterator
from typing import Any, Final, NamedTuple

import aiohttp
import pytest

from gateway.identity import Role
from tests.conftest import StartGateway
from tests.gateway.users.backends import BACKENDS, opened
from tests.toolbox.strict_gateway import SECRET, token_of

pytestmark = [pytest.mark.journey, pytest.mark.timeout(240)]

CLIENTS: Final = 50
TURNS: Final = 8
SHARED: Final = 5  # users whom everybody changes
COVETED: Final = 3  # addresses that everybody wants a user of
YOUNGEST: Final = 18
ELSEWHERE_SECONDS: Final = 1.0  # until a worker knows what another one has acknowledged
ADMIN: Final = {"Authorization": f"Bearer {token_of('an admin', Role.ADMIN)}"}


class Answer(NamedTuple):
    status: int
    body: Any
    asked_at: float
    answered_at: float


class Acknowledged(NamedTuple):
    worker: int
    at: float
    version: int


class Office:
    """Two workers, and what they have acknowledged."""

    def __init__(self, session: aiohttp.ClientSession, urls: list[str]) -> None:
        self._session = session
        self._urls = urls
        self.changes: dict[str, list[Acknowledged]] = {}
        self.statuses: list[int] = []

    async def ask(
        self, worker: int, method: str, path: str, body: object = None, **headers: str
    ) -> Answer:
        asked_at = time.monotonic()
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        async with self._session.request(
            method, f"{self._urls[worker]}{path}", json=body, headers=ADMIN | named
        ) as response:
            answer = await response.json() if response.status != 204 else None
        self.statuses.append(response.status)
        return Answer(response.status, answer, asked_at, time.monotonic())

    async def read(self, worker: int, user_id: str) -> dict[str, Any]:
        """A shared user; nothing older than what was acknowledged."""
        answer = await self.ask(worker, "GET", f"/api/users/{user_id}")
        assert answer.status == 200, answer
        user: dict[str, Any] = answer.body["data"]
        due = [
            each.version
            for each in self.changes.get(user_id, ())
            if each.at + (0 if each.worker == worker else ELSEWHERE_SECONDS) <= answer.asked_at
        ]
        assert user["version"] >= max(due, default=1), "what was acknowledged was not read"
        return user

    async def grow(self, worker: int, user: dict[str, Any]) -> bool:
        """Add a year to what was read, if nobody else has; whether it was done."""
        answer = await self.ask(
            worker,
            "PATCH",
            f"/api/users/{user['id']}",
            {"age": user["age"] + 1},
            If_Match=f'"{user["version"]}"',
        )
        if answer.status == 412:
            return False
        assert answer.status == 200, answer
        assert answer.body["data"]["version"] == user["version"] + 1
        assert answer.body["data"]["age"] == user["age"] + 1
        acknowledged = Acknowledged(worker, answer.answered_at, user["version"] + 1)
        self.changes.setdefault(user["id"], []).append(acknowledged)
        return True


@pytest.fixture
async def office(
    request: pytest.FixtureRequest, redis_url: str, start_gateway: StartGateway
) -> AsyncIterator[Office]:
    url = await asyncio.to_thread(BACKENDS["postgresql"], request, "paceline_writers")
    await (await opened(url)).stop()
    settings = {
        "PACELINE_ENV": "production",
        "PACELINE_JWT_SECRET": SECRET,
        "DATABASE_URL": url,
        "REDIS_URL": redis_url,
    }
    gateways = [await asyncio.to_thread(start_gateway, **settings) for _ in range(2)]
    limits = aiohttp.TCPConnector(limit=2 * CLIENTS)
    async with aiohttp.ClientSession(connector=limits) as session:
        yield Office(session, [gateway.url for gateway in gateways])
    assert all("Traceback" not in gateway.log for gateway in gateways)


async def _change_shared(office: Office, dice: random.Random, ids: list[str]) -> int:
    """Read and change, again and again; how often it was done."""
    done = 0
    for _ in range(TURNS):
        user = await office.read(dice.randrange(2), dice.choice(ids))
        done += await office.grow(dice.randrange(2), user)
    return done


async def _covet(office: Office, dice: random.Random, balance: dict[str, int]) -> None:
    """Make a user of an address that others want, too; who has got it gives it up again."""
    for _ in range(TURNS // 2):
        email = f"coveted{dice.randrange(COVETED)}@example.org"
        body = {"email": email, "name": "Coveted"}
        made = await office.ask(dice.randrange(2), "POST", "/api/users", body)
        assert made.status in {201, 409}, made
        if made.status == 201:
            balance[email] += 1
            assert balance[email] == 1, "two users with one address"
            path, worker = f"/api/users/{made.body['data']['id']}", dice.randrange(2)
            balance[email] -= 1  # it may be anybody's from the moment on that this is on its way
            gone = await office.ask(worker, "DELETE", path)
            assert gone.status == 204, gone
            assert (await office.ask(worker, "GET", path)).status == 404
            await asyncio.sleep(max(0.0, gone.answered_at + ELSEWHERE_SECONDS - time.monotonic()))
            assert (await office.ask(1 - worker, "GET", path)).status == 404


async def test_fifty_clients_on_two_workers_lose_nothing(office: Office) -> None:
    ids = []
    for number in range(SHARED):
        body = {"email": f"shared{number}@example.org", "name": "Shared", "age": YOUNGEST}
        ids.append((await office.ask(0, "POST", "/api/users", body)).body["data"]["id"])
    balance = dict.fromkeys((f"coveted{number}@example.org" for number in range(COVETED)), 0)

    seeds = [random.Random(number) for number in range(CLIENTS)]  # noqa: S311 - dice, no secret
    async with asyncio.TaskGroup() as clients:
        changing = [
            clients.create_task(_change_shared(office, dice, ids)) for dice in seeds[: CLIENTS - 10]
        ]
        for dice in seeds[CLIENTS - 10 :]:
            clients.create_task(_covet(office, dice, balance))

    done = sum(task.result() for task in changing)
    assert done >= SHARED * 5
    assert max(office.statuses) < 500
    for user_id in ids:
        versions = [each.version for each in office.changes[user_id]]
        assert sorted(versions) == list(range(2, len(versions) + 2)), "a version was given twice"
        user = await office.read(0, user_id)
        assert (user["version"], user["age"]) == (len(versions) + 1, YOUNGEST + len(versions))


async def test_ten_who_make_one_user_with_one_key_make_one(office: Office) -> None:
    body = {"email": "once@example.org", "name": "Once"}

    answers = await asyncio.gather(
        *(
            office.ask(number % 2, "POST", "/api/users", body, Idempotency_Key="once")
            for number in range(10)
        )
    )

    assert {answer.status for answer in answers} == {201}
    assert len({answer.body["data"]["id"] for answer in answers}) == 1
    listed = await office.ask(1, "GET", "/api/users?email=once@example.org")
    assert listed.body["meta"]["total"] == 1
