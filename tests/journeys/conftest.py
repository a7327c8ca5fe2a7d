from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from tests.toolbox.raw_client import RawSocket


@pytest.fixture(autouse=True)
async def _hang_up() -> AsyncIterator[None]:
    """A raw socket belongs to the event loop of its test, and ends with it."""
    yield
    RawSocket.close_all()
    await asyncio.sleep(0)
