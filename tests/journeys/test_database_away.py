"""A database that is away under a running gateway, and under load: users wait, sockets do not."""

from __future__ import annotations

import asyncio
import contextlib
import json
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager
from typing import Any, Final, NamedTuple

import aiohttp
import asyncpg
import pytest

from gateway.identity import Role
from tests.conftest import StartGateway
from tests.gateway.users.backends import opened
from tests.toolbox import raw_socket
from tests.toolbox.gateway_process import GatewayProcess
from tests.toolbox.postgres_server import PostgresServer
from tests.toolbox.relay import Relay, relay_to
from tests.toolbox.siege import latencies_of, p99_of, say
from tests.toolbox.strict_gateway import SECRET, token_of

pytestmark = pytest.mark.journey

ADMIN = {"Authorization": f"Bearer {token_of('an admin', Role.ADMIN)}"}
RIDER = json.dumps({"token": token_of("rider")})
USER = {"email": "ada@example.org", "name": "Ada"}
ASKING: Final = 4  # at once, each after its answer anew
AWAY_SECONDS: Final = 4.0
ANSWER_SECONDS: Final = 2.5
BACK_SECONDS: Final = 3.0
FANOUT_SECONDS: Final = 0.25
CONNECTIONS: Final = 10  # that a worker may have


class Place(NamedTuple):
    """A gateway that reaches its database through a line that can go dead."""

    gateway: GatewayProcess
    server: PostgresServer
    relay: Relay
    url: str  # of the database itself


@pytest.fixture
async def place(
    postgres_server: PostgresServer, start_gateway: StartGateway
) -> AsyncIterator[Place]:
    url = await asyncio.to_thread(postgres_server.create_database, "users")
    await (await opened(url)).stop()
    async with relay_to(postgres_server.port) as relay:
        gateway = await asyncio.to_thread(
            start_gateway,
            PACELINE_ENV="production",
            PACELINE_JWT_SECRET=SECRET,
            PACELINE_MESSAGES_PER_SECOND_PER_PEER="0",
            DATABASE_URL=url.replace(str(postgres_server.port), str(relay.port)),
        )
        yield Place(gateway, postgres_server, relay, url)
        gateway.kill()


async def ask(place: Place, method: str, body: object = None) -> tuple[int, Any, float]:
    """Status, envelope with the headers beside it, and how many seconds it took."""
    began = time.monotonic()
    async with (
        aiohttp.ClientSession() as session,
        session.request(
            method, f"{place.gateway.url}/api/users", json=body, headers=ADMIN
        ) as response,
    ):
        answer = await response.json() | {"headers": response.headers}
        return response.status, answer, time.monotonic() - began


@contextlib.asynccontextmanager
async def stopped(place: Place) -> AsyncIterator[None]:
    await asyncio.to_thread(place.server.kill)
    yield
    await asyncio.to_thread(place.server.restart)


@contextlib.asynccontextmanager
async def unreachable(place: Place) -> AsyncIterator[None]:
    """Nothing comes back, on connections that there are and on new ones."""
    silent = await asyncio.start_server(_say_nothing, "127.0.0.1", 0)
    place.relay.server_port = silent.sockets[0].getsockname()[1]
    place.relay.swallow()
    yield
    place.relay.server_port = place.server.port
    silent.close()


@contextlib.asynccontextmanager
async def locked(place: Place) -> AsyncIterator[None]:
    """Somebody else has the table, and does not let go of it."""
    other = await asyncpg.connect(place.url)
    try:
        async with other.transaction():
            await other.execute("LOCK TABLE users IN ACCESS EXCLUSIVE MODE")
            yield
    finally:
        await other.close()


async def _say_nothing(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(ConnectionError):
        await reader.read()
    writer.close()


FAULTS: Final[dict[str, Callable[[Place], AbstractAsyncContextManager[None]]]] = {
    "stopped": stopped,
    "unreachable": unreachable,
    "locked": locked,
}


@pytest.mark.parametrize("fault", FAULTS)
async def test_users_are_unavailable_meanwhile_and_sockets_go_on(place: Place, fault: str) -> None:
    assert (await ask(place, "POST", USER))[0] == 201
    refused_seconds: list[float] = []

    async def ask_until(end: float) -> None:
        for number in range(10_000):
            if time.monotonic() >= end:
                return
            method = ("GET", "POST")[number % 2]
            body = None if method == "GET" else USER | {"email": f"p{number}@example.org"}
            status, answer, seconds = await ask(place, method, body)
            assert (status, answer["error"]["code"]) == (503, "UNAVAILABLE"), answer
            assert int(answer["headers"]["Retry-After"]) >= 1
            refused_seconds.append(seconds)
            await asyncio.sleep(0.02)

    async with (
        raw_socket.connected(place.gateway.url, RIDER) as sender,
        raw_socket.connected(place.gateway.url, RIDER) as reader,
    ):
        for rider in (sender, reader):
            await rider.ask("join-room", '"paris"')

        async def fan_out() -> None:
            await sender.ask("bike-update", '{"roomId": "paris", "bike_id": "1"}')
            await reader.event()

        async with FAULTS[fault](place):
            async with latencies_of(fan_out) as seconds:
                end = time.monotonic() + AWAY_SECONDS
                await asyncio.gather(*(ask_until(end) for _ in range(ASKING)))
            async with raw_socket.connected(place.gateway.url, RIDER) as newcomer:
                await newcomer.ask("join-room", '"paris"')
        began = time.monotonic()
        while (await ask(place, "GET"))[0] != 200:
            assert time.monotonic() - began < BACK_SECONDS * 5
        back_seconds = time.monotonic() - began
        await fan_out()

    say(
        f"{fault}: {len(refused_seconds)} times 503, after {max(refused_seconds):.2f} s at most;"
        f" {len(seconds)} publications meanwhile, p99 {p99_of(seconds) * 1000:.0f} ms;"
        f" back in {back_seconds:.2f} s"
    )
    assert max(refused_seconds) < ANSWER_SECONDS
    assert p99_of(seconds) < FANOUT_SECONDS
    assert back_seconds < BACK_SECONDS
    _, answer, _ = await ask(place, "GET")
    assert [user["name"] for user in answer["data"]] == ["Ada"]
    assert await _connections(place) <= CONNECTIONS
    assert "Traceback" not in place.gateway.log
    assert place.gateway.stop() == 0


async def _connections(place: Place) -> int:
    """How many the server has for the database, but for the one that asks."""
    asking = await asyncpg.connect(place.url)
    try:
        count: int = await asking.fetchval(
            "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()"
            " AND pid <> pg_backend_pid()"
        )
    finally:
        await asking.close()
    return count
