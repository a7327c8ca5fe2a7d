"""The contract of lockers, over every backend; the numbers are the contract's."""

from __future__ import annotations

import asyncio
import contextlib
import secrets
import time
from collections.abc import AsyncIterator

import pytest

from gateway.broker.lockers import Lockers
from gateway.broker.memory_lockers import MemoryLockers
from gateway.broker.redis.broker import RedisBroker
from gateway.broker.redis.lockers import RedisLockers
from gateway.settings import Settings
from gateway.settings.redis_url import address_of
from tests.toolbox.redis_server import RedisServer

KEY = "ticket:1"
LONG_SECONDS = 60


@contextlib.asynccontextmanager
async def memory(_: pytest.FixtureRequest) -> AsyncIterator[list[Lockers]]:
    lockers = MemoryLockers(time.monotonic)
    yield [lockers, lockers]


@contextlib.asynccontextmanager
async def redis(request: pytest.FixtureRequest) -> AsyncIterator[list[Lockers]]:
    server: RedisServer = request.getfixturevalue("redis_server")
    address, prefix = address_of(server.url), secrets.token_hex(4)
    brokers = [RedisBroker(address, Settings().kind_of, prefix=prefix) for _ in range(2)]
    for broker in brokers:
        await broker.start(lambda _deliveries: None)
    yield [RedisLockers(broker.redis, prefix) for broker in brokers]
    for broker in brokers:
        await broker.stop()


@pytest.fixture(params=[memory, redis])
async def workers(request: pytest.FixtureRequest) -> AsyncIterator[list[Lockers]]:
    async with request.param(request) as workers:
        yield workers


async def test_1_what_was_put_is_there_for_every_worker(workers: list[Lockers]) -> None:
    here, there = workers
    await here.put(KEY, b"\x00value", LONG_SECONDS)
    assert await there.look(KEY) == b"\x00value"
    assert await here.look(KEY) == b"\x00value"
    assert await here.look("ticket:2") is None


async def test_1_and_only_until_its_time_is_over(workers: list[Lockers]) -> None:
    here, there = workers
    await here.put(KEY, b"value", 0.05)
    async with asyncio.timeout(15):
        while await there.look(KEY) is not None:  # noqa: ASYNC110 - time passes, nobody tells
            await asyncio.sleep(0.01)
    assert await there.take(KEY) is None


async def test_2_it_is_taken_once(workers: list[Lockers]) -> None:
    await workers[0].put(KEY, b"value", LONG_SECONDS)
    found = await asyncio.gather(*(worker.take(KEY) for worker in workers * 5))
    assert sorted(found, key=bool) == [None] * 9 + [b"value"]
    assert await workers[0].look(KEY) is None


async def test_3_putting_again_takes_its_place(workers: list[Lockers]) -> None:
    here, there = workers
    await here.put(KEY, b"older", LONG_SECONDS)
    await there.put(KEY, b"newer", LONG_SECONDS)
    assert await here.take(KEY) == b"newer"


async def test_memory_has_an_end() -> None:
    now = 0.0
    lockers = MemoryLockers(lambda: now, lockers_limit=2)
    await lockers.put("a", b"a", 10)
    await lockers.put("b", b"b", 1)
    now = 5.0
    await lockers.put("c", b"c", 10)  # in the place of what is over
    assert [await lockers.look(key) for key in "abc"] == [b"a", None, b"c"]
    await lockers.put("d", b"d", 10)
    assert [await lockers.look(key) for key in "acd"] == [None, b"c", b"d"]
    assert len(lockers) == 2
