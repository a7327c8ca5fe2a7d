"""Wrong passwords, many of them: they cost who sends them, and tell nothing."""

from __future__ import annotations

import asyncio
import collections
import itertools
import time
from pathlib import Path
from statistics import median
from typing import Any, Final

import aiohttp
import pytest

from gateway.identity import Role
from tests.conftest import StartGateway
from tests.toolbox.gateway_process import GatewayProcess
from tests.toolbox.siege import latencies_of, p99_of, say
from tests.toolbox.strict_gateway import BYSTANDER, SECRET, ask, entered, memory_bytes, token_of

pytestmark = pytest.mark.journey

ADMIN: Final = {"Authorization": f"Bearer {token_of('an admin', Role.ADMIN)}"}
PER_SECOND: Final = 200
FLOOD_SECONDS: Final = 5
CANARY_SECONDS: Final = 0.25
# Two threads with 19 MiB each, sixteen requests that wait, and what else a busy process takes.
MEMORY_BYTES: Final = 100_000_000
USERS: Final = 15
TRIES: Final = 4  # of each account: the fifth would be slowed down
ROUNDS: Final = 3


def gateway_of(start_gateway: StartGateway, folder: Path, **settings: str) -> GatewayProcess:
    return start_gateway(
        PACELINE_ENV="production",
        PACELINE_JWT_SECRET=SECRET,
        PACELINE_MESSAGES_PER_SECOND_PER_PEER="0",
        DATABASE_URL=f"sqlite:///{folder}/users.db",
        **settings,
    )


async def post(
    session: aiohttp.ClientSession, url: str, body: object, headers: dict[str, str] | None = None
) -> tuple[int, Any]:
    async with session.post(url, json=body, headers=headers) as response:
        return response.status, await response.json()


async def made(session: aiohttp.ClientSession, url: str, email: str) -> None:
    """A user who has a password."""
    body = {"email": email, "name": "Somebody"}
    status, answer = await post(session, f"{url}/api/users", body, ADMIN)
    assert status == 201, answer
    path = f"{url}/api/users/{answer['data']['id']}/password"
    new = {"newPassword": "correct horse"}
    async with session.put(path, json=new, headers=ADMIN) as response:
        assert response.status == 204


async def test_a_flood_of_wrong_passwords_holds_up_nobody_who_is_in(
    tmp_path: Path, start_gateway: StartGateway
) -> None:
    gateway = await asyncio.to_thread(gateway_of, start_gateway, tmp_path)
    statuses: collections.Counter[int] = collections.Counter()
    peer, reader = await entered(gateway.port, BYSTANDER), await entered(gateway.port, BYSTANDER)
    for each in (peer, reader):
        await ask(each, "join-room", "canary")

    async def fan_out() -> None:
        peer.say('42["bike-update",{"roomId":"canary"}]')
        await reader.hear()

    async def guess(session: aiohttp.ClientSession, number: int) -> None:
        body = {"email": f"p{number % 50}@example.org", "password": f"guess {number}"}
        status, _ = await post(session, f"{gateway.url}/api/sessions", body)
        statuses[status] += 1

    connector = aiohttp.TCPConnector(limit=PER_SECOND)
    async with aiohttp.ClientSession(connector=connector) as session:
        await made(session, gateway.url, "p1@example.org")
        before = await memory_bytes(gateway.port)
        async with latencies_of(fan_out) as seconds, asyncio.TaskGroup() as guesses:
            began = time.monotonic()
            for number in range(PER_SECOND * FLOOD_SECONDS):
                guesses.create_task(guess(session, number))
                due = began + number / PER_SECOND
                await asyncio.sleep(max(0.0, due - time.monotonic()))
        grown = await memory_bytes(gateway.port) - before

    say(
        f"{dict(statuses)}; others p99 {p99_of(seconds) * 1000:.0f} ms;"
        f" memory +{grown / 1e6:.0f} MB"
    )
    assert set(statuses) == {401, 429}
    assert statuses[401] < 200
    assert p99_of(seconds) < CANARY_SECONDS
    assert grown < MEMORY_BYTES
    assert "guess" not in gateway.log


async def test_how_long_a_no_takes_does_not_tell_whether_there_is_such_a_user(
    tmp_path: Path, start_gateway: StartGateway
) -> None:
    gateway = await asyncio.to_thread(
        gateway_of, start_gateway, tmp_path, PACELINE_TRUSTED_PROXIES="127.0.0.1"
    )
    addresses = itertools.count(1)
    differences = []
    async with aiohttp.ClientSession() as session:
        for turn in range(ROUNDS):
            known = [f"somebody{turn}.{number}@example.org" for number in range(USERS)]
            unknown = [f"nobodyhere{turn}.{number}@example.org" for number in range(USERS)]
            for email in known:
                await made(session, gateway.url, email)
            seconds: dict[bool, list[float]] = {True: [], False: []}
            for emails in list(zip(known, unknown, strict=True)) * TRIES:
                for email in emails:
                    number = next(addresses)
                    headers = {"X-Forwarded-For": f"10.{number // 250}.{number % 250}.1"}
                    body = {"email": email, "password": "wrong horse"}
                    began = time.perf_counter()
                    status, answer = await post(
                        session, f"{gateway.url}/api/sessions", body, headers
                    )
                    seconds[email in known].append(time.perf_counter() - began)
                    assert (status, answer["error"]["code"]) == (401, "CREDENTIALS_WRONG")
            medians = [median(seconds[is_known]) for is_known in (True, False)]
            differences.append(abs(medians[0] - medians[1]))
            say(f"medians {medians[0] * 1000:.1f} and {medians[1] * 1000:.1f} ms")
            if differences[-1] < 0.005:
                break

    assert min(differences) < 0.005
