"""Redis, connected as the gateway connects it, for what counts and keeps things there."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Sequence

from gateway.redis.client import Redis, redis_of
from gateway.redis.scripts import Script
from gateway.settings.redis_url import address_of
from tests.gateway.redis.listening import Listener


@contextlib.asynccontextmanager
async def connected(url: str, scripts: Sequence[Script]) -> AsyncIterator[Redis]:
    """Connected while the context is open."""
    redis = redis_of(address_of(url), scripts, "beat", Listener())
    await redis.start()
    try:
        yield redis
    finally:
        await redis.stop()
