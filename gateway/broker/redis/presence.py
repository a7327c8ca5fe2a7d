"""This module owns who is in which room, on all workers, also when a worker dies.

Each entry carries the worker that made it. A worker is alive for as long as its key is; whoever
finds that a worker is not, takes over what it has left behind, once.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, Final

import msgspec
import structlog

from gateway.broker.redis.rooms import ENTER, LEAVE, RedisRoom, RedisRooms
from gateway.redis.client import Redis, call
from gateway.redis.errors import RedisAway, RedisRefused
from gateway.redis.shard import Shard
from protocol.events import Member

logger = structlog.get_logger(__name__)

ALIVE_SECONDS: Final = 8.0  # how long a worker may say nothing before it counts as dead
_BEAT_PART: Final = 0.25  # of it passes from one word to the next
_AT_ONCE: Final = 500

Departed = Callable[[str, Member], None]


class _Entry(msgspec.Struct, array_like=True, frozen=True):
    peer_id: str
    subject: str


_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(_Entry).decode


class Presence:
    """Counts members for one worker. Its coroutines raise `RedisAway` or `RedisRefused`.

    `departed` is told of each member that was counted out behind its worker's back: because that
    is dead, or was cut off from Redis when the member left.
    """

    def __init__(  # noqa: PLR0913 - who, where, whom to tell, and how long to wait
        self,
        redis: Redis,
        rooms: RedisRooms,
        worker_id: str,
        prefix: str,
        departed: Departed,
        *,
        alive_seconds: float = ALIVE_SECONDS,
    ) -> None:
        self._redis = redis
        self._rooms = rooms
        self._worker_id = worker_id
        self._departed = departed
        self._alive_seconds = alive_seconds
        self._workers_key = f"{prefix}:workers".encode()
        self._prefix = prefix
        # What this worker has counted in, to be counted in again where that was forgotten.
        self._mine: dict[str, dict[str, Member]] = {}
        # Who has left while Redis was away, and has to be counted out yet.
        self._owed: dict[tuple[str, str], Member] = {}

    async def enter(self, name: str, member: Member) -> bool:
        """Count a peer in; True when it was not counted before."""
        mine = self._mine.setdefault(name, {})
        is_first = not mine
        mine[member.peer_id] = member  # at once: who leaves meanwhile is then not the last one
        self._owed.pop((name, member.peer_id), None)
        if is_first:
            await self._call(self._rooms_key(self._worker_id), "SADD", name)
        return bool(await self._enter(self._rooms[name], member))

    async def leave(self, name: str, peer_id: str) -> bool:
        """Count a peer out; True when this worker had counted it in last."""
        mine = self._mine.get(name, {})
        member = mine.pop(peer_id, None)
        try:
            left = await self._leave(self._rooms[name], self._worker_id, peer_id)
        except RedisAway:
            if member is not None:  # who was never counted in owes nothing
                self._owed[name, peer_id] = member
            raise
        if self._mine.get(name) is mine and not mine:
            del self._mine[name]
            await self._call(self._rooms_key(self._worker_id), "SREM", name)
        return bool(left)

    async def members(self, name: str) -> list[Member]:
        """Everybody who is in, in the order in which they came; not who was on a dead worker."""
        key = self._rooms[name].members_key
        found = await self._call(key, "HGETALL")
        entries = [
            (*entry.split(b" ", 2),)
            for peer, entry in zip(found[::2], found[1::2], strict=True)
            if peer  # the last number is kept under no name
        ]
        workers = list({entry[1] for entry in entries})
        alive = dict(zip(workers, await asyncio.gather(*map(self._is_alive, workers)), strict=True))
        entries = [entry for entry in entries if alive[entry[1]]]
        entries.sort(key=lambda entry: int(entry[0]))
        return [_member_of(entry[2]) for entry in entries]

    # ---- life and death of workers

    async def look_after_forever(self) -> None:
        """Say that this worker lives, and bury those that do not."""
        while True:
            try:
                await self._beat()
                await self._pay()
                await self._bury_the_dead()
            except (RedisAway, RedisRefused) as error:
                logger.debug("! presence not kept", why=str(error))
            except Exception:  # whatever is there of others, this worker has to say that it lives
                logger.exception("! presence not kept")
            await asyncio.sleep(self._alive_seconds * _BEAT_PART)

    async def withdraw(self) -> None:
        """Say that this worker has gone, when all its members have been counted out."""
        await self._call(self._alive_key(self._worker_id), "DEL")
        if not self._mine:
            await self._call(self._workers_key, "SREM", self._worker_id)

    async def enter_again(self, shard: Shard | None = None) -> None:
        """Count everybody in again, of one shard or of all: it may have been forgotten."""
        members = [
            (name, member)
            for name, mine in self._mine.items()
            for member in mine.values()
            if shard is None or self._redis.shard_of(self._rooms[name].slot) is shard
        ]
        names = list({name for name, _ in members})
        for start in range(0, len(names), _AT_ONCE):
            key = self._rooms_key(self._worker_id)
            await self._call(key, "SADD", *names[start : start + _AT_ONCE])
        for start in range(0, len(members), _AT_ONCE):
            some = members[start : start + _AT_ONCE]
            await asyncio.gather(*(self._enter_unless_left(*each) for each in some))

    async def _enter_unless_left(self, name: str, member: Member) -> None:
        if member.peer_id in self._mine.get(name, {}):
            await self._enter(self._rooms[name], member, is_again=True)

    async def _beat(self) -> None:
        key = self._alive_key(self._worker_id)
        alive_ms = round(self._alive_seconds * 1000)
        was_alive = await self._call(key, "SET", 1, "PX", alive_ms, "GET")
        await self._call(self._workers_key, "SADD", self._worker_id)
        was_buried = await self._call(self._buried_key(self._worker_id), "DEL")
        is_known = was_alive is not None and not was_buried
        if self._mine and (not is_known or await self._are_rooms_forgotten()):
            await self.enter_again()  # it was taken for dead, or Redis has come back empty

    async def _are_rooms_forgotten(self) -> bool:
        known = await self._call(self._rooms_key(self._worker_id), "SCARD")
        return bool(known < len(self._mine))

    async def _pay(self) -> None:
        """Count out whom it could not before."""
        for owed, member in list(self._owed.items()):
            name, peer_id = owed
            room = self._rooms[name]
            left = await self._leave(room, self._worker_id, peer_id)
            gone = [_member_of(each) for each in left]
            if not gone:
                # Nobody said so, but it may have been counted out when it left.
                is_elsewhere = await self._call(room.members_key, "HEXISTS", peer_id)
                gone = [] if is_elsewhere else [member]
            if owed in self._owed:  # it has not come back meanwhile
                del self._owed[owed]
                for each in gone:
                    self._departed(name, each)

    async def _bury_the_dead(self) -> None:
        for worker in await self._call(self._workers_key, "SMEMBERS"):
            if not await self._is_alive(worker):
                await self._bury(worker.decode())

    async def _bury(self, worker_id: str) -> None:
        """Several may do so at once: each member is counted out, and told of, by one of them.

        The worker itself is forgotten last, so whoever dies over it is followed by another one.
        """
        key = self._rooms_key(worker_id)
        names = [name.decode() for name in await self._call(key, "SMEMBERS")]
        for name in names:
            for left in await self._leave(self._rooms[name], worker_id, ""):
                self._departed(name, _member_of(left))
            await self._call(key, "SREM", name)
        if await self._is_alive(worker_id.encode()):
            # It was only away, and may have entered again before its members were counted out and
            # its rooms struck out. With its next word, due before this ends, it does so once more.
            if names:
                alive_ms = round(self._alive_seconds * 1000)
                await self._call(self._buried_key(worker_id), "SET", 1, "PX", alive_ms)
                await self._call(key, "SADD", *names)
            return
        if await self._call(self._workers_key, "SREM", worker_id):
            logger.warning("! a worker is gone", worker=worker_id, rooms=len(names))

    async def _is_alive(self, worker: bytes) -> bool:
        if worker == self._worker_id.encode():
            return True
        return bool(await self._call(self._alive_key(worker.decode()), "EXISTS"))

    # ---- commands

    async def _enter(self, room: RedisRoom, member: Member, *, is_again: bool = False) -> Any:  # noqa: ANN401
        entry = _encode(_Entry(member.peer_id, member.subject))
        words = (member.peer_id, self._worker_id, entry, int(is_again))
        return await self._run(ENTER.digest, room, words)

    async def _leave(self, room: RedisRoom, worker_id: str, peer_id: str) -> Any:  # noqa: ANN401
        return await self._run(LEAVE.digest, room, (worker_id, peer_id))

    async def _run(self, digest: str, room: RedisRoom, words: tuple[Any, ...]) -> Any:  # noqa: ANN401
        key = room.members_key
        return await call(self._redis, key, "EVALSHA", digest, 1, key, *words)

    async def _call(self, key: bytes, word: str, *words: Any) -> Any:  # noqa: ANN401
        return await call(self._redis, key, word, key, *words)

    def _rooms_key(self, worker_id: str) -> bytes:
        return f"{self._prefix}:worker:{worker_id}:rooms".encode()

    def _buried_key(self, worker_id: str) -> bytes:
        return f"{self._prefix}:worker:{worker_id}:buried".encode()

    def _alive_key(self, worker_id: str) -> bytes:
        return f"{self._prefix}:worker:{worker_id}:alive".encode()


def _member_of(entry: bytes) -> Member:
    decoded = _decode(entry)
    return Member(decoded.peer_id, decoded.subject)
