"""The process: it starts, listens, and goes away politely."""

from __future__ import annotations

import asyncio
import contextlib
import io
import json
import signal
import socket
from collections.abc import Iterator
from pathlib import Path

import aiohttp
import pytest

from gateway import logs
from gateway.app import CannotListen, Gateway, serve
from gateway.settings import Settings
from tests.toolbox import raw_socket
from tests.toolbox.gateway_process import GatewayProcess
from tests.toolbox.raw_socket import SocketClosed

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


async def test_a_port_that_is_taken_is_said_plainly_and_nothing_is_left_running() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]

        with pytest.raises(CannotListen) as caught:
            await serve(settings(PORT=str(port)), announce=lambda _: None)

    assert str(caught.value) == (
        f"Cannot listen on 127.0.0.1, port {port}: another program listens there already."
        " Choose a port with --port or PORT."
    )


async def test_an_address_of_another_machine_is_said_plainly() -> None:
    elsewhere = settings(HOST="203.0.113.7", PACELINE_ALLOW_PUBLIC_DEVELOPMENT="1")

    with pytest.raises(CannotListen, match=r"that is no address of this machine\."):
        await serve(elsewhere, announce=lambda _: None)


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


# ---- in a process of its own


class SignalledGateway(GatewayProcess):
    def end_by(self, number: signal.Signals) -> int:
        """Send a signal once, and wait for the exit status."""
        process = self._running()
        process.send_signal(number)
        try:
            return process.wait(20)
        finally:
            self.kill()


@pytest.fixture
def gateway(tmp_path: Path) -> Iterator[SignalledGateway]:
    process = SignalledGateway(tmp_path, PACELINE_DRAIN_SECONDS="0.5")
    process.start()
    yield process
    process.kill()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_a_signal_ends_it_with_status_0_and_a_goodbye(
    gateway: SignalledGateway, number: signal.Signals
) -> None:
    async with raw_socket.connected(gateway.url) as rider:
        await rider.ask("join-room", '"paris"')
        ending = asyncio.create_task(asyncio.to_thread(gateway.end_by, number))
        name, body = json.loads(await rider.event())
        with pytest.raises(SocketClosed):
            await rider.event()

    assert (name, body["code"]) == ("goodbye", 3000)
    assert await ending == 0
    assert "Traceback" not in gateway.log


async def test_a_client_that_polls_gets_its_goodbye_too(gateway: SignalledGateway) -> None:
    async with aiohttp.ClientSession() as session:
        address = f"{gateway.url}/socket.io/?EIO=4&transport=polling"
        async with session.get(address) as response:
            sid = json.loads((await response.text())[1:])["sid"]
        address = f"{address}&sid={sid}"
        async with session.post(address, data="40") as response:
            assert await response.text() == "ok"
        async with session.get(address) as response:
            assert (await response.text()).startswith("40")
        polling = asyncio.create_task(_text_of(session, address))
        await asyncio.sleep(0.2)
        ending = asyncio.create_task(asyncio.to_thread(gateway.end_by, signal.SIGTERM))
        packets = (await polling).split("\x1e")

    assert packets[0].startswith('42["goodbye",{"code":3000,')
    assert await ending == 0


async def test_half_a_request_holds_up_the_end_no_longer_than_the_drain(
    gateway: SignalledGateway,
) -> None:
    _, writer = await asyncio.open_connection("127.0.0.1", gateway.port)
    writer.write(
        b"POST /api/rooms/a/events HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
        b"Content-Length: 9\r\n\r\n{"
    )
    await asyncio.sleep(0.2)

    async with asyncio.timeout(5):
        assert await asyncio.to_thread(gateway.end_by, signal.SIGTERM) == 0
    writer.close()


async def _text_of(session: aiohttp.ClientSession, address: str) -> str:
    async with session.get(address) as response:
        return await response.text()
