from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from random import Random
from typing import Any, Final

import pytest
import redis as redis_py
import structlog

from gateway.broker.contract import BrokerUnavailable, Delivery, Interrupted
from gateway.broker.redis import announcement
from gateway.broker.redis.followings import LOST, Followings
from gateway.broker.redis.reads import Log, Reads
from gateway.broker.redis.rooms import SCRIPTS, RedisRoom, RedisRooms
from gateway.redis.client import redis_of
from gateway.redis.errors import RedisAway
from gateway.redis.shard import Shard
from gateway.redis.subscriber import Message
from gateway.settings import RoomKind
from gateway.settings.redis_url import address_of
from protocol.cursor import Cursor
from tests.gateway.broker.redis.workers import PREFIX, text_of, workers_over
from tests.gateway.broker.worker import Worker, eventually
from tests.gateway.rooms.drafts import ROOM, event
from tests.toolbox.redis_server import RedisServer

HELD_LIMIT: Final = 10
KIND: Final = RoomKind(history_length=100)

Mangle = Callable[[Sequence[Message]], Sequence[Message]]


class HeldUpReads(Reads):
    """Reads that the test holds up, or lets fail."""

    def __init__(self, *arguments: Any) -> None:  # noqa: ANN401
        super().__init__(*arguments)
        self.may_answer = asyncio.Event()
        self.may_answer.set()
        self.may_arrive = asyncio.Event()  # what was answered already
        self.may_arrive.set()
        self.answers = 0
        self.failures = 0

    async def head(self, room: RedisRoom) -> Cursor:
        await self.may_answer.wait()
        if self.failures:
            self.failures -= 1
            raise RedisAway("as the test wants it")
        head = await super().head(room)
        self.answers += 1
        await self.may_arrive.wait()
        return head

    async def log(self, room: RedisRoom, offset: int) -> Log:
        await self.may_answer.wait()
        log = await super().log(room, offset)
        self.answers += 1
        await self.may_arrive.wait()
        return log


class Follower:
    """Followings over a real Redis, behind a line that the test can spoil."""

    def __init__(self, url: str) -> None:
        self.deliveries: list[Delivery] = []
        self.mangle: Mangle = lambda messages: messages
        self.to_lose = 0  # so many of the next announcements
        self.ups = 0
        rooms = RedisRooms(lambda _: KIND, PREFIX)
        self.room = rooms[ROOM]
        self.redis = redis_of(address_of(url), SCRIPTS, "beat", self)
        self.reads = HeldUpReads(self.redis, rooms)
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


@pytest.fixture
async def follower(redis_server: RedisServer) -> AsyncIterator[Follower]:
    follower = Follower(redis_server.url)
    await follower.redis.start()
    yield follower
    follower.followings.stop()
    await follower.redis.stop()


@pytest.fixture
async def publisher(redis_server: RedisServer) -> AsyncIterator[Worker]:
    async with workers_over(redis_server.url, 1, KIND) as (worker,):
        yield worker


@pytest.fixture
def server(redis_server: RedisServer) -> Iterator[redis_py.Redis]:
    client = redis_py.Redis(port=redis_server.port)
    yield client
    client.close()


async def publish(publisher: Worker, *texts: str) -> None:
    await asyncio.gather(*(publisher.publish(event(text)) for text in texts))


def announced(epoch: str, offset: int, before: int, proof: int) -> bytes:
    """An announcement as a gateway makes it, of something that was never published."""
    draft = event("forged")
    meta = announcement.meta_of(draft, "")
    line = f"{epoch} {offset} {before} {proof} {len(meta)}\n".encode()
    return line + meta + draft.packet


async def test_a_lost_announcement_is_read_from_the_log_before_what_comes_after(
    follower: Follower, publisher: Worker
) -> None:
    await follower.followings.follow(follower.room)
    await publish(publisher, "a")
    await eventually(lambda: follower.story == ["a"])
    await follower.lose(publisher, "b", "c")

    await publish(publisher, "d")

    await eventually(lambda: len(follower.story) >= 4)
    assert follower.story == ["a", "b", "c", "d"]


