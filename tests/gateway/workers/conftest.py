"""A real Redis, asked the way in which a registry asks it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest
from redis.asyncio import Redis

from gateway.workers.shared import Call


@pytest.fixture
async def redis_client(redis_url: str) -> AsyncIterator[Redis]:
    client = Redis.from_url(redis_url)
    yield client
    await client.aclose()


@pytest.fixture
def call(redis_client: Redis) -> Call:
    async def send(_key: bytes, *words: Any) -> Any:  # noqa: ANN401 - whatever Redis says
        return await redis_client.execute_command(*words)  # type: ignore[no-untyped-call] # theirs

    return send
