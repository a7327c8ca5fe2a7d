"""Redis stops under two running workers: users are served, and what is withdrawn is withdrawn."""

from __future__ import annotations

import asyncio
import contextlib
import json
import time
from typing import Any, Final

import aiohttp
import pytest

from gateway.identity import Role
from tests.conftest import StartGateway
from tests.toolbox import raw_socket
from tests.toolbox.gateway_process import GatewayProcess
from tests.toolbox.raw_socket import SocketClosed
from tests.toolbox.redis_server import RedisServer
from tests.toolbox.siege import until
from tests.toolbox.strict_gateway import SECRET, token_of

pytestmark = pytest.mark.journey

ADMIN: Final = token_of("an admin", Role.ADMIN)
ADA: Final = {"email": "ada@example.org", "name": "Ada"}
PASSWORD: Final = "correct horse"
WITHDRAWN_SECONDS: Final = 2.0
SOON_SECONDS: Final = 15.0
EVENTS: Final = "/api/rooms/paris/events"
UPDATE: Final = {"event": "bike-update", "data": {"bike_id": "1"}}


async def ask(
    gateway: GatewayProcess, method: str, path: str, body: object = None, token: str = ADMIN
) -> tuple[int, Any]:
    """Status and envelope."""
    headers = {"Authorization": f"Bearer {token}"}
    async with (
        aiohttp.ClientSession() as session,
        session.request(method, f"{gateway.url}{path}", json=body, headers=headers) as response,
    ):
        return response.status, await response.json() if response.status != 204 else None


async def test_users_are_served_and_rights_withdrawn_without_redis(
    tmp_path: object, redis_server: RedisServer, start_gateway: StartGateway
) -> None:
    settings = {
        "PACELINE_ENV": "production",
        "PACELINE_JWT_SECRET": SECRET,
        "DATABASE_URL": f"sqlite:///{tmp_path}/users.db",
        "REDIS_URL": redis_server.url,
    }
    here, elsewhere = [await asyncio.to_thread(start_gateway, **settings) for _ in range(2)]
    user = (await ask(here, "POST", "/api/users", ADA))[1]["data"]
    path = f"/api/users/{user['id']}"
    await ask(here, "PUT", f"{path}/password", {"newPassword": PASSWORD})
    credentials = {"email": ADA["email"], "password": PASSWORD}
    key = (await ask(here, "POST", "/api/keys", {"name": "shop", "publish": ["*"]}))[1]["data"]
    assert (await ask(elsewhere, "POST", EVENTS, UPDATE, key["key"]))[0] == 200

    await asyncio.to_thread(redis_server.kill)

    status, signed_in = await ask(elsewhere, "POST", "/api/sessions", credentials)
    assert status == 201
    assert (await ask(here, "GET", path))[0] == 200
    assert (await ask(here, "PATCH", path, {"name": "Countess"}))[0] == 200
    assert (await ask(here, "POST", "/api/users", {**ADA, "email": "b@example.org"}))[0] == 201
    assert (await ask(elsewhere, "POST", EVENTS, UPDATE, key["key"]))[0] == 503

    auth = json.dumps({"token": signed_in["data"]["accessToken"]})
    async with raw_socket.connected(elsewhere.url, auth) as rider:
        assert (await ask(here, "PATCH", path, {"disabled": True}))[0] == 200
        began, last = time.monotonic(), ""
        with contextlib.suppress(SocketClosed):
            while True:
                last = await rider.event()
        assert time.monotonic() - began < WITHDRAWN_SECONDS
        assert '"code":3501' in last
    assert (await ask(elsewhere, "POST", "/api/sessions", credentials))[0] == 403

    assert (await ask(here, "DELETE", f"/api/keys/{key['id']}"))[0] == 204

    async def is_refused() -> bool:
        return (await ask(elsewhere, "POST", EVENTS, UPDATE, key["key"]))[0] == 401

    assert await until(is_refused, SOON_SECONDS) < 1.0

    await asyncio.to_thread(redis_server.restart)

    async def is_published() -> bool:
        return (await ask(elsewhere, "POST", EVENTS, UPDATE, ADMIN))[0] == 200

    await until(is_published, SOON_SECONDS)
    for gateway in (here, elsewhere):
        assert "Traceback" not in gateway.log
        assert gateway.stop() == 0
