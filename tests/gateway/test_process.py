"""A process: it says why it cannot listen, and goes away politely when it is told to."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import socket
from collections.abc import Iterator
from pathlib import Path

import aiohttp
import pytest

from gateway.listening import CannotListen
from gateway.process import serve
from gateway.settings import Settings
from tests.toolbox import raw_socket
from tests.toolbox.gateway_process import GatewayProcess
from tests.toolbox.raw_socket import SocketClosed

ENVIRON = {"PACELINE_ENV": "development", "PORT": "0"}


def settings(**changes: str) -> Settings:
    return Settings.from_env(ENVIRON | changes)


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


async def test_balancers_get_the_time_that_they_need_to_notice(tmp_path: Path) -> None:
    gateway = SignalledGateway(
        tmp_path, PACELINE_DRAIN_NOTICE_SECONDS="1", PACELINE_DRAIN_SECONDS="5"
    )
    gateway.start()
    handshake = f"{gateway.url}/socket.io/?EIO=4&transport=polling"
    async with (
        raw_socket.connected(gateway.url) as rider,
        aiohttp.ClientSession() as session,
    ):
        ending = asyncio.create_task(asyncio.to_thread(gateway.end_by, signal.SIGTERM))
        await _until_status(session, f"{gateway.url}/readyz", 503)
        async with session.get(f"{gateway.url}/readyz") as response:
            checks = (await response.json())["data"]["checks"]
        async with session.get(handshake) as response:
            meanwhile = response.status
        await rider.ask("join-room", '"paris"')  # all goes on as before
        name, _ = json.loads(await rider.event())

    assert checks["accepting"] == "draining"
    assert meanwhile == 200
    assert name == "goodbye"
    assert await ending == 0


async def test_while_clients_are_sent_off_newcomers_are_told_to_come_back(tmp_path: Path) -> None:
    gateway = SignalledGateway(tmp_path, PACELINE_DRAIN_SECONDS="5")
    gateway.start()
    handshake = f"{gateway.url}/socket.io/?EIO=4&transport=polling"
    async with contextlib.AsyncExitStack() as stack:
        session = await stack.enter_async_context(aiohttp.ClientSession())
        for _ in range(60):
            await stack.enter_async_context(raw_socket.connected(gateway.url))
        ending = asyncio.create_task(asyncio.to_thread(gateway.end_by, signal.SIGTERM))
        await _until_status(session, handshake, 503)
        async with session.get(handshake) as response:
            retry_after = response.headers["Retry-After"]
            connection = response.headers["Connection"]

        assert (retry_after, connection) == ("1", "close")
        assert await ending == 0


async def test_a_second_signal_is_for_those_in_a_hurry(tmp_path: Path) -> None:
    gateway = SignalledGateway(
        tmp_path, PACELINE_DRAIN_NOTICE_SECONDS="60", PACELINE_DRAIN_SECONDS="60"
    )
    gateway.start()
    async with raw_socket.connected(gateway.url), aiohttp.ClientSession() as session:
        os.kill(gateway.process_id, signal.SIGTERM)
        await _until_status(session, f"{gateway.url}/readyz", 503)
        async with asyncio.timeout(10):
            assert await asyncio.to_thread(gateway.end_by, signal.SIGTERM) == 0


async def _until_status(session: aiohttp.ClientSession, url: str, status: int) -> None:
    async with asyncio.timeout(10):
        while True:
            async with session.get(url) as response:
                if response.status == status:
                    return
            await asyncio.sleep(0.02)


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
