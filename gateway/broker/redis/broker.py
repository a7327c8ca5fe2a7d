"""This module owns the broker of many processes: the contract, fulfilled with Redis.

publish   -> publisher.py   one script call, pipelined     publish.lua
follow    -> followings.py  channel, order, holes          read.lua, turn.lua, expire.lua
history   -> histories.py   the tails of followed rooms    read.lua
snapshot  -> reads.py       shared by all who ask          read.lua, snapshot.lua, keep.lua
enter     -> presence.py    members, dead workers          enter.lua, leave.lua

On the same connections: sessions.py and intercom.py, what workers know of each other's peers.
"""

from __future__ import annotations

import asyncio
import contextlib
import secrets
from collections.abc import AsyncIterator, Callable, Sequence
from typing import Final

import structlog

from gateway.broker.contract import BrokerUnavailable, Deliver, History, Settle, Snapshot
from gateway.broker.redis import sessions
from gateway.broker.redis.followings import Followings
from gateway.broker.redis.histories import Histories
from gateway.broker.redis.intercom import RedisIntercom
from gateway.broker.redis.presence import ALIVE_SECONDS, Presence
from gateway.broker.redis.publisher import Publisher
from gateway.broker.redis.reads import Reads
from gateway.broker.redis.rooms import SCRIPTS, RedisRooms
from gateway.redis.client import Redis, redis_of
from gateway.redis.errors import RedisAway, RedisRefused
from gateway.redis.scripts import Script
from gateway.redis.shard import Shard
from gateway.redis.subscriber import Message
from gateway.rooms.publication import Draft, Receipt, draft_of_event
from gateway.settings import RoomKind
from gateway.settings.redis_url import RedisAddress
from protocol.cursor import Cursor
from protocol.events import Member, MemberLeft
from protocol.reports import BrokerPulse

logger = structlog.get_logger(__name__)

EXPIRE_EVERY_SECONDS: Final = 1.0
AUDIT_EVERY_SECONDS: Final = 10.0


