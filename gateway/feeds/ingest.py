"""This module owns the way in through Redis: what any program XADDs to the stream is published.

One worker at a time reads, the one that has the lease, so that the order of the stream is the
order of the rooms. What it reads stays pending in the group until it is settled, and all workers
read under one consumer's name: whoever takes over begins with what was left. An entry that can
never be published is parked with its reason and holds up nobody; one that has to wait holds up
its room, until too much is waiting (see `leftovers.py`).
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from typing import Any, Final

import msgspec
import structlog

from gateway.broker.contract import BrokerUnavailable, RoomUnusable
from gateway.feeds.entries import Entry, entry_of, event_of
from gateway.feeds.leftovers import Leftovers
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
from protocol.refusals import Refusal, Refused

logger = structlog.get_logger(__name__)

_LEASE: Final = Script("gateway.feeds", "lease.lua")
_GROUP: Final = "paceline"
_CONSUMER: Final = "reader"
_BATCH: Final = 500
_BLOCK_SECONDS: Final = 1.0
_LEAST_BLOCK_SECONDS: Final = 0.01  # 0 would mean for ever
_LEASE_MS: Final = 5000
_PATIENCE_SECONDS: Final = 3.0  # longer than a read may wait for news
_RETRY_SECONDS: Final = 1.0
_PARKED_LIMIT: Final = 10_000
_NEWS: Final = ">"
_LEFT_OVER: Final = "0"
# Whoever may write to this Redis is a backend.
_IDENTITY: Final = Identity("ingest", Role.SERVICE)
# An entry, its room, and why it is not published, if it is not.
_Result = tuple[Entry, str, BaseException | None]


class _Attempt(msgspec.Struct):
    """One entry on its way: refused at once, or with a receipt to come, or deleted."""

    entry: Entry
    room: str = ""
    receipt: asyncio.Future[Receipt] | None = None
    refused: Refused | None = None

    @property
    def error(self) -> BaseException | None:
        """Why it is not published, once that is known."""
        return self.refused if self.receipt is None else self.receipt.exception()

    async def outcome(self) -> BaseException | None:
        """The same, as soon as it is known."""
        if self.receipt is not None:
            await asyncio.wait((self.receipt,))
        return self.error


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
            left, read_from = Leftovers(), _LEFT_OVER
            while True:
                self.backlog = await connection.call("XLEN", self._stream)
                if not await self._has_lease(connection):
                    left, read_from = Leftovers(), _LEFT_OVER
                    await asyncio.sleep(_RETRY_SECONDS)
                    continue
                await self._settle(connection, left.take_due(time.monotonic(), _BATCH), left)
                read_from = await self._go_on(connection, read_from, left)
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

    async def _go_on(self, connection: CommandConnection, read_from: str, left: Leftovers) -> str:
        """Read and settle what comes next, as far as there is space; return where to read then."""
        due_in_seconds = left.due_in_seconds(time.monotonic())
        wait_seconds = _BLOCK_SECONDS if due_in_seconds is None else due_in_seconds
        wait_seconds = min(max(wait_seconds, _LEAST_BLOCK_SECONDS), _BLOCK_SECONDS)
        if not left.space:
            await asyncio.sleep(wait_seconds)
            return read_from
        words = ["XREADGROUP", "GROUP", _GROUP, _CONSUMER, "COUNT", str(min(_BATCH, left.space))]
        if read_from == _NEWS:
            words += ["BLOCK", str(round(wait_seconds * 1000))]
        reply = await connection.call(*words, "STREAMS", self._stream, read_from)
        entries = [entry_of(found) for found in reply[0][1]] if reply else []
        if not entries:
            return _NEWS
        fresh = [entry for entry in entries if not left.takes(entry)] if left else entries
        await self._settle(connection, fresh, left)
        return _NEWS if read_from == _NEWS else entries[-1].id

    async def _settle(
        self, connection: CommandConnection, entries: Sequence[Entry], left: Leftovers
    ) -> None:
        """Publish or park each entry, or leave it over together with what follows in its room."""
        if not entries:
            return
        done: list[str] = []
        held: dict[str, list[Entry]] = {}
        for entry, room, error in await self._publish(entries):
            if isinstance(error, BrokerUnavailable):
                self._metrics.ingested.add("unavailable")
                held.setdefault(room, []).append(entry)
                continue
            if isinstance(error, Refused):
                await self._park(connection, entry, error)
            elif error is not None:
                raise error
            elif entry.fields is not None:
                self._metrics.ingested.add("published")
            done.append(entry.id)
        for room, waiting in held.items():
            left.put_back(room, waiting, time.monotonic())
        left.release()
        if done:
            # In this order: what is deleted and still pending is found by the next reader, what is
            # settled and not deleted by nobody.
            await connection.call("XDEL", self._stream, *done)
            await connection.call("XACK", self._stream, _GROUP, *done)

    async def _publish(self, entries: Sequence[Entry]) -> list[_Result]:
        """What became of each entry; of a room, once one has to wait, nothing behind it is in."""
        attempts = self._begin(entries)
        receipts = [each.receipt for each in attempts if each.receipt is not None]
        await asyncio.gather(*receipts, return_exceptions=True)
        results: list[_Result] = []
        unusable: set[str] = set()
        waiting: set[str] = set()
        for attempt in attempts:
            entry, room, error = attempt.entry, attempt.room, attempt.error
            if isinstance(error, BrokerUnavailable) and room not in waiting:
                if room in unusable:
                    # It named one that will never be there; all that is before it is settled now.
                    error = await self._begin([entry])[0].outcome()
                if isinstance(error, RoomUnusable):
                    unusable.add(room)
                    error = Refused(Refusal.UNAVAILABLE, error.reason)
                elif isinstance(error, BrokerUnavailable):
                    waiting.add(room)
            results.append((entry, room, error))
        return results

    def _begin(self, entries: Sequence[Entry]) -> list[_Attempt]:
        """Publish all at once, in the order of the stream.

        Each names the one before it in its room: where that is not accepted, none behind it is.
        """
        attempts: list[_Attempt] = []
        last: dict[str, str | None] = {}
        for entry in entries:
            if entry.fields is None:
                attempts.append(_Attempt(entry))
                continue
            try:
                event = event_of(entry)
                room = event.room_id
                receipt = begin_publishing(self._hub, _IDENTITY, event, last.get(room))
            except Refused as refused:
                attempts.append(_Attempt(entry, refused=refused))
            else:
                attempts.append(_Attempt(entry, room, receipt))
                last[room] = event.idempotency_key
        return attempts

    async def _park(self, connection: CommandConnection, entry: Entry, refused: Refused) -> None:
        assert entry.fields is not None, "only what says something is refused"
        self._metrics.ingested.add("parked")
        logger.warning("! entry parked", id=entry.id, code=refused.refusal.code)
        fields: list[Any] = [each for pair in entry.fields.items() for each in pair]
        reason = ("id", entry.id, "code", refused.refusal.code, "reason", refused.message)
        parked = f"{{{self._stream}}}:parked"
        await connection.call("XADD", parked, "MAXLEN", "~", _PARKED_LIMIT, "*", *reason, *fields)
