"""A crowd that comes back, over a real Redis that counts what it is asked."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from functools import partial

import msgspec
import pytest

from gateway.broker.contract import History
from gateway.broker.redis.broker import RedisBroker
from protocol.cursor import Cursor
from tests.gateway.broker.redis.workers import workers_over
from tests.gateway.broker.worker import Worker, eventually
from tests.gateway.rooms.drafts import ROOM, event
from tests.toolbox.redis_server import RedisServer

CROWD = 100


@pytest.fixture
async def workers(redis_server: RedisServer) -> AsyncIterator[list[Worker]]:
    async with workers_over(redis_server.url, 2, expire_every_seconds=60.0) as both:
        yield both


def evaluations(server: RedisServer) -> int:
    return int(server.info("commandstats").get("cmdstat_evalsha", {}).get("calls", 0))


def offsets_of(history: History | None) -> list[int]:
    assert history is not None
    return [publication.offset for publication in history.publications]


def has_heard(worker: Worker, count: int) -> bool:
    return len(worker.delivered()) == count


async def test_a_crowd_that_comes_one_by_one_is_answered_without_redis(
    workers: list[Worker], redis_server: RedisServer
) -> None:
    worker, other = workers
    places = [(await other.publish(event(n))).cursor for n in range(20)]
    await worker.broker.follow(ROOM)
    before, published = evaluations(redis_server), 0

    for number in range(CROWD):
        if number % 10 == 9:  # and the room goes on
            await other.publish(event(f"later {number}"))
            published += 1
            await eventually(partial(has_heard, worker, published))
        since = places[number % len(places)]
        history = await worker.broker.history(ROOM, since)
        assert offsets_of(history) == [*range(since.offset + 1, 21 + published)]
        assert await worker.broker.follow(ROOM) == (history and history.cursor)

    assert evaluations(redis_server) - before - published <= 3


async def test_whoever_was_further_elsewhere_is_answered_by_redis(workers: list[Worker]) -> None:
    worker, other = workers
    first = (await other.publish(event(1))).cursor
    await worker.broker.follow(ROOM)
    await worker.broker.history(ROOM, first)

    # Nothing can have been heard of it here yet: the loop has not had a turn.
    last = (await other.publish(event(2))).cursor
    histories = await asyncio.gather(*(worker.broker.history(ROOM, last) for _ in range(3)))

    assert [history and history.cursor for history in histories] == [last] * 3


@pytest.mark.parametrize("is_repeated", [True, False])
async def test_what_was_acknowledged_here_is_in_it_before_it_was_heard(
    workers: list[Worker], *, is_repeated: bool
) -> None:
    worker, _ = workers
    draft = msgspec.structs.replace(event(1), idempotency_key="key")
    first = (await worker.publish(draft)).cursor
    await worker.broker.follow(ROOM)
    await worker.broker.history(ROOM, first)
    assert isinstance(worker.broker, RedisBroker)
    subscriber = worker.broker.redis.shards[0].subscriber
    assert subscriber is not None
    assert subscriber._transport is not None  # noqa: SLF001 - messages are late
    subscriber._transport.pause_reading()  # noqa: SLF001
    last = (await worker.publish(event(2))).cursor
    if is_repeated:
        assert (await worker.publish(draft)).cursor == first

    history = await worker.broker.history(ROOM, first)

    assert history is not None
    assert history.cursor == last


async def test_of_another_history_nothing_is_told(workers: list[Worker]) -> None:
    worker, other = workers
    place = (await other.publish(event(1))).cursor
    await worker.broker.follow(ROOM)
    await worker.broker.history(ROOM, place)

    assert await worker.broker.history(ROOM, Cursor(place.epoch, place.offset, 7)) is None
    assert await worker.broker.history(ROOM, Cursor("other", place.offset, place.proof)) is None
