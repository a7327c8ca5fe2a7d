"""This module owns what is read of a room: its place, its log, its snapshot.

However many ask at once, one read of a room is under way and one more is waiting. An answer must
not be older than the question, so whoever asks while a read is under way shares the next one.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Final, Generic, TypeVar

import msgspec
import structlog

from gateway.broker.contract import Snapshot
from gateway.broker.redis import announcement
from gateway.broker.redis.announcement import AnnouncementInvalid, cursor_of
from gateway.broker.redis.rooms import KEEP, READ, SNAPSHOT, RedisRoom, RedisRooms
from gateway.redis.client import Redis, call_at
from gateway.redis.errors import RedisAway
from gateway.rooms import snapshot
from gateway.rooms.publication import Publication
from protocol.cursor import Cursor

logger = structlog.get_logger(__name__)

Entry = tuple[int, Publication]  # the proof at the place before, and what follows that place
_Answer = TypeVar("_Answer")
# Snapshots that are kept in case that nothing changes until the next one is asked for.
_KNOWN_LIMIT_BYTES: Final = 67_108_864
_KNOWN_OVERHEAD_BYTES: Final = 1024  # of one, with the name of its room


class Log(msgspec.Struct, frozen=True, gc=False):
    """A room's place, and what its log has after some offset; `times_ms` by Redis' clock."""

    head: Cursor
    now_ms: int
    entries: Sequence[Entry]
    times_ms: Sequence[int]

    def after(self, since: Cursor, room: RedisRoom) -> Sequence[Entry] | None:
        """Everything after `since`, or None when that cannot be known to be everything."""
        head, behind = self.head, self.head.offset - since.offset
        if since.epoch != head.epoch or not 0 <= behind <= room.kind.history_length:
            return None
        if behind == 0:
            return () if since == head else None
        start = len(self.entries) - behind
        if start < 0 or since.offset < 0:
            return None
        before, first = self.entries[start]
        is_kept = self.now_ms - self.times_ms[start] < room.kind.history_seconds * 1000
        if first.offset != since.offset + 1 or before != since.proof or not is_kept:
            return None
        return self.entries[start:]

    def is_continued(self, since: Cursor) -> bool:
        """Whether the room's history may be the one that leads over `since`, as far as is seen."""
        if since.epoch != self.head.epoch or since.offset > self.head.offset:
            return False
        if since.offset == self.head.offset:
            return since.proof == self.head.proof
        following = (entry for entry in self.entries if entry[1].offset == since.offset + 1)
        return all(before == since.proof for before, _ in following)


