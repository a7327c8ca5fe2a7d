"""A database that stops and comes back under a running gateway: users wait, sockets do not."""

from __future__ import annotations

import asyncio
import json
import time
from typing import Any

import aiohttp
import pytest

from gateway.identity import Role
from tests.conftest import StartGateway
from tests.gateway.users.backends import opened
from tests.toolbox import raw_socket
from tests.toolbox.gateway_process import GatewayProcess
from tests.toolbox.postgres_server import PostgresServer
from tests.toolbox.strict_gateway import SECRET, token_of

pytestmark = pytest.mark.journey

ADMIN = {"Authorization": f"Bearer {token_of('an admin', Role.ADMIN)}"}
RIDER = json.dumps({"token": token_of("rider")})


@pytest.fixture
async def gateway(postgres_server: PostgresServer, start_gateway: StartGateway) -> GatewayProcess:
    url = await asyncio.to_thread(postgres_server.create_database, "users")
    await (await opened(url)).stop()
    return await asyncio.to_thread(
        start_gateway,
        PACELINE_ENV="production",
        PACELINE_JWT_SECRET=SECRET,
        DATABASE_URL=url,
    )


async def ask(gateway: GatewayProcess, method: str, body: object = None) -> tuple[int, Any, float]:
    """Status, envelope with the headers beside it, and how many seconds it took."""
    began = time.monotonic()
    async with (
        aiohttp.ClientSession() as session,
        session.request(method, f"{gateway.url}/api/users", json=body, headers=ADMIN) as response,
    ):
        answer = await response.json() | {"headers": response.headers}
        return response.status, answer, time.monotonic() - began


async def test_users_are_unavailable_meanwhile_and_sockets_go_on(
    gateway: GatewayProcess, postgres_server: PostgresServer
) -> None:
    body = {"email": "ada@example.org", "name": "Ada"}
    assert (await ask(gateway, "POST", body))[0] == 201
    async with (
        raw_socket.connected(gateway.url, RIDER) as sender,
        raw_socket.connected(gateway.url, RIDER) as reader,
    ):
        for rider in (sender, reader):
            await rider.ask("join-room", '"paris"')

        await asyncio.to_thread(postgres_server.kill)
        for number, method in enumerate(("GET", "POST", "GET")):
            status, answer, seconds = await ask(gateway, method, body if method == "POST" else None)
            assert (status, answer["error"]["code"]) == (503, "UNAVAILABLE")
            assert int(answer["headers"]["Retry-After"]) >= 1
            assert seconds < 2.5
            await sender.ask("bike-update", json.dumps({"roomId": "paris", "bike_id": str(number)}))
            assert f'"bike_id": "{number}"' in await reader.event()
        async with raw_socket.connected(gateway.url, RIDER) as newcomer:
            await newcomer.ask("join-room", '"paris"')

        await asyncio.to_thread(postgres_server.restart)
        began = time.monotonic()
        for _ in range(200):
            if (await ask(gateway, "GET"))[0] == 200:
                break
            await asyncio.sleep(0.05)
        assert time.monotonic() - began < 3

    status, answer, _ = await ask(gateway, "GET")
    assert [user["name"] for user in answer["data"]] == ["Ada"]
    assert "Traceback" not in gateway.log
    assert gateway.stop() == 0
