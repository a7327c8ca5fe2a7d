"""A disk that is full under users and log alike: writing waits, everything else goes on."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import sqlite3
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import aiohttp
import pytest

from gateway.identity import Role
from tests.toolbox import raw_socket
from tests.toolbox.gateway_process import SERVE
from tests.toolbox.ports import free_port
from tests.toolbox.programs import REPOSITORY
from tests.toolbox.siege import until
from tests.toolbox.strict_gateway import SECRET, token_of

pytestmark = [
    pytest.mark.journey,
    pytest.mark.skipif(os.geteuid() != 0, reason="only root may make a disk of its own"),
]

ADMIN: Final = {"Authorization": f"Bearer {token_of('an admin', Role.ADMIN)}"}
RIDER: Final = json.dumps({"token": token_of("rider")})
SOON_SECONDS: Final = 15.0
WRITES_MOST: Final = 2_000  # until there is no room for one more


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """A small one."""
    folder = tmp_path / "disk"
    folder.mkdir()
    subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(folder)],  # noqa: S607 - as root finds it
        check=True,
    )
    yield folder
    subprocess.run(["umount", str(folder)], check=True)  # noqa: S607 - as above


@pytest.fixture
def url(disk: Path) -> Iterator[str]:
    """A gateway whose users are on that disk, and whose log is on one that was full before."""
    port = free_port()
    with Path("/dev/full").open("wb") as full:
        process = subprocess.Popen(
            SERVE,
            cwd=disk.parent,
            env={
                "PATH": os.environ["PATH"],
                "PYTHONPATH": str(REPOSITORY),
                "PACELINE_ENV": "production",
                "PACELINE_JWT_SECRET": SECRET,
                "PACELINE_DRAIN_NOTICE_SECONDS": "0",
                "PACELINE_RUN_DIRECTORY": str(disk.parent / "run"),
                "DATABASE_URL": f"sqlite:///{disk}/users.db",
                "HOST": "127.0.0.1",
                "PORT": str(port),
            },
            stdout=full,
            stderr=full,
        )
    try:
        yield f"http://127.0.0.1:{port}"
        process.terminate()
        assert process.wait(30) == 0
    finally:
        process.kill()
        process.wait()


class Client:
    def __init__(self, session: aiohttp.ClientSession, url: str) -> None:
        self._session = session
        self._url = url
        self._number = 0

    async def ask(self, method: str, body: object = None) -> tuple[int, Any]:
        async with self._session.request(
            method, f"{self._url}/api/users", json=body, headers=ADMIN
        ) as response:
            return response.status, await response.json() | {"headers": response.headers}

    async def make(self) -> tuple[int, Any]:
        self._number += 1
        return await self.ask("POST", {"email": f"p{self._number}@example.org", "name": "P" * 50})

    async def is_up(self) -> bool:
        try:
            return (await self.ask("GET"))[0] == 200
        except aiohttp.ClientError:
            return False

    async def is_made(self) -> bool:
        return (await self.make())[0] == 201


async def test_a_full_disk_stops_writes_alone_and_nothing_has_to_be_restarted(
    disk: Path, url: str
) -> None:
    async with aiohttp.ClientSession() as session:
        client = Client(session, url)
        await until(client.is_up, SOON_SECONDS)
        assert (await client.make())[0] == 201
        filler = disk / "filler"
        _fill(filler)

        status, answer, began = 201, dict[str, Any](), 0.0
        for _ in range(WRITES_MOST):
            began = time.monotonic()
            status, answer = await client.make()
            if status != 201:
                break
        assert (status, answer["error"]["code"]) == (503, "UNAVAILABLE")
        assert int(answer["headers"]["Retry-After"]) >= 1
        assert time.monotonic() - began < 2.5
        status, answer = await client.ask("GET")
        assert status == 200
        count = answer["meta"]["total"]
        async with (
            raw_socket.connected(url, RIDER) as sender,
            raw_socket.connected(url, RIDER) as reader,
        ):
            for rider in (sender, reader):
                await rider.ask("join-room", '"paris"')
            await sender.ask("bike-update", '{"roomId": "paris", "bike_id": "1"}')
            assert '"bike_id": "1"' in await reader.event()

        filler.unlink()

        await until(client.is_made, SOON_SECONDS)
        assert (await client.ask("GET"))[1]["meta"]["total"] == count + 1
    await asyncio.to_thread(_check_integrity, disk / "users.db")


def _fill(path: Path) -> None:
    with path.open("wb", buffering=0) as file, contextlib.suppress(OSError):
        while file.write(bytes(4096)):
            pass


def _check_integrity(path: Path) -> None:
    connection = sqlite3.connect(path)
    try:
        assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    finally:
        connection.close()