async def test_a_spoilt_line_spoils_nothing(follower: Follower, publisher: Worker) -> None:
    """Everything at once: lost, doubled, reordered and poisoned messages, by seeded dice."""
    dice = Random(7)  # noqa: S311 - a seed, not a secret
    forged = announced("elsewhere", 3, 1, 2), announced("elsewhere", 10**9, 1, 2), b"poison"

    def mangle(messages: Sequence[Message]) -> Sequence[Message]:
        spoilt = [each for each in messages for _ in range(dice.choice((0, 1, 1, 1, 2)))]
        if dice.random() < 0.3:
            dice.shuffle(spoilt)
        if dice.random() < 0.2:
            spoilt.insert(0, (follower.room.channel, dice.choice(forged)))
        return spoilt

    await follower.followings.follow(follower.room)
    follower.mangle = mangle
    for number in range(60):
        await publish(publisher, *(f"{number}.{part}" for part in range(dice.randint(1, 8))))
    follower.mangle = lambda messages: messages
    await publish(publisher, "end")

    await eventually(lambda: follower.story[-1:] == ["end"])
    head = await publisher.broker.cursor(ROOM)
    assert len(follower.story) == head.offset
    assert len(set(follower.story)) == head.offset
    offsets = [each.offset for each in follower.deliveries if not isinstance(each, Interrupted)]
    assert offsets == list(range(1, head.offset + 1))


async def test_the_last_one_lost_is_found_by_the_audit(
    follower: Follower, publisher: Worker
) -> None:
    await follower.followings.follow(follower.room)
    await follower.lose(publisher, "a")
    assert follower.story == []

    await follower.followings.audit()

    await eventually(lambda: follower.story == ["a"])
    await follower.followings.audit()
    await publish(publisher, "b")
    await eventually(lambda: follower.story == ["a", "b"])


@pytest.mark.parametrize(
    "forged",
    [
        announced("elsewhere", 1, 0, 9),
        announced("elsewhere", 10**15, 0, 9),
        b"poison",
        b"",
        b"\xff" * 1000,
    ],
)
async def test_a_forged_announcement_is_delivered_to_nobody_and_holds_nobody_up(
    follower: Follower, publisher: Worker, server: redis_py.Redis, forged: bytes
) -> None:
    await follower.followings.follow(follower.room)
    await publish(publisher, "a")

    with structlog.testing.capture_logs() as lines:
        server.spublish(follower.room.channel, forged)
        await publish(publisher, "b")
        await eventually(lambda: len(follower.story) >= 2)

    assert follower.story == ["a", "b"]
    assert len(lines) <= 1
    before = server.info("commandstats")["cmdstat_evalsha"]["calls"]
    await asyncio.sleep(0.2)
    assert server.info("commandstats")["cmdstat_evalsha"]["calls"] - before < 3, "nobody spins"


async def test_what_the_log_has_no_more_is_told_as_lost(
    follower: Follower, publisher: Worker
) -> None:
    await follower.followings.follow(follower.room)
    await publish(publisher, "a")
    await eventually(lambda: follower.story == ["a"])
    await follower.lose(publisher, *map(str, range(KIND.history_length + 1)))

    await publish(publisher, "b")  # the interruption stands behind it

    await eventually(lambda: follower.story == ["a", f"! {LOST}"])
    await publish(publisher, "c")
    await eventually(lambda: follower.story == ["a", f"! {LOST}", "c"])


async def test_while_a_log_is_read_what_arrives_is_held_and_no_more_than_a_bound_of_it(
    follower: Follower, publisher: Worker
) -> None:
    await follower.followings.follow(follower.room)
    follower.reads.may_answer.clear()
    await follower.lose(publisher, "lost")
    held = [str(number) for number in range(3 * HELD_LIMIT)]

    for text in held:
        await publish(publisher, text)
    assert follower.story == []
    following = follower.followings.following_of(follower.room)
    assert following is not None
    assert following.held is not None
    assert len(following.held) <= HELD_LIMIT
    follower.reads.may_answer.set()

    await eventually(lambda: len(follower.story) > len(held))
    assert follower.story == ["lost", *held]


