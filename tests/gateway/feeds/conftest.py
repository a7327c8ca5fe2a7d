"""Fixtures of the bridge: an operator's server, a gateway that records, a session to reach both."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from gateway.feeds.bridge import Bridge
from gateway.feeds.options import BridgeOptions
from gateway.feeds.progress import LineProgress
from tests.gateway.feeds.feed_server import FeedServer
from tests.gateway.feeds.recording_gateway import RecordingGateway


@pytest.fixture
async def feed_server() -> AsyncIterator[FeedServer]:
    server = FeedServer()
    await server.start()
    yield server
    await server.stop()


@pytest.fixture
async def gateway() -> AsyncIterator[RecordingGateway]:
    recording = RecordingGateway()
    await recording.start()
    yield recording
    await recording.stop()


@pytest.fixture
async def session() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession() as opened:
        yield opened


@pytest.fixture
def make_bridge(gateway: RecordingGateway, session: aiohttp.ClientSession) -> Callable[..., Bridge]:
    def make(address: str | Path | None, **options: Any) -> Bridge:  # noqa: ANN401 - any option
        chosen = BridgeOptions(
            room="city:chicago",
            address=None if address is None else str(address),
            gateway_url=gateway.url,
            **options,
        )
        return Bridge(chosen, session, LineProgress())

    return make
