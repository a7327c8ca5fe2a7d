"""The two doors of one worker."""

from __future__ import annotations

import asyncio
from pathlib import Path

import aiohttp
import pytest

from gateway.app import Gateway
from gateway.settings import Settings
from tests.toolbox import raw_socket

ENVIRON = {"PACELINE_ENV": "development", "PORT": "0"}


@pytest.fixture(autouse=True)
def _in_a_folder_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where a gateway may leave its database."""
    monkeypatch.chdir(tmp_path)


def settings(**changes: str) -> Settings:
    return Settings.from_env(ENVIRON | changes)


async def test_both_doors_lead_to_the_same_rooms() -> None:
    async with Gateway(settings()).running() as port:
        url = f"http://127.0.0.1:{port}"
        async with raw_socket.connected(url) as rider, aiohttp.ClientSession() as session:
            await rider.ask("join-room", '"paris"')
            body = {"event": "bike-update", "data": {"bike_id": "1"}}
            async with session.post(f"{url}/api/rooms/paris/events", json=body) as response:
                assert response.status == 200

            assert await rider.event() == '["bike-updated",{"bike_id": "1","roomId":"paris"}]'


@pytest.mark.parametrize(
    "head",
    [
        b"GET /healthz?" + b"x" * 10_000 + b" HTTP/1.1\r\nHost: x\r\n\r\n",
        b"GET /healthz HTTP/1.1\r\nHost: x\r\nX-Long: " + b"x" * 10_000 + b"\r\n\r\n",
        b"GET /healthz HTTP/1.1\r\nHost: x\r\n" + b"X-Many: x\r\n" * 500 + b"\r\n",
        b"GET /healthz HTTP/1.1\r\nHost: x\r\nHost: y\r\n\r\n",
        b"GET /healthz HTTP/1.1\r\nHost: x\r\nX-Folded: a\r\n b\r\n\r\n",
    ],
    ids=["url", "header", "headers", "hosts", "folded"],
)
async def test_a_head_that_is_too_much_is_refused_and_closed(head: bytes) -> None:
    async with Gateway(settings()).running() as port:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(head)
        async with asyncio.timeout(15):
            answer = await reader.read()
        writer.close()
        assert answer.startswith((b"HTTP/1.1 4", b"HTTP/1.0 4"))

        async with (
            aiohttp.ClientSession() as session,
            session.get(f"http://127.0.0.1:{port}/healthz") as response,
        ):
            assert response.status == 200


async def test_answers_of_a_whole_worker_say_what_the_limit_is() -> None:
    limits = {"PACELINE_RATE_LIMITS": "read=2/60", "PACELINE_ACCESS_LOG": "true"}
    async with (
        Gateway(settings(**limits)).running() as port,
        aiohttp.ClientSession(f"http://127.0.0.1:{port}") as session,
    ):
        told = []
        for _ in range(3):
            async with session.get("/api/rooms/paris/members") as response:
                told.append((response.status, response.headers["RateLimit"].partition(";t=")[0]))
        async with session.get("/healthz") as response:
            assert "RateLimit" not in response.headers
    assert told == [(200, '"read";r=1'), (200, '"read";r=0'), (429, '"read";r=0')]


async def test_the_way_in_for_sockets_has_none_of_these_limits() -> None:
    async with (
        Gateway(settings(PACELINE_RATE_LIMITS="all=1/60")).running() as port,
        aiohttp.ClientSession(f"http://127.0.0.1:{port}") as session,
    ):
        for _ in range(4):
            async with session.get("/socket.io/?EIO=4&transport=polling") as response:
                assert response.status == 200
                assert "RateLimit" not in response.headers
