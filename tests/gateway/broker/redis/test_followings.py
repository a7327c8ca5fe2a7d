from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator, Sequence
from random import Random

import pytest
import redis as redis_py
import structlog

from gateway.broker.contract import BrokerUnavailable, Interrupted
from gateway.broker.redis import announcement
from gateway.broker.redis import followings as followings_module
from gateway.broker.redis.followings import LOST
from gateway.redis.subscriber import Message
from gateway.settings import RoomKind
from tests.gateway.broker.redis.follower import HELD_LIMIT, KIND, Follower, LateReads, publish
from tests.gateway.broker.redis.workers import text_of, workers_over
from tests.gateway.broker.worker import Worker, eventually
from tests.gateway.rooms.drafts import ROOM, event
from tests.toolbox.redis_server import RedisServer


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


@pytest.fixture
async def late(redis_server: RedisServer) -> AsyncIterator[Follower]:
    follower = Follower(redis_server.url, LateReads)
    await follower.redis.start()
    yield follower
    follower.followings.stop()
    await follower.redis.stop()


async def lose_the_line(follower: Follower, publisher: Worker, text: str) -> None:
    """Publish while nobody hears it; return when the room is subscribed to again."""
    (shard,) = follower.redis.shards
    assert shard.subscriber is not None
    ups = follower.ups
    shard.subscriber.abort()
    follower.to_lose = 1  # should it be connected anew before this is published
    await publish(publisher, text)
    await eventually(lambda: follower.ups == ups + 1)
    await eventually(
        lambda: (
            (following := follower.followings.following_of(follower.room)) is not None
            and following.shard is not None
        )
    )
    follower.to_lose = 0


async def test_a_log_that_was_read_before_the_line_was_lost_is_read_again(
    late: Follower, publisher: Worker
) -> None:
    await late.followings.follow(late.room)
    late.reads.may_arrive.clear()
    sent = late.reads.sent
    await late.lose(publisher, "a")
    await publish(publisher, "b")
    await eventually(lambda: late.reads.sent > sent)
    await lose_the_line(late, publisher, "c")

    late.reads.may_arrive.set()

    await eventually(lambda: late.story == ["a", "b", "c"])


async def test_where_to_begin_is_read_before_the_line_is_lost_and_nothing_is_missed(
    late: Follower, publisher: Worker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(followings_module, "_FOLLOW_TIMEOUT_SECONDS", 60.0)
    late.reads.may_arrive.clear()
    joining = asyncio.create_task(late.followings.follow(late.room))
    await eventually(lambda: late.reads.sent == 1)
    await lose_the_line(late, publisher, "a")

    late.reads.may_arrive.set()

    assert (await joining).offset == 0
    await eventually(lambda: late.story == ["a"])


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
