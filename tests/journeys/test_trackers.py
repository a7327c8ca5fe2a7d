"""A phone that reports with a program of somebody else, and a member who sees it move."""

from __future__ import annotations

import asyncio
import json
import time
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from gateway.cli import run
from gateway.identity import Role
from tests.conftest import StartGateway
from tests.toolbox import raw_socket
from tests.toolbox.strict_gateway import SECRET, token_of

pytestmark = pytest.mark.journey

ROOM = "city:paris"
OWNTRACKS, OSMAND = "/api/trackers/owntracks", "/api/trackers/osmand"


async def updated(member: raw_socket.RawSocket) -> dict[str, Any]:
    """The next bike-updated."""
    name, bike = json.loads(await member.event())
    assert name == "bike-updated"
    return dict(bike)


async def test_a_phone_is_seen_to_move_until_its_code_is_revoked(
    start_gateway: StartGateway, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    environ = {"PACELINE_JWT_SECRET": SECRET, "DATABASE_URL": f"sqlite:///{tmp_path}/users.db"}
    gateway = await asyncio.to_thread(start_gateway, PACELINE_ENV="production", **environ)
    make = ["keys", "create", "--tracker", "--name", "ada", "--publish", ROOM]
    assert await asyncio.to_thread(run, make, environ) == 0
    code = capsys.readouterr().out.strip()
    now_seconds = int(time.time())

    auth = json.dumps({"token": token_of("a member", Role.VIEWER)})
    async with (
        raw_socket.connected(gateway.url, auth) as member,
        aiohttp.ClientSession(gateway.url) as session,
    ):
        await member.ask("join-room", json.dumps(ROOM))

        message = {"_type": "location", "lat": 48.85, "lon": 2.35, "tst": now_seconds, "vel": 18}
        login = {"Authorization": aiohttp.encode_basic_auth("ada", code)}
        async with session.post(OWNTRACKS, json=message, headers=login) as response:
            assert (response.status, await response.json()) == (200, [])
        first = await updated(member)

        report = {"id": code, "lat": "48.86", "lon": "2.36", "timestamp": str(now_seconds + 1)}
        async with session.get(OSMAND, params=report) as response:
            assert response.status == 200
        second = await updated(member)

        revoke = ["keys", "revoke", code.split("_")[1]]
        assert await asyncio.to_thread(run, revoke, environ) == 0
        async with asyncio.timeout(15):
            while response.status != 401:
                await asyncio.sleep(0.1)
                async with session.get(OSMAND, params=report) as response:
                    pass

    assert (first["lat"], first["speed"], second["lat"]) == (48.85, 5, 48.86)
    assert {first["vehicle_id"], second["vehicle_id"]} == {"tracker-ada"}
    log = gateway.log
    assert OSMAND in log
    assert code.rpartition("_")[2] not in log
