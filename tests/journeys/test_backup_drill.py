"""A backup of a gateway at work, restored elsewhere: a moment of the original, field by field."""

from __future__ import annotations

import asyncio
import itertools
import os
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any, Final

import aiohttp
import pytest

from gateway.identity import Role
from tests.conftest import StartGateway
from tests.gateway.users.backends import BACKENDS, opened
from tests.toolbox.gateway_process import GatewayProcess
from tests.toolbox.programs import REPOSITORY
from tests.toolbox.siege import say
from tests.toolbox.strict_gateway import SECRET, token_of

pytestmark = pytest.mark.journey

ADMIN: Final = {"Authorization": f"Bearer {token_of('an admin', Role.ADMIN)}"}
PASSWORD: Final = "correct horse"
CHANGED: Final = 5  # users that are changed in turn, round after round
AT_LEAST: Final = 60  # users, so that the backup has something to take
WAYS: Final = [("sqlite", "postgresql"), ("postgresql", "sqlite")]


async def ask(
    session: aiohttp.ClientSession,
    gateway: GatewayProcess,
    method: str,
    path: str,
    body: object = None,
) -> Any:  # noqa: ANN401 - whatever the resource shows
    async with session.request(
        method, f"{gateway.url}{path}", json=body, headers=ADMIN
    ) as response:
        assert response.status < 300, await response.text()
        return await response.json() if response.status != 204 else None


async def everybody(session: aiohttp.ClientSession, gateway: GatewayProcess) -> list[Any]:
    """All users in the order in which they came, as the gateway shows them."""
    found: list[Any] = []
    path = "/api/users?limit=100"
    while True:
        answer = await ask(session, gateway, "GET", path)
        found += answer["data"]
        cursor = answer["meta"]["pagination"]["nextCursor"]
        if cursor is None:
            return found
        path = f"/api/users?limit=100&cursor={cursor}"


async def trail(session: aiohttp.ClientSession, gateway: GatewayProcess) -> list[Any]:
    """Who has changed what, from the beginning."""
    found: list[Any] = []
    cursor: str | None = ""
    while cursor is not None:
        further = f"&cursor={cursor}" if cursor else ""
        answer = await ask(session, gateway, "GET", f"/api/audit?sort=number&limit=500{further}")
        found += answer["data"]
        cursor = answer["meta"]["pagination"]["nextCursor"]
    return found


def command(url: str, *words: str) -> str:
    """`paceline db ...`, over that database; what it says."""
    done = subprocess.run(
        [sys.executable, "-m", "gateway", "db", *words],
        env={
            "PATH": os.environ["PATH"],
            "PYTHONPATH": str(REPOSITORY),
            "PACELINE_ENV": "development",
            "PACELINE_RATE_LIMITS": "all=off",
            "DATABASE_URL": url,
        },
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout.strip()


@pytest.mark.parametrize(("origin", "target"), WAYS)
async def test_what_is_restored_is_a_moment_of_the_original(
    request: pytest.FixtureRequest,
    tmp_path: Path,
    start_gateway: StartGateway,
    origin: str,
    target: str,
) -> None:
    urls = [
        await asyncio.to_thread(BACKENDS[kind], request, f"paceline_{name}")
        for kind, name in ((origin, "origin"), (target, "target"))
    ]
    await (await opened(urls[0])).stop()
    settings = {
        "PACELINE_ENV": "production",
        "PACELINE_JWT_SECRET": SECRET,
        "PACELINE_RATE_LIMITS": "all=off",
    }
    here = await asyncio.to_thread(start_gateway, **settings, DATABASE_URL=urls[0])
    file = str(tmp_path / "users.backup")

    async with aiohttp.ClientSession() as session:
        names = itertools.count()

        async def make() -> str:
            number = next(names)
            body = {"email": f"p{number}@example.org", "name": f"Person {number}", "age": 18}
            user_id: str = (await ask(session, here, "POST", "/api/users", body))["data"]["id"]
            return user_id

        changed = [await make() for _ in range(CHANGED)]
        for _ in range(AT_LEAST):
            await make()
        await ask(
            session, here, "PUT", f"/api/users/{changed[0]}/password", {"newPassword": PASSWORD}
        )
        is_over = asyncio.Event()

        async def make_forever() -> None:
            while not is_over.is_set():
                await make()

        async def change_forever() -> None:
            for turn in itertools.count(1):
                for user_id in changed:
                    if is_over.is_set():
                        return
                    body = {"age": 18 + turn % 100}
                    await ask(session, here, "PATCH", f"/api/users/{user_id}", body)

        async with asyncio.TaskGroup() as writers:
            writers.create_task(make_forever())
            writers.create_task(change_forever())
            took = await asyncio.to_thread(command, urls[0], "backup", file)
            is_over.set()
        original = await everybody(session, here)

        say(took)
        say(await asyncio.to_thread(command, urls[1], "restore", file))
        there = await asyncio.to_thread(start_gateway, **settings, DATABASE_URL=urls[1])
        restored = await everybody(session, there)

        # Users came one after the other, so a moment has the first so many, as they were.
        assert CHANGED + AT_LEAST <= len(restored) <= len(original)
        unchanged = [user for user in restored if user["id"] not in changed]
        assert (
            unchanged == [user for user in original if user["id"] not in changed][: len(unchanged)]
        )
        # Changes went round: at no moment is anybody ahead of who comes before, or two behind.
        versions = [user["version"] for user in restored[:CHANGED]]
        assert versions == sorted(versions, reverse=True)
        assert versions[0] - versions[-1] <= 1
        # The trail is of the same moment: each of its changes is there once, without a gap.
        entries = await trail(session, there)
        assert [entry["number"] for entry in entries] == list(range(1, len(entries) + 1))
        actions = Counter(entry["action"] for entry in entries)
        assert actions == {
            "user.created": len(restored),
            "user.changed": sum(user["version"] - 1 for user in restored),
            "password.changed": 1,
        }
        made = [entry["whom"] for entry in entries if entry["action"] == "user.created"]
        assert sorted(made) == sorted(user["id"] for user in restored)
        # Who could sign in can sign in, and the copy takes what the original took.
        body = {"email": "p0@example.org", "password": PASSWORD}
        assert (await ask(session, there, "POST", "/api/sessions", body))["data"]["accessToken"]
        await ask(session, there, "DELETE", f"/api/users/{changed[0]}")
        (last,) = (await trail(session, there))[len(entries) :]
        assert (last["number"], last["action"]) == (len(entries) + 1, "user.deleted")
    assert "Traceback" not in here.log + there.log