async def test_a_subscriber_lost_while_a_room_begins_to_be_followed_loses_nothing(
    follower: Follower, publisher: Worker, server: redis_py.Redis
) -> None:
    follower.reads.may_answer.clear()
    begun = asyncio.create_task(follower.followings.follow(follower.room))
    await eventually(lambda: bool(server.pubsub_shardchannels(follower.room.channel)))
    server.client_kill_filter(_type="pubsub")
    await eventually(lambda: follower.ups == 2)
    await eventually(lambda: bool(server.pubsub_shardchannels(follower.room.channel)))
    follower.reads.may_answer.set()

    assert (await begun).offset == 0
    await publish(publisher, "a")

    await eventually(lambda: follower.story == ["a"])


@pytest.mark.parametrize("is_begun", [True, False])
async def test_what_is_published_between_an_answer_and_another_subscriber_is_not_waited_for(
    follower: Follower, publisher: Worker, server: redis_py.Redis, *, is_begun: bool
) -> None:
    if is_begun:
        await follower.followings.follow(follower.room)
    follower.reads.may_arrive.clear()
    answers = follower.reads.answers
    if is_begun:
        await follower.lose(publisher, "a")
        await publish(publisher, "b")
    begun = asyncio.create_task(follower.followings.follow(follower.room))
    await eventually(lambda: follower.reads.answers > answers)
    server.client_kill_filter(_type="pubsub")
    await publish(publisher, "unheard")
    await eventually(lambda: follower.ups == 2)
    await eventually(lambda: bool(server.pubsub_shardchannels(follower.room.channel)))
    follower.reads.may_arrive.set()
    await begun

    # Nothing else is published: a hole that shows itself only then would stay for as long.
    await eventually(lambda: follower.story[-1:] == ["unheard"])


async def test_who_asks_to_follow_with_another_that_gives_up_is_told(
    follower: Follower,
) -> None:
    follower.reads.may_answer.clear()
    follower.reads.failures = 1
    both = [asyncio.create_task(follower.followings.follow(follower.room)) for _ in range(2)]
    await asyncio.sleep(0.05)
    follower.reads.may_answer.set()

    answers = await asyncio.gather(*both, return_exceptions=True)

    assert [type(answer) for answer in answers] == [BrokerUnavailable] * 2
    assert follower.room not in follower.followings
    await follower.followings.follow(follower.room)
    assert follower.room in follower.followings


async def test_a_room_that_is_not_followed_any_more_costs_nothing(
    follower: Follower, publisher: Worker, server: redis_py.Redis
) -> None:
    await follower.followings.follow(follower.room)
    follower.followings.unfollow(follower.room)
    await eventually(lambda: not server.pubsub_shardchannels(follower.room.channel))

    await publish(publisher, "a")
    await follower.followings.follow(follower.room)
    await publish(publisher, "b")

    await eventually(lambda: follower.story == ["b"])


async def test_subscriptions_that_are_killed_under_load_lose_nothing_and_double_nothing(
    redis_server: RedisServer, server: redis_py.Redis
) -> None:
    texts = [str(number) for number in range(400)]
    async with workers_over(redis_server.url, 2, RoomKind(history_length=1000)) as workers:
        for worker in workers:
            await worker.broker.follow(ROOM)
        for count, text in enumerate(texts):
            await workers[count % 2].publish(event(text))
            if count % 50 == 25:
                server.client_kill_filter(_type="pubsub")
        await workers[0].publish(event("end"))

        for worker in workers:
            await eventually(lambda worker=worker: len(worker.deliveries) > len(texts))  # type: ignore[misc]
            assert [text_of(each) for each in worker.delivered()] == [*texts, "end"]