class RedisBroker:
    """One worker's access to the rooms in Redis.

    `redis` is for whoever else needs Redis in this process: `start` connects it, `stop` ends it.
    `scripts` are theirs. `intercom` hears on the same connections.
    """

    def __init__(  # noqa: PLR0913 - where, what kind of rooms, and how this worker is called
        self,
        address: RedisAddress,
        kind_of: Callable[[str], RoomKind],
        *,
        prefix: str = "paceline",
        worker_id: str | None = None,
        scripts: Sequence[Script] = (),
        expire_every_seconds: float = EXPIRE_EVERY_SECONDS,
        audit_every_seconds: float = AUDIT_EVERY_SECONDS,
        alive_seconds: float = ALIVE_SECONDS,
    ) -> None:
        self._kind_of = kind_of
        self._rooms = RedisRooms(kind_of, prefix)
        worker_id = worker_id or secrets.token_urlsafe(6)
        known = (*SCRIPTS, *sessions.SCRIPTS, *scripts)
        self.redis: Redis = redis_of(address, known, f"{prefix}:beat:{worker_id}", self)
        self.intercom = RedisIntercom(self.redis, worker_id, prefix)
        self._reads = Reads(self.redis, self._rooms)
        self._publisher = Publisher(self.redis, self._rooms)
        self._followings = Followings(self.redis, self._rooms, self._reads, self.intercom.heard)
        self._histories = Histories(self._reads, self._followings)
        self._presence = Presence(
            self.redis,
            self._rooms,
            worker_id,
            prefix,
            self._announce_departure,
            alive_seconds=alive_seconds,
        )
        self._expire_every_seconds = expire_every_seconds
        self._audit_every_seconds = audit_every_seconds
        # Who else wants to know that a server takes commands again, perhaps another one.
        self.when_back: list[Callable[[], None]] = []
        self._tasks: set[asyncio.Task[None]] = set()
        self._is_stopped = False
        # Told of each member whose departure this worker announces in the place of another one.
        self.on_departure: Callable[[str, Member], None] = lambda _room, _member: None

    # ---- the contract

    async def start(self, deliver: Deliver) -> None:
        """Connect; whoever asks before that is done is told that the broker is unavailable."""
        self._followings.start(deliver)
        await self.redis.start()
        for work in (
            self._presence.look_after_forever(),
            self._repeat_forever(self._followings.expire, self._expire_every_seconds),
            self._repeat_forever(self._followings.audit, self._audit_every_seconds),
        ):
            self._keep(asyncio.create_task(work))

    async def stop(self) -> None:
        """End; a second call does nothing."""
        if self._is_stopped:
            return
        self._is_stopped = True
        self._followings.stop()
        for task in list(self._tasks):
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task
        with contextlib.suppress(RedisAway, RedisRefused):
            await self._presence.withdraw()
        await self.redis.stop()

    def publish(self, draft: Draft, settle: Settle) -> None:
        """Accept a draft."""
        self._publisher.publish(draft, settle)

    async def follow(self, room: str) -> Cursor:
        """Begin deliveries of a room; return the place after which they go on."""
        async with _translated():
            return await self._followings.follow(self._rooms[room])

    async def unfollow(self, room: str) -> None:
        """End deliveries of a room."""
        self._followings.unfollow(self._rooms[room])

    async def cursor(self, room: str) -> Cursor:
        """The room's present place."""
        async with _translated():
            return await self._reads.head(self._rooms[room])

    async def history(self, room: str, since: Cursor) -> History | None:
        """Everything after `since`, or None."""
        async with _translated():
            return await self._histories.history(self._rooms[room], since)

    async def snapshot(self, room: str) -> Snapshot:
        """The room's last values and their place."""
        async with _translated():
            return await self._reads.snapshot(self._rooms[room])

    async def has_begun(self, room: str) -> bool:
        """Whether there is such a room."""
        async with _translated():
            return await self._reads.has_begun(self._rooms[room])

    async def enter(self, room: str, member: Member) -> bool:
        """Count a peer in."""
        async with _translated():
            return await self._presence.enter(room, member)

    async def leave(self, room: str, peer_id: str) -> bool:
        """Count a peer out."""
        async with _translated():
            return await self._presence.leave(room, peer_id)

    async def members(self, room: str) -> list[Member]:
        """Everybody who is in, on all workers."""
        async with _translated():
            return await self._presence.members(room)

    async def ping(self) -> None:
        """Return when a message has made its way through Redis within the last seconds."""
        if not self.redis.is_healthy:
            raise BrokerUnavailable(reason=_trouble_of(self.redis.shards))

    def pulse(self) -> BrokerPulse:
        """How this worker and Redis stand with each other."""
        shards = self.redis.shards
        return BrokerPulse(
            kind="redis",
            is_well=self.redis.is_healthy,
            silent_seconds=max((shard.silence_seconds for shard in shards), default=None),
            waiting=sum(shard.waiting for shard in shards),
        )

    # ---- from the connections

    def heard(self, messages: Sequence[Message]) -> None:
        """Pass it on."""
        self._followings.heard(messages)

    def dropped(self, shard: Shard, channel: bytes) -> None:
        """Pass it on."""
        self._followings.dropped(shard, channel)
        self.intercom.dropped(channel)

    def subscriber_up(self, shard: Shard) -> None:
        """Follow what was followed there."""
        self.intercom.listen()
        self._followings.subscriber_up(shard)

    def subscriber_down(self, shard: Shard) -> None:
        """Deliver nothing of it until it is whole again."""
        self.intercom.subscriber_down(shard)
        self._followings.subscriber_down(shard)

    def commands_up(self, shard: Shard) -> None:
        """Count members in again: another server may be there, or the same with less in it."""
        for hear in self.when_back:
            hear()
        self._keep(asyncio.create_task(self._enter_again(shard)))

    def moved(self) -> None:
        """Follow rooms where they are now."""
        self.intercom.listen()
        self._followings.moved()

    async def _enter_again(self, shard: Shard) -> None:
        with contextlib.suppress(RedisAway, RedisRefused):  # then it comes back once more
            await self._presence.enter_again(shard)

    # ---- the rest

    def _announce_departure(self, room: str, member: Member) -> None:
        if self._kind_of(room).presence:
            body = MemberLeft(room, member)
            self.publish(draft_of_event(room, "member-left", body, member.peer_id), _unanswered)
        self.on_departure(room, member)

    def _keep(self, task: asyncio.Task[None]) -> None:
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    @staticmethod
    async def _repeat_forever(work: Callable[[], object], every_seconds: float) -> None:
        while True:
            await asyncio.sleep(every_seconds)
            try:
                await work()  # type: ignore[misc]
            except (RedisAway, RedisRefused) as error:
                logger.debug("! not looked after", why=str(error))
            except Exception:  # it may be one room's fault, and the others are not to suffer for it
                logger.exception("! not looked after")


def _trouble_of(shards: Sequence[Shard]) -> str:
    silent = [shard for shard in shards if not shard.is_healthy]
    if not silent:
        return "no master is known" if not shards else "not every slot has a master"
    seconds = max(shard.silence_seconds for shard in silent)
    return f"{len(silent)} of {len(shards)} Redis masters not heard for {seconds:.1f} s"


@contextlib.asynccontextmanager
async def _translated() -> AsyncIterator[None]:
    try:
        yield
    except RedisAway as away:
        raise BrokerUnavailable(away.retry_after_ms) from away


def _unanswered(receipt: Receipt | BrokerUnavailable) -> None:
    if isinstance(receipt, BrokerUnavailable):
        logger.warning("! member event lost, the broker is unavailable")
