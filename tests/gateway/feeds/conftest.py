"""Fixtures of the bridge: an operator's server, a gateway that records, a session to reach both."""

from __future__ import annotations

from collections.abc import AsyncIterator

import aiohttp
import pytest

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
