"""The process: it starts, listens, and goes away politely."""

from __future__ import annotations

import contextlib
import json
from pathlib import Path

import aiohttp
import pytest

from gateway.app import Gateway
from gateway.settings import Settings
from tests.toolbox import raw_socket
from tests.toolbox.raw_socket import SocketClosed

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
