"""Changes of accounts, on every worker: two real gateways over one database, one real socket."""

from __future__ import annotations

import asyncio
import contextlib
import json
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from gateway.identity import Role
from tests.conftest import StartGateway
from tests.gateway.users.backends import BACKENDS, opened
from tests.toolbox import raw_socket
from tests.toolbox.gateway_process import GatewayProcess
from tests.toolbox.raw_socket import SocketClosed
from tests.toolbox.strict_gateway import SECRET, token_of

pytestmark = pytest.mark.journey

PASSWORD = "correct horse"
ADMIN = {"Authorization": f"Bearer {token_of('an admin', Role.ADMIN)}"}


class Pair:
    """Two workers, and somebody who is signed in."""

    def __init__(self, here: GatewayProcess, elsewhere: GatewayProcess) -> None:
        self.here = here
        self.elsewhere = elsewhere

    async def ask(self, method: str, path: str, body: object = None, **headers: str) -> Any:  # noqa: ANN401 - whatever the resource shows
        async with (
            aiohttp.ClientSession() as session,
            session.request(
                method, f"{self.here.url}{path}", json=body, headers=ADMIN | headers
            ) as response,
        ):
            assert response.status < 300, await response.text()
            return (await response.json())["data"] if response.status != 204 else None


@pytest.fixture(params=sorted(BACKENDS))
async def pair(request: pytest.FixtureRequest, start_gateway: StartGateway) -> Pair:
    url = await asyncio.to_thread(BACKENDS[request.param], request, "paceline_pair")
    await (await opened(url)).stop()
    environ = {"PACELINE_ENV": "production", "PACELINE_JWT_SECRET": SECRET, "DATABASE_URL": url}
    return Pair(*[await asyncio.to_thread(start_gateway, **environ) for _ in range(2)])


async def signed_in(pair: Pair) -> Any:  # noqa: ANN401 - what signing in gives
    user = await pair.ask("POST", "/api/users", {"email": "ada@example.org", "name": "Ada"})
    await pair.ask("PUT", f"/api/users/{user['id']}/password", {"newPassword": PASSWORD})
    return await pair.ask(
        "POST", "/api/sessions", {"email": "ada@example.org", "password": PASSWORD}
    )


async def seconds_until_closed(
    rider: raw_socket.RawSocket, patience_seconds: float = 10.0
) -> tuple[float, str]:
    """How long the socket lives on, and the last event that it gets. Raises `TimeoutError`."""
    began, last = time.monotonic(), ""
    async with asyncio.timeout(patience_seconds):
        with contextlib.suppress(SocketClosed):
            while True:
                last = await rider.event()
    return time.monotonic() - began, last


CHANGES: dict[str, tuple[Callable[[Any], tuple[str, str, object]], int]] = {
    "disabled": (
        lambda tokens: ("PATCH", f"/api/users/{tokens['user']['id']}", {"disabled": True}),
        3501,
    ),
    "session ended": (
        lambda tokens: ("DELETE", f"/api/sessions/{tokens['session']['id']}", None),
        3502,
    ),
    "role changed": (
        lambda tokens: ("PATCH", f"/api/users/{tokens['user']['id']}", {"role": "viewer"}),
        3002,
    ),
    "deleted": (lambda tokens: ("DELETE", f"/api/users/{tokens['user']['id']}", None), 3502),
}


@pytest.mark.parametrize("change", CHANGES)
async def test_a_socket_on_another_worker_goes_within_a_second(pair: Pair, change: str) -> None:
    request_of, code = CHANGES[change]
    tokens = await signed_in(pair)
    auth = json.dumps({"token": tokens["accessToken"]})
    async with raw_socket.connected(pair.elsewhere.url, auth) as rider:
        await rider.ask("join-room", '"paris"')
        await pair.ask(*request_of(tokens))

        seconds, last = await seconds_until_closed(rider)

    assert seconds < 1.0
    assert f'"code":{code}' in last


async def test_a_revoked_key_ends_and_a_rotated_one_asks_to_come_back(pair: Pair) -> None:
    body = {"name": "shop", "join": ["city:*"], "publish": ["city:*"]}
    key = await pair.ask("POST", "/api/keys", body)
    auth = json.dumps({"token": key["key"]})
    path = f"/api/keys/{key['id']}"
    async with raw_socket.connected(pair.elsewhere.url, auth) as backend:
        await backend.ask("join-room", '"city:paris"')
        await pair.ask("POST", f"{path}/rotate", {"overlapSeconds": 3600})
        seconds, last = await seconds_until_closed(backend)
    assert seconds < 1.0
    assert '"code":3002' in last

    async with raw_socket.connected(pair.elsewhere.url, auth) as backend:
        await backend.ask("join-room", '"city:paris"')
        await pair.ask("DELETE", path)
        seconds, last = await seconds_until_closed(backend)
    assert seconds < 1.0
    assert '"code":3502' in last


async def test_a_worker_that_lets_nobody_go_is_found(
    tmp_path: Path, start_gateway: StartGateway, request: pytest.FixtureRequest
) -> None:
    """The control of all the above: it would not pass where one worker does nothing."""
    environ = {"PACELINE_ENV": "production", "PACELINE_JWT_SECRET": SECRET}
    environ["DATABASE_URL"] = f"sqlite:///{tmp_path / 'shared.db'}"
    sound = await asyncio.to_thread(start_gateway, **environ)
    merciful = [sys.executable, "-m", "tests.toolbox.flawed_gateway", "merciful", "0", "serve"]
    flawed = GatewayProcess(tmp_path, command=merciful, **environ)
    request.addfinalizer(flawed.kill)
    await asyncio.to_thread(flawed.start)
    pair = Pair(sound, flawed)
    tokens = await signed_in(pair)
    auth = json.dumps({"token": tokens["accessToken"]})
    async with (
        raw_socket.connected(sound.url, auth) as here,
        raw_socket.connected(flawed.url, auth) as elsewhere,
    ):
        for rider in (here, elsewhere):
            await rider.ask("join-room", '"paris"')
        await pair.ask("PATCH", f"/api/users/{tokens['user']['id']}", {"disabled": True})

        await seconds_until_closed(here)
        with pytest.raises(TimeoutError):
            await seconds_until_closed(elsewhere, 3.0)
