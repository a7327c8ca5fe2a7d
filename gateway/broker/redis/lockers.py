"""This module owns lockers in Redis: a string each, whose own time to live is what forgets it."""

from __future__ import annotations

from typing import Any

from gateway.broker.contract import BrokerUnavailable
from gateway.redis.client import Redis, call
from gateway.redis.errors import RedisAway


class RedisLockers:
    """Values in Redis; needs GETDEL, which came with Redis 6.2."""

    def __init__(self, redis: Redis, prefix: str) -> None:
        self._redis = redis
        self._prefix = prefix

    async def put(self, key: str, value: bytes, keep_seconds: float) -> None:
        """Keep a value."""
        await self._run("SET", key, value, "PX", max(1, round(keep_seconds * 1000)))

    async def look(self, key: str) -> bytes | None:
        """What is there."""
        found: bytes | None = await self._run("GET", key)
        return found

    async def take(self, key: str) -> bytes | None:
        """What is there, once."""
        found: bytes | None = await self._run("GETDEL", key)
        return found

    async def _run(self, command: str, key: str, *words: str | bytes | int) -> Any:  # noqa: ANN401 - whatever the command returns
        name = f"{self._prefix}:locker:{key}".encode()
        try:
            return await call(self._redis, name, command, name, *words)
        except RedisAway as away:
            raise BrokerUnavailable(away.retry_after_ms) from away
