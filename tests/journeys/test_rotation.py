"""Every secret is exchanged under load: who has a good one is never refused, and old ones end."""

from __future__ import annotations

import asyncio
import collections
import itertools
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, Final

import aiohttp
import pytest

from gateway.identity import KeySet, Role, sign_token
from tests.toolbox.fleet import Fleet, until_ready, workers_of
from tests.toolbox.gateway_process import GatewayProcess
from tests.toolbox.raw_client import request
from tests.toolbox.redis_server import RedisServer
from tests.toolbox.siege import say, until
from tests.toolbox.strict_gateway import SECRET

pytestmark = [pytest.mark.journey, pytest.mark.timeout(180)]

NEXT_SECRET: Final = "another-secret-of-more-than-thirty-two-bytes-for-tests"
RIGHTS: Final = ("~*", "&*", "+@all")
PUBLISHERS: Final = 4
WORKERS: Final = 2
SOON_SECONDS: Final = 15.0
EVENTS: Final = "/api/rooms/paris/events"
UPDATE: Final = {"event": "bike-update", "data": {"bike_id": "1"}}


def token_of(role: Role, secret: str) -> str:
    return sign_token(
        KeySet.of((secret,)),
        subject=f"a {role.value}",
        role=role,
        now_seconds=time.time() - 5,  # nor does a clock have to agree to the millisecond
        lifetime_seconds=3600,
    )


class Load:
    """Publishers that take turns with every credential that is good right now."""

    def __init__(self, session: aiohttp.ClientSession, url: str) -> None:
        self._session = session
        self._url = url
        self.good: dict[str, str] = {}
        self.answers: collections.Counter[tuple[str, int]] = collections.Counter()

    async def ask(self, method: str, path: str, token: str, body: object = None) -> tuple[int, Any]:
        headers = {"Authorization": f"Bearer {token}"}
        async with self._session.request(
            method, f"{self._url}{path}", json=body, headers=headers
        ) as response:
            return response.status, await response.json()

    async def until_tried(self, name: str) -> None:
        """Wait until somebody has published with that credential."""

        async def is_tried() -> bool:
            return any(name == tried for tried, _ in self.answers)

        await until(is_tried, SOON_SECONDS)

    async def publish_forever(self) -> None:
        for number in itertools.count():
            names = sorted(self.good)
            name = names[number % len(names)]
            status, _ = await self.ask("POST", EVENTS, self.good[name], UPDATE)
            self.answers[name, status] += 1
            await asyncio.sleep(0.02)


@pytest.fixture
async def fleet(tmp_path: Path, redis_server: RedisServer) -> AsyncIterator[Fleet]:
    redis_server.command("ACL", "SETUSER", "gateway", "on", ">one", *RIGHTS)
    workers = workers_of(
        tmp_path,
        WORKERS,
        REDIS_URL=redis_server.url.replace("redis://", "redis://gateway:one@"),
        DATABASE_URL=f"sqlite:///{tmp_path}/users.db",
        PACELINE_DRAIN_NOTICE_SECONDS="1.5",
    )
    fleet = Fleet(tmp_path, workers)
    try:
        await fleet.start()
        yield fleet
    finally:
        fleet.kill()


async def rolled(fleet: Fleet, **settings: str) -> None:
    """One worker after the other with other settings, as a release does."""
    for worker in fleet.workers:
        assert await asyncio.to_thread(worker.stop) == 0
        worker.change(**settings)
        await asyncio.to_thread(worker.start)
        await until_ready(worker)


async def status_at(worker: GatewayProcess, token: str) -> int:
    """What one worker answers to a credential; its balancer might ask another one."""
    headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
    body = b'{"event":"bike-update","data":{}}'
    return (await request(worker.port, "POST", EVENTS, body, headers)).status


async def test_all_secrets_are_exchanged_and_nobody_with_a_good_one_is_refused(
    fleet: Fleet, redis_server: RedisServer
) -> None:
    async with aiohttp.ClientSession() as session:
        load = Load(session, fleet.url)
        admin = token_of(Role.ADMIN, SECRET)
        load.good["old token"] = token_of(Role.SERVICE, SECRET)
        body = {"name": "shop", "publish": ["*"]}
        key = (await load.ask("POST", "/api/keys", admin, body))[1]["data"]
        load.good["old key"] = key["key"]
        publishing = [asyncio.create_task(load.publish_forever()) for _ in range(PUBLISHERS)]

        # Both of everything are good ...
        path = f"/api/keys/{key['id']}/rotate"
        rotated = (await load.ask("POST", path, admin, {"overlapSeconds": 3600}))[1]["data"]
        load.good["new key"] = rotated["key"]
        redis_server.command("ACL", "SETUSER", "gateway", ">two")
        await rolled(
            fleet,
            REDIS_URL=redis_server.url.replace("redis://", "redis://gateway:two@"),
            PACELINE_JWT_SECRET=f"{NEXT_SECRET},{SECRET}",
        )
        load.good["new token"] = token_of(Role.SERVICE, NEXT_SECRET)
        # ... then the new ones alone.
        old_token, old_key = load.good.pop("old token"), load.good.pop("old key")
        redis_server.command("ACL", "SETUSER", "gateway", "<one")
        await rolled(fleet, PACELINE_JWT_SECRET=NEXT_SECRET)
        admin = token_of(Role.ADMIN, NEXT_SECRET)
        third = (await load.ask("POST", path, admin, {"overlapSeconds": 3600}))[1]["data"]
        load.good["third key"] = third["key"]  # of three secrets the first is good no more
        await load.until_tried("third key")

        for task in publishing:
            task.cancel()
        ended = await asyncio.gather(*publishing, return_exceptions=True)

    say(f"{sum(load.answers.values())} publications: {dict(load.answers)}")
    assert all(isinstance(each, asyncio.CancelledError) for each in ended), ended
    assert {status for _, status in load.answers} == {200}
    assert {name for name, _ in load.answers} == {
        *("old token", "old key", "new token", "new key", "third key")
    }
    for worker in fleet.workers:
        assert await status_at(worker, old_token) == 401
        assert await status_at(worker, load.good["new token"]) == 200
        assert await status_at(worker, old_key) == 401
        assert await status_at(worker, load.good["new key"]) == 200
        assert "Traceback" not in worker.log
