"""Jobs of a gateway, run by processes that die, over a database that goes away and comes back."""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import sys
from collections import Counter
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, Final

import aiohttp
import pytest
from aiohttp import web

from gateway.identity import Role
from tests.conftest import StartGateway
from tests.gateway.jobs.bench import until
from tests.gateway.jobs.receiver import SECRET as WEBHOOK_SECRET
from tests.gateway.jobs.receiver import Receiver
from tests.gateway.users.backends import opened
from tests.toolbox import raw_socket
from tests.toolbox.gateway_process import GatewayProcess
from tests.toolbox.ports import free_port
from tests.toolbox.postgres_server import PostgresServer
from tests.toolbox.programs import REPOSITORY
from tests.toolbox.redis_server import RedisServer
from tests.toolbox.strict_gateway import SECRET, token_of

pytestmark = pytest.mark.journey

ADMIN: Final = {"Authorization": f"Bearer {token_of('an admin', Role.ADMIN)}"}
RIDER: Final = f'{{"token": "{token_of("rider")}"}}'
USERS: Final = 80
CONFIG: Final = """
[[room]]
pattern = "city:*"
webhooks = true

[[webhook]]
name = "shop"
url = "{url}"
secret = "{secret}"
private_networks = ["127.0.0.0/8"]
"""


class SlowReceiver(Receiver):
    """Takes a moment for each message, so that a runner can die in the middle of one."""

    async def receive(self, request: web.Request) -> web.Response:
        await asyncio.sleep(0.05)
        return await super().receive(request)

    def emails(self) -> Counter[str]:
        return Counter(
            message["data"]["email"]
            for _, message in self.messages
            if message["type"] == "user.created"
        )

    def activity(self) -> list[str]:
        """Names of events, sorted: messages may overtake one another."""
        return sorted(
            event["type"]
            for _, message in self.messages
            if message["type"] == "room.activity"
            for event in message["data"]["events"]
        )


@pytest.fixture
async def receiver() -> AsyncIterator[SlowReceiver]:
    receiver = SlowReceiver()
    runner = await receiver.start()
    yield receiver
    await runner.cleanup()


@pytest.fixture
async def settings(
    postgres_server: PostgresServer, receiver: SlowReceiver, tmp_path: Path
) -> dict[str, str]:
    url = await asyncio.to_thread(postgres_server.create_database, "jobs")
    await (await opened(url)).stop()
    config = tmp_path / "paceline.toml"
    config.write_text(CONFIG.format(url=receiver.url, secret=WEBHOOK_SECRET))
    return {
        "PACELINE_ENV": "production",
        "PACELINE_JWT_SECRET": SECRET,
        "PACELINE_CONFIG": str(config),
        "PACELINE_RUN_JOBS": "never",
        "PACELINE_JOB_LEASE_SECONDS": "2",
        "DATABASE_URL": url,
    }


@contextlib.asynccontextmanager
async def jobs_process(
    folder: Path, name: str, **settings: str
) -> AsyncIterator[asyncio.subprocess.Process]:
    """`paceline jobs` in a process of its own, its log in a file; killed at the end."""
    environ = {"PATH": os.environ["PATH"], "PYTHONPATH": str(REPOSITORY), "PYTHONUNBUFFERED": "1"}
    with (folder / f"{name}.log").open("wb") as log:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "gateway", "jobs"),
            cwd=folder,
            env=environ | settings,
            stdout=log,
            stderr=log,
        )
    try:
        yield process
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        await process.wait()


async def create(gateway: GatewayProcess, number: int) -> int:
    body: Any = {"email": f"person{number}@example.org", "name": f"Person {number}"}
    async with (
        aiohttp.ClientSession() as session,
        session.post(f"{gateway.url}/api/users", json=body, headers=ADMIN) as response,
    ):
        return response.status


