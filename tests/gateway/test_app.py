"""The process: it starts, listens, and goes away politely."""

from __future__ import annotations

import asyncio
import contextlib
import io
import json
import socket

import aiohttp
import pytest

from gateway import logs
from gateway.app import CannotListen, Gateway
from gateway.settings import Settings
from tests.toolbox import raw_socket
from tests.toolbox.ports import free_port
from tests.toolbox.raw_socket import SocketClosed

NOT_HTTP = [
    b"GET /\xc3\xbc HTTP/1.1\r\nHost: x\r\n\r\n",
    b"GET /" + b"a" * 20_000 + b" HTTP/1.1\r\nHost: x\r\n\r\n",
    b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n{",
]
ENVIRON = {"PACELINE_ENV": "development", "PORT": "0"}


def settings(**changes: str) -> Settings:
    return Settings.from_env(ENVIRON | changes)


async def test_port_0_lets_the_system_choose_and_the_port_is_told() -> None:
    async with Gateway(settings()).running() as port, aiohttp.ClientSession() as session:
        assert port > 0

        async with session.get(f"http://127.0.0.1:{port}/readyz") as response:
            assert response.status == 200


async def test_both_doors_lead_to_the_same_rooms() -> None:
    async with Gateway(settings()).running() as port:
        url = f"http://127.0.0.1:{port}"
        async with raw_socket.connected(url) as rider, aiohttp.ClientSession() as session:
            await rider.ask("join-room", '"paris"')
            body = {"event": "bike-update", "data": {"bike_id": "1"}}
            async with session.post(f"{url}/api/rooms/paris/events", json=body) as response:
                assert response.status == 200

            assert await rider.event() == '["bike-updated",{"bike_id": "1","roomId":"paris"}]'


async def test_whoever_is_connected_at_the_end_is_told_when_to_come_back() -> None:
    gateway = Gateway(settings())
    async with contextlib.AsyncExitStack() as stack:
        async with gateway.running() as port:
            url = f"http://127.0.0.1:{port}"
            riders = [await stack.enter_async_context(raw_socket.connected(url)) for _ in range(20)]
            await riders[0].ask("join-room", '"paris"')
        goodbyes = [json.loads(await rider.event()) for rider in riders]
        for rider in riders:
            with pytest.raises(SocketClosed):
                await rider.event()

    bodies = [body for _, body in goodbyes]
    assert {name for name, _ in goodbyes} == {"goodbye"}
    assert {(body["code"], body["reason"]) for body in bodies} == {
        (3000, "the gateway is going away")
    }
    waits_ms = {body["reconnectAfterMs"] for body in bodies}
    assert all(0 <= wait_ms < 2000 for wait_ms in waits_ms)
    assert len(waits_ms) > 1, "everybody would come back in the same moment"
    assert gateway.metrics.goodbyes["3000"] == 20
    assert gateway.server.engine.sockets == {}
    assert gateway.hub.membership.rooms == {}


async def test_while_it_goes_away_it_is_not_ready_and_takes_nobody_in() -> None:
    gateway = Gateway(settings())
    async with gateway.running() as port, aiohttp.ClientSession() as session:
        url = f"http://127.0.0.1:{port}"
        gateway.health.is_draining = True
        gateway.server.engine.is_accepting = False

        async with session.get(f"{url}/readyz") as response:
            assert response.status == 503
        async with session.get(f"{url}/socket.io/?EIO=4&transport=polling") as response:
            assert (response.status, response.headers["Retry-After"]) == (503, "1")


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
