"""How a worker listens, and what it says when it may not."""

from __future__ import annotations

import asyncio
import io
import json
import socket
from pathlib import Path

import aiohttp
import pytest

from gateway import logs
from gateway.app import Gateway
from gateway.listening import CannotListen
from gateway.settings import Settings
from tests.toolbox.ports import free_port

NOT_HTTP = [
    b"GET /\xc3\xbc HTTP/1.1\r\nHost: x\r\n\r\n",
    b"GET /" + b"a" * 20_000 + b" HTTP/1.1\r\nHost: x\r\n\r\n",
    b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n{",
]
ENVIRON = {"PACELINE_ENV": "development", "PORT": "0"}


@pytest.fixture(autouse=True)
def _in_a_folder_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where a gateway may leave its database."""
    monkeypatch.chdir(tmp_path)


def settings(**changes: str) -> Settings:
    return Settings.from_env(ENVIRON | changes)


async def test_what_is_not_http_costs_one_line_and_no_traceback() -> None:
    stream = io.StringIO()
    logs.configure("json", "INFO", stream)
    async with Gateway(settings()).running() as port:
        for number in range(10):
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(NOT_HTTP[number % len(NOT_HTTP)])
            assert (await reader.readline()).split()[1] == b"400"
            writer.close()
            await writer.wait_closed()

    lines = [json.loads(line) for line in stream.getvalue().splitlines()]
    assert [(line["event"], "exception" in line) for line in lines] == [("not HTTP", False)] * 5


async def test_a_port_of_its_own_shows_a_worker_s_numbers_and_health_and_nothing_else() -> None:
    metrics_port = free_port()
    gateway = Gateway(settings(PACELINE_METRICS_PORT=str(metrics_port)))
    async with gateway.running(), aiohttp.ClientSession() as session:
        url = f"http://127.0.0.1:{metrics_port}"
        statuses = {}
        for path in ("/metrics", "/healthz", "/readyz", "/socket.io/?EIO=4&transport=polling"):
            async with session.get(url + path) as response:
                statuses[path.partition("?")[0]] = response.status

    assert statuses == {"/metrics": 200, "/healthz": 200, "/readyz": 200, "/socket.io/": 404}


async def test_a_port_for_numbers_that_is_taken_is_said_plainly() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(CannotListen, match=f"port {port}: another program listens there"):
            async with Gateway(settings(PACELINE_METRICS_PORT=str(port))).running():
                pass