async def done(port: int) -> float:
    """How many jobs a runner has done, as it tells itself."""
    url = f"http://127.0.0.1:{port}/metrics"
    async with aiohttp.ClientSession() as session, session.get(url) as response:
        match = re.search(r'paceline_jobs_total\{outcome="done"\} (\S+)', await response.text())
    assert match is not None
    return float(match[1])


async def test_what_is_owed_is_done_though_a_runner_is_killed_and_the_database_goes_away(
    settings: dict[str, str],
    receiver: SlowReceiver,
    postgres_server: PostgresServer,
    start_gateway: StartGateway,
    tmp_path: Path,
) -> None:
    gateway = await asyncio.to_thread(start_gateway, **settings)
    port = free_port()
    metrics = {"PACELINE_JOBS_METRICS_PORT": str(port), "HOST": "127.0.0.1"}
    async with (
        jobs_process(tmp_path, "doomed", **settings) as doomed,
        jobs_process(tmp_path, "survivor", **settings, **metrics) as survivor,
    ):
        # Nobody who joins waits for it; first and last are told once.
        async with raw_socket.connected(gateway.url, RIDER) as rider:
            await rider.ask("join-room", '"city:paris"')
            await until(lambda: receiver.activity() == ["peer.joined", "room.occupied"])
        gone = ["peer.joined", "peer.left", "room.occupied", "room.vacated"]
        await until(lambda: receiver.activity() == gone)

        for number in range(USERS):
            assert await create(gateway, number) == 201
        await until(lambda: len(receiver.emails()) >= USERS // 8)
        doomed.kill()
        await until(lambda: len(receiver.emails()) == USERS)
        # What it had begun was done once more at most, under the id that it had.
        ids = Counter(receiver.ids)
        assert len(ids) <= USERS + 2 + 2
        assert max(ids.values()) <= 2

        await asyncio.to_thread(postgres_server.kill)
        assert await create(gateway, USERS) == 503
        await asyncio.to_thread(postgres_server.restart)

        async def is_created() -> bool:
            return await create(gateway, USERS) == 201

        await until(is_created)
        await until(lambda: f"person{USERS}@example.org" in receiver.emails())
        assert await done(port) > 0
        survivor.terminate()
        assert await survivor.wait() == 0

    for log in ("doomed", "survivor"):
        assert "Traceback" not in (tmp_path / f"{log}.log").read_text()
    assert WEBHOOK_SECRET not in (tmp_path / "survivor.log").read_text() + gateway.log


async def test_of_many_workers_one_tells_of_a_room_also_when_another_one_is_killed(
    receiver: SlowReceiver, redis_server: RedisServer, start_gateway: StartGateway, tmp_path: Path
) -> None:
    config = tmp_path / "paceline.toml"
    config.write_text(CONFIG.format(url=receiver.url, secret=WEBHOOK_SECRET))
    settings = {
        "REDIS_URL": redis_server.url,
        "DATABASE_URL": f"sqlite:///{tmp_path / 'users.db'}",
        "PACELINE_CONFIG": str(config),
    }
    survivor = await asyncio.to_thread(start_gateway, PACELINE_RUN_JOBS="always", **settings)
    doomed = await asyncio.to_thread(start_gateway, **settings)
    async with contextlib.AsyncExitStack() as riders:
        staying = await riders.enter_async_context(raw_socket.connected(survivor.url))
        for gateway in (survivor, doomed, doomed):
            rider = await riders.enter_async_context(raw_socket.connected(gateway.url))
            await rider.ask("join-room", '"city:paris"')
        await staying.ask("join-room", '"city:lyon"')
        told = Counter({"peer.joined": 4, "room.occupied": 2})
        await until(lambda: Counter(receiver.activity()) == told)

        doomed.kill()
        told["peer.left"] += 2
        # It has to be taken for dead first.
        await until(lambda: Counter(receiver.activity()) == told, patience_seconds=40)
    told += Counter({"peer.left": 2, "room.vacated": 2})
    await until(lambda: Counter(receiver.activity()) == told)