class Reads:
    """Reads rooms for one worker. Its coroutines raise `RedisAway` or `RedisRefused`."""

    def __init__(self, redis: Redis, rooms: RedisRooms) -> None:
        self._redis = redis
        self._rooms = rooms
        self._heads = _Shared(self._read_head)
        self._logs = _Shared(self._read_log)
        self._snapshots = _Shared(self._read_snapshot)
        self._known: dict[str, Snapshot] = {}
        self._known_bytes = 0

    async def head(self, room: RedisRoom) -> Cursor:
        """The room's present place; one that has not begun begins."""
        return await self._heads.get(room, 0)

    async def log(self, room: RedisRoom, offset: int) -> Log:
        """The room's place, and all that its log has after `offset`."""
        return await self._logs.get(room, offset)

    async def snapshot(self, room: RedisRoom) -> Snapshot:
        """The room's last values and their place."""
        return await self._snapshots.get(room, 0)

    async def has_begun(self, room: RedisRoom) -> bool:
        """Whether the room has begun."""
        head = room.keys[0]
        return bool(await call_at(self._redis, room.slot, "EXISTS", head))

    def forget(self, room: RedisRoom) -> None:
        """Keep nothing of a room that nobody here reads any more."""
        known = self._known.pop(room.name, None)
        if known is not None:
            self._known_bytes -= _size_of(known)

    def _remember(self, room: RedisRoom, present: Snapshot) -> None:
        self.forget(room)
        if self._known_bytes + _size_of(present) > _KNOWN_LIMIT_BYTES:
            self._known.clear()
            self._known_bytes = 0
        self._known[room.name] = present
        self._known_bytes += _size_of(present)

    async def _read_head(self, room: RedisRoom, _offset: int) -> Cursor:
        return (await self._log_from(room, "")).head

    async def _read_log(self, room: RedisRoom, offset: int) -> Log:
        # Offsets from strangers can be anything; before the first there is nothing.
        return await self._log_from(room, max(0, offset))

    async def _log_from(self, room: RedisRoom, offset: int | str) -> Log:
        words = (offset, room.kind.history_length, room.keep_ms)
        found = None
        while found is None:
            found = await self._run(READ.digest, room, room.keys[:2], words)
            if found is None:
                await self._keep(room)
        epoch, head, proof, now_ms, log, is_due = found
        if is_due:
            with contextlib.suppress(RedisAway):  # there is time to do it until the room expires
                await self._keep(room)
        entries, times_ms = [], []
        for _, fields in log:
            try:
                entry, time_ms = announcement.read(room.name, fields[1]), int(fields[3])
            except (AnnouncementInvalid, ValueError, IndexError) as error:
                # Left out, it is a hole that `after` finds, and nobody is told that all is well.
                logger.warning("! not a log entry", room=room.name, why=str(error))
                continue
            entries.append(entry)
            times_ms.append(time_ms)
        return Log(cursor_of(epoch, head, proof), now_ms, entries, times_ms)

    async def _read_snapshot(self, room: RedisRoom, _offset: int) -> Snapshot:
        head, _, values, heard = room.keys[:4]
        while True:
            known = self._known.get(room.name)
            place = known.cursor if known is not None else None
            words = ("", "", "") if place is None else (place.epoch, place.offset, place.proof)
            found = await self._run(SNAPSHOT.digest, room, (head, values, heard), words)
            if found is None:
                await self.head(room)  # it begins, and is empty unless somebody was quicker
                continue
            if len(found) == 3 and known is not None:  # noqa: PLR2004 - nothing has changed
                return known
            present = Snapshot(cursor_of(*found[:3]), _array_of(found[3]))
            self._remember(room, present)
            return present

    async def _keep(self, room: RedisRoom) -> None:
        await self._run(KEEP.digest, room, room.keys, (self._rooms.salt, room.keep_ms))

    async def _run(
        self, digest: str, room: RedisRoom, keys: Sequence[bytes], words: Sequence[str | int]
    ) -> Any:  # noqa: ANN401 - whatever the script returns
        return await call_at(self._redis, room.slot, "EVALSHA", digest, len(keys), *keys, *words)


def _size_of(known: Snapshot) -> int:
    return len(known.values) + _KNOWN_OVERHEAD_BYTES


def _array_of(entries: Sequence[bytes | None]) -> bytes:
    # Without the line that says when each was heard of; None is one whose hash was evicted.
    return snapshot.array_of(
        entry[entry.index(b"\n") + 1 :] for entry in entries if entry is not None
    )


class _Shared(Generic[_Answer]):
    """At most one read of a room under way, and one waiting for it, which asks for everybody."""

    def __init__(self, read: Callable[[RedisRoom, int], Awaitable[_Answer]]) -> None:
        self._read = read
        self._under_way: dict[str, asyncio.Task[_Answer]] = {}
        self._waiting: dict[str, asyncio.Task[_Answer]] = {}
        self._offsets: dict[str, int] = {}

    async def get(self, room: RedisRoom, offset: int) -> _Answer:
        """Read from `offset` on, or from the lowest that anybody else waits for."""
        task = self._waiting.get(room.name)
        if task is None:
            self._offsets[room.name] = offset
            task = asyncio.create_task(self._read_after(self._under_way.get(room.name), room))
            task.add_done_callback(_look_at_exception)
            self._waiting[room.name] = task
        else:
            self._offsets[room.name] = min(offset, self._offsets[room.name])
        return await asyncio.shield(task)

    async def _read_after(self, before: asyncio.Task[_Answer] | None, room: RedisRoom) -> _Answer:
        if before is not None:
            await asyncio.wait([before])
        task = self._under_way[room.name] = self._waiting.pop(room.name)
        try:
            return await self._read(room, self._offsets.pop(room.name))
        finally:
            if self._under_way.get(room.name) is task:
                del self._under_way[room.name]


def _look_at_exception(task: asyncio.Task[Any]) -> None:
    """Everybody who asked may have gone; then nobody misses the answer."""
    if not task.cancelled():
        task.exception()
