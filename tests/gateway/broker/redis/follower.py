"""This module owns followings over a real Redis, behind a line that tests can spoil."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Any, Final, TypeVar

from gateway.broker.contract import Delivery, Interrupted
from gateway.broker.redis.followings import Followings
from gateway.broker.redis.reads import Log, Reads
from gateway.broker.redis.rooms import SCRIPTS, RedisRoom, RedisRooms
from gateway.redis.client import redis_of
from gateway.redis.errors import RedisAway
from gateway.redis.shard import Shard
from gateway.redis.subscriber import Message
from gateway.settings import RoomKind
from gateway.settings.redis_url import address_of
from protocol.cursor import Cursor
from tests.gateway.broker.redis.workers import PREFIX, text_of
from tests.gateway.broker.worker import Worker, eventually
from tests.gateway.rooms.drafts import ROOM, event

HELD_LIMIT: Final = 10
KIND: Final = RoomKind(history_length=100)

Answer = TypeVar("Answer")
Mangle = Callable[[Sequence[Message]], Sequence[Message]]


class HeldUpReads(Reads):
    """Reads that the test holds up, or lets fail."""

    def __init__(self, *arguments: Any) -> None:  # noqa: ANN401
        super().__init__(*arguments)
        self.may_answer = asyncio.Event()
        self.may_answer.set()
        self.failures = 0

    async def head(self, room: RedisRoom) -> Cursor:
        await self.may_answer.wait()
        if self.failures:
            self.failures -= 1
            raise RedisAway("as the test wants it")
        return await super().head(room)

    async def log(self, room: RedisRoom, offset: int) -> Log:
        await self.may_answer.wait()
        return await super().log(room, offset)


class LateReads(Reads):
    """Reads whose answers are long on their way."""

    def __init__(self, *arguments: Any) -> None:  # noqa: ANN401
        super().__init__(*arguments)
        self.may_arrive = asyncio.Event()
        self.may_arrive.set()
        self.sent = 0

    async def head(self, room: RedisRoom) -> Cursor:
        return await self._brought(await super().head(room))

    async def log(self, room: RedisRoom, offset: int) -> Log:
        return await self._brought(await super().log(room, offset))

    async def _brought(self, answer: Answer) -> Answer:
        self.sent += 1
        await self.may_arrive.wait()
        return answer


class Follower:
    """Followings over a real Redis, behind a line that the test can spoil."""

    def __init__(self, url: str, reads: type[Reads] = HeldUpReads) -> None:
        self.deliveries: list[Delivery] = []
        self.mangle: Mangle = lambda messages: messages
        self.to_lose = 0  # so many of the next announcements
        self.ups = 0
        rooms = RedisRooms(lambda _: KIND, PREFIX)
        self.room = rooms[ROOM]
        self.redis = redis_of(address_of(url), SCRIPTS, "beat", self)
        self.reads: Any = reads(self.redis, rooms)
        self.followings = Followings(
            self.redis, rooms, self.reads, lambda *_: None, held_limit=HELD_LIMIT
        )
        self.followings.start(self.deliveries.extend)

    @property
    def story(self) -> list[str]:
        return [
            f"! {each.reason}" if isinstance(each, Interrupted) else text_of(each)
            for each in self.deliveries
        ]

    def heard(self, messages: Sequence[Message]) -> None:
        passed = []
        for channel, data in messages:
            if channel == self.room.channel and self.to_lose:
                self.to_lose -= 1
            else:
                passed.append((channel, data))
        self.followings.heard(self.mangle(passed))

    async def lose(self, publisher: Worker, *texts: str) -> None:
        """Publish what is not heard here; return when it has not been."""
        self.to_lose = len(texts)
        await publish(publisher, *texts)
        await eventually(lambda: self.to_lose == 0)

    def dropped(self, shard: Shard, channel: bytes) -> None:
        self.followings.dropped(shard, channel)

    def subscriber_up(self, shard: Shard) -> None:
        self.ups += 1
        self.followings.subscriber_up(shard)

    def subscriber_down(self, shard: Shard) -> None:
        self.followings.subscriber_down(shard)

    def commands_up(self, _shard: Shard) -> None:
        """Nobody is counted here."""

    def moved(self) -> None:
        self.followings.moved()


async def publish(publisher: Worker, *texts: str) -> None:
    await asyncio.gather(*(publisher.publish(event(text)) for text in texts))
