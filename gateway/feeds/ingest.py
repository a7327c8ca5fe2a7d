"""This module owns the way in through Redis: what any program XADDs to the stream is published.

One worker at a time reads, the one that has the lease, so that the order of the stream is the
order of the rooms. What it reads stays pending in the group until it is settled, and all workers
read under one consumer's name: whoever takes over begins with what was left. An entry that can
never be published is parked with its reason and holds up nobody.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any, Final

import structlog

from gateway.broker.contract import BrokerUnavailable
from gateway.feeds.entries import Entry, entry_of, event_of
from gateway.hub import Hub
from gateway.identity import Identity, Role
from gateway.metrics import Metrics
from gateway.publishing import begin_publishing
from gateway.redis.client import Redis
from gateway.redis.connection import CommandConnection
from gateway.redis.errors import RedisAway, RedisRefused
from gateway.redis.scripts import Script
from gateway.redis.slots import slot_of
from gateway.rooms.publication import Receipt
from protocol.refusals import Refused

logger = structlog.get_logger(__name__)

_LEASE: Final = Script("gateway.feeds", "lease.lua")
_GROUP: Final = "paceline"
_CONSUMER: Final = "reader"
_BATCH: Final = 500
_BLOCK_MS: Final = 1000
_LEASE_MS: Final = 5000
_PATIENCE_SECONDS: Final = 3.0  # longer than a read may wait for news
_RETRY_SECONDS: Final = 1.0
_PARKED_LIMIT: Final = 10_000
_NEWS: Final = ">"
_LEFT_OVER: Final = "0"
# Whoever may write to this Redis is a backend.
_IDENTITY: Final = Identity("ingest", Role.SERVICE)


class Ingest:
    """Reads the stream for as long as this worker has the lease."""

    def __init__(self, redis: Redis, hub: Hub, metrics: Metrics, stream: str, worker: str) -> None:
        self._redis = redis
        self._hub = hub
        self._metrics = metrics
        self._stream = stream
        self._worker = worker
        self.backlog = 0
        """Entries that are not settled yet, as far as this worker has seen."""

    async def run_forever(self) -> None:
        """Publish what comes; errors of Redis are waited out."""
        while True:
            try:
                await self._serve()
            except (RedisAway, RedisRefused) as error:
                logger.debug("! stream not read", stream=self._stream, why=str(error))
            except Exception:
                logger.exception("! stream not read", stream=self._stream)
            await asyncio.sleep(_RETRY_SECONDS)

    async def _serve(self) -> None:
        shard = self._redis.shard_of(slot_of(self._stream.encode()))
        if shard is None:
            raise RedisAway("no node serves the stream")
        connection = await shard.open(_PATIENCE_SECONDS)
        try:
            await self._make_group(connection)
            read_from = _LEFT_OVER
            while True:
                self.backlog = await connection.call("XLEN", self._stream)
                if not await self._has_lease(connection):
                    read_from = _LEFT_OVER
                    await asyncio.sleep(_RETRY_SECONDS)
                    continue
                entries = await self._read(connection, read_from)
                if not entries:
                    read_from = _NEWS
                elif not await self._settle(connection, entries):
                    read_from = _LEFT_OVER
                    await asyncio.sleep(_RETRY_SECONDS)
        finally:
            connection.abort()

    async def _make_group(self, connection: CommandConnection) -> None:
        try:
            await connection.call("XGROUP", "CREATE", self._stream, _GROUP, "0", "MKSTREAM")
        except RedisRefused as refused:
            if not str(refused).startswith("BUSYGROUP"):  # it is there already
                raise

    async def _has_lease(self, connection: CommandConnection) -> bool:
        key = f"{{{self._stream}}}:lease"
        words = ("EVAL", _LEASE.source, 1, key, self._worker, _LEASE_MS)
        return bool(await connection.call(*words))

    async def _read(self, connection: CommandConnection, read_from: str) -> list[Entry]:
        words = ["XREADGROUP", "GROUP", _GROUP, _CONSUMER, "COUNT", str(_BATCH)]
        if read_from == _NEWS:
            words += ["BLOCK", str(_BLOCK_MS)]
        reply = await connection.call(*words, "STREAMS", self._stream, read_from)
        return [entry_of(found) for found in reply[0][1]] if reply else []

    async def _settle(self, connection: CommandConnection, entries: Sequence[Entry]) -> bool:
        """Publish or park each entry; False when some have to be tried again."""
        begun = self._begin(entries)
        done: list[str] = []
        for entry, receipt in zip(entries, begun, strict=True):
            if isinstance(receipt, Refused):
                await self._park(connection, entry, receipt)
            elif receipt is not None:
                try:
                    await receipt
                except BrokerUnavailable:
                    self._metrics.ingested.add("unavailable")
                    continue
                self._metrics.ingested.add("published")
            done.append(entry.id)
        if done:
            # In this order: what is deleted and still pending is found by the next reader, what is
            # settled and not deleted by nobody.
            await connection.call("XDEL", self._stream, *done)
            await connection.call("XACK", self._stream, _GROUP, *done)
        return len(done) == len(entries)

    def _begin(self, entries: Sequence[Entry]) -> list[asyncio.Future[Receipt] | Refused | None]:
        """Publish all at once, in the order of the stream; None for what was deleted.

        Each names the one before it in its room: where that is not accepted, none behind it is.
        """
        begun: list[asyncio.Future[Receipt] | Refused | None] = []
        last: dict[str, str | None] = {}
        for entry in entries:
            if entry.fields is None:
                begun.append(None)
                continue
            try:
                event = event_of(entry)
                room = event.room_id
                begun.append(begin_publishing(self._hub, _IDENTITY, event, last.get(room)))
            except Refused as refused:
                begun.append(refused)
            else:
                last[room] = event.idempotency_key
        return begun

    async def _park(self, connection: CommandConnection, entry: Entry, refused: Refused) -> None:
        assert entry.fields is not None, "only what says something is refused"
        self._metrics.ingested.add("parked")
        logger.warning("! entry parked", id=entry.id, code=refused.refusal.code)
        fields: list[Any] = [each for pair in entry.fields.items() for each in pair]
        reason = ("id", entry.id, "code", refused.refusal.code, "reason", refused.message)
        parked = f"{{{self._stream}}}:parked"
        await connection.call("XADD", parked, "MAXLEN", "~", _PARKED_LIMIT, "*", *reason, *fields)
