"""A new signing secret, while people are signed in and workers serve: nobody notices."""

from __future__ import annotations

import asyncio
import os
import signal
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import aiohttp
import jwt
import pytest

from gateway.identity import KeySet, Role, sign_token
from tests.conftest import StartGateway, StartRedis
from tests.toolbox.gateway_process import GatewayProcess

pytestmark = pytest.mark.journey

OLD, NEW = (
    "the-old-secret-of-thirty-two-bytes-or-more",
    "the-new-secret-of-thirty-two-bytes-or-more",
)
ADA = {"email": "ada@example.org", "password": "correct horse"}
PASSWORD_OF_REDIS = "hunter2-of-redis"
ROLL_SECONDS = 60.0


class Crew(GatewayProcess):
    """Two workers whose secret is in a file."""

    def __init__(self, folder: Path, redis_url: str) -> None:
        self.secret = folder / "jwt-secret"
        where = folder / "redis-url"
        where.write_text(redis_url)
        super().__init__(
            folder,
            PACELINE_ENV="production",
            PACELINE_WORKERS="2",
            PACELINE_DRAIN_SECONDS="1",
            PACELINE_RATE_LIMITS="all=off",
            PACELINE_JWT_SECRET_FILE=str(self.secret),
            REDIS_URL_FILE=str(where),
            LOG_LEVEL="DEBUG",
        )

    async def take(self, *secrets: str) -> str:
        """Have the workers replaced by such with these secrets, newest first; what was said."""
        self.secret.write_text("\n".join(secrets))
        said = len(self.log)
        os.kill(self.process_id, signal.SIGHUP)
        deadline = time.monotonic() + ROLL_SECONDS
        while not any(end in self.log[said:] for end in ("= workers replaced", "old ones stay")):
            assert time.monotonic() < deadline, self.log[said:]
            await asyncio.sleep(0.05)
        return self.log[said:]


@pytest.fixture
def crew(tmp_path: Path, start_redis: StartRedis) -> Iterator[Crew]:
    redis = start_redis("--requirepass", PASSWORD_OF_REDIS)
    crew = Crew(tmp_path, f"redis://:{PASSWORD_OF_REDIS}@127.0.0.1:{redis.port}/0")
    crew.secret.write_text(OLD)
    crew.start()
    yield crew
    crew.kill()


class Caller:
    """Asks over a connection of its own each time, so that either worker may get it."""

    def __init__(self, session: aiohttp.ClientSession, url: str) -> None:
        self._session = session
        self._url = url

    async def ask(
        self, method: str, path: str, body: object = None, token: str = ""
    ) -> tuple[int, Any]:
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        async with self._session.request(
            method, self._url + path, json=body, headers=headers
        ) as response:
            return response.status, await response.json() if response.status != 204 else None


@pytest.fixture
async def caller(crew: Crew) -> AsyncIterator[Caller]:
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(force_close=True)) as session:
        yield Caller(session, crew.url)


async def signed_in(caller: Caller) -> Any:  # noqa: ANN401 - tokens
    admin = sign_token(
        KeySet.of([OLD]),
        subject="an admin",
        role=Role.ADMIN,
        now_seconds=time.time(),
        lifetime_seconds=600,
    )
    body = {"email": ADA["email"], "name": "Ada"}
    _, made = await caller.ask("POST", "/api/users", body, admin)
    path = f"/api/users/{made['data']['id']}/password"
    await caller.ask("PUT", path, {"newPassword": ADA["password"]}, admin)
    status, tokens = await caller.ask("POST", "/api/sessions", ADA)
    assert status == 201, tokens
    return tokens["data"]


def is_signed_with(secret: str, token: str) -> bool:
    try:
        jwt.decode(token, secret, ["HS256"])
    except jwt.InvalidSignatureError:
        return False
    return True


async def test_nobody_is_signed_out_by_a_new_secret(crew: Crew, caller: Caller) -> None:
    before = await signed_in(caller)
    statuses: set[int] = set()

    async def look_around_forever() -> None:
        while True:
            status, _ = await caller.ask("GET", "/api/users/me", token=before["accessToken"])
            statuses.add(status)

    looking = asyncio.create_task(look_around_forever())
    assert "= workers replaced" in await crew.take(OLD, NEW)
    assert "= workers replaced" in await crew.take(NEW, OLD)
    body = {"refreshToken": before["refreshToken"]}
    status, refreshed = await caller.ask("POST", "/api/sessions/refresh", body)
    looking.cancel()
    await asyncio.gather(looking, return_exceptions=True)

    assert status == 200
    assert statuses == {200}
    after = refreshed["data"]
    assert is_signed_with(OLD, before["accessToken"])
    assert is_signed_with(NEW, after["accessToken"])

    assert "old ones stay" in await crew.take("")  # a mistake replaces nobody
    assert "= workers replaced" in await crew.take(NEW)
    for token, expected in ((before["accessToken"], 401), (after["accessToken"], 200)):
        answers = [await caller.ask("GET", "/api/users/me", token=token) for _ in range(8)]
        assert {status for status, _ in answers} == {expected}
    secrets = [
        OLD,
        NEW,
        PASSWORD_OF_REDIS,
        before["accessToken"],
        after["refreshToken"],
        ADA["password"],
    ]
    assert not [secret for secret in secrets if secret in crew.log]


def test_what_does_not_open_anything_is_not_repeated_in_the_log(
    start_gateway: StartGateway, start_redis: StartRedis, free_port: int
) -> None:
    wrong = "hunter2-of-nobody"
    redis = start_redis("--requirepass", PASSWORD_OF_REDIS)
    gateway = start_gateway(
        PACELINE_ENV="production",
        PACELINE_JWT_SECRET=OLD,
        REDIS_URL=f"redis://:{wrong}@127.0.0.1:{redis.port}/0",
        DATABASE_URL=f"postgresql://paceline:{wrong}@127.0.0.1:{free_port}/paceline",
        LOG_LEVEL="DEBUG",
    )
    deadline = time.monotonic() + ROLL_SECONDS
    while not all(word in gateway.log for word in ("user store unavailable", "broker")):
        assert time.monotonic() < deadline, gateway.log
        time.sleep(0.05)

    assert not [secret for secret in (wrong, OLD) if secret in gateway.log]
