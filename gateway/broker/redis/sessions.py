"""This module owns sessions in Redis: a hash each, whose own time to live is what forgets them."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any, Final

import msgspec

from gateway.broker.contract import BrokerUnavailable
from gateway.broker.sessions import Record
from gateway.redis.client import Redis, call
from gateway.redis.errors import RedisAway
from gateway.redis.scripts import Script

_PACKAGE: Final = "gateway.broker.redis"
SAVE: Final = Script(_PACKAGE, "session_save.lua")
CLAIM: Final = Script(_PACKAGE, "session_claim.lua")
END: Final = Script(_PACKAGE, "session_end.lua")
SCRIPTS: Final = (SAVE, CLAIM, END)

_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(Record).decode


class RedisSessions:
    """Records in Redis. Each call to several of them is one turn's pipeline."""

    def __init__(self, redis: Redis, prefix: str, keep_seconds: float) -> None:
        self._redis = redis
        self._prefix = prefix
        self._keep_ms = round(keep_seconds * 1000)

    async def save(self, entries: Sequence[tuple[str, Record]]) -> list[str]:
        """Keep records."""
        kept = await asyncio.gather(*(self._save(key, record) for key, record in entries))
        return [
            record.keeper for (_, record), is_kept in zip(entries, kept, strict=True) if not is_kept
        ]

    async def claim(self, key: str, holder: str, keeper: str) -> Record | None:
        """Hand a session over."""
        found = await self._run(CLAIM, key, holder, keeper, self._keep_ms)
        if found is None:
            return None
        former, record = found
        return msgspec.structs.replace(_decode(record), keeper=former.decode())

    async def end(self, key: str, keeper: str) -> None:
        """Forget a session."""
        await self._run(END, key, keeper)

    async def _save(self, key: str, record: Record) -> bool:
        words = (record.holder, record.keeper, _encode(record), self._keep_ms)
        return bool(await self._run(SAVE, key, *words))

    async def _run(self, script: Script, key: str, *words: str | bytes | int) -> Any:  # noqa: ANN401 - whatever the script returns
        name = f"{self._prefix}:session:{key}".encode()
        try:
            return await call(self._redis, name, "EVALSHA", script.digest, 1, name, *words)
        except RedisAway as away:
            raise BrokerUnavailable(away.retry_after_ms) from away
