"""This module owns the registry of all hosts: one hash in Redis, in which each worker has a place.

Who is alive is decided by the clock of Redis alone, so the clocks of hosts may differ.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, Final

import msgspec
import structlog

from gateway.redis.errors import RedisAway, RedisRefused
from gateway.redis.scripts import Script
from gateway.workers.place import WorkerPlace
from gateway.workers.registry import ALIVE_SECONDS, RegistryUnavailable

logger = structlog.get_logger(__name__)

_ANNOUNCE: Final = Script("gateway.workers", "announce.lua")
_PLACES: Final = Script("gateway.workers", "places.lua")
_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(WorkerPlace).decode

# Sends one command to the server that has the key; raises `RedisAway` or `RedisRefused`.
Call = Callable[..., Awaitable[Any]]


class SharedRegistry:
    """Fulfils `Registry` with Redis."""

    def __init__(self, call: Call, prefix: str, alive_seconds: float = ALIVE_SECONDS) -> None:
        self._call = call
        self._key = f"{prefix}:places".encode()
        self._alive_ms = round(alive_seconds * 1000)

    async def announce(self, place: WorkerPlace) -> None:
        """Say that a worker lives, and where."""
        words = (place.worker_id, _encode(place), self._alive_ms)
        await self._asked("EVAL", _ANNOUNCE.source, 1, self._key, *words)

    async def withdraw(self, worker_id: str) -> None:
        """Say that a worker is gone."""
        await self._asked("HDEL", self._key, worker_id)

    async def find(self, worker_id: str) -> WorkerPlace | None:
        """The place of one worker."""
        return next((place for place in await self.all() if place.worker_id == worker_id), None)

    async def all(self) -> list[WorkerPlace]:
        """Everybody who is alive; who cannot be understood is left out."""
        places = []
        for text in await self._asked("EVAL", _PLACES.source, 1, self._key):
            try:
                places.append(_decode(text))
            except msgspec.DecodeError as error:
                logger.warning("! a worker's place is not readable", why=str(error))
        return places

    async def _asked(self, *words: Any) -> Any:  # noqa: ANN401 - whatever Redis takes and says
        try:
            return await self._call(self._key, *words)
        except (RedisAway, RedisRefused) as error:
            raise RegistryUnavailable(str(error)) from error
