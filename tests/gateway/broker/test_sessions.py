"""The contract of sessions and intercom, over every backend; the numbers are the contract's."""

from __future__ import annotations

import asyncio
import contextlib
import secrets
import time
from collections.abc import AsyncIterator, Callable
from typing import NamedTuple

import pytest

from gateway.broker.memory_sessions import MemoryIntercom, MemorySessions
from gateway.broker.redis.broker import RedisBroker
from gateway.broker.redis.sessions import RedisSessions
from gateway.broker.sessions import Intercom, Record, Sessions
from gateway.settings import Settings
from gateway.settings.redis_url import address_of
from tests.gateway.broker.worker import PATIENCE_SECONDS, eventually
from tests.toolbox.redis_server import RedisServer

KEEP_SECONDS = 0.3
KEY = "key"


class Worker(NamedTuple):
    sessions: Sessions
    intercom: Intercom


@contextlib.asynccontextmanager
async def memory(_: RedisServer) -> AsyncIterator[list[Worker]]:
    sessions = MemorySessions(KEEP_SECONDS, time.monotonic)
    workers: dict[str, MemoryIntercom] = {}
    yield [Worker(sessions, MemoryIntercom(workers)) for _ in range(2)]


@contextlib.asynccontextmanager
async def redis(server: RedisServer) -> AsyncIterator[list[Worker]]:
    address, prefix = address_of(server.url), secrets.token_hex(4)
    brokers = [RedisBroker(address, Settings().kind_of, prefix=prefix) for _ in range(2)]
    for broker in brokers:
        await broker.start(lambda _deliveries: None)
    yield [
        Worker(RedisSessions(broker.redis, prefix, KEEP_SECONDS), broker.intercom)
        for broker in brokers
    ]
    for broker in brokers:
        await broker.stop()


@pytest.fixture(params=[memory, redis])
async def workers(
    request: pytest.FixtureRequest, redis_server: RedisServer
) -> AsyncIterator[list[Worker]]:
    async with request.param(redis_server) as workers:
        yield workers


def record(keeper: str = "w.1", **rooms: str) -> Record:
    return Record("peer", "ann", "subject ann", keeper, rooms)


async def test_1_what_was_saved_is_there_for_whoever_claims_it(workers: list[Worker]) -> None:
    here, there = workers
    assert await here.sessions.save([(KEY, record(paris="e.1.0000000a", lyon=""))]) == []

    claimed = await there.sessions.claim(KEY, "subject ann", "w.2")

    assert claimed == record(paris="e.1.0000000a", lyon="")
    assert list(claimed.rooms) == ["paris", "lyon"]


async def test_1_it_is_kept_from_the_last_save_on_and_no_longer(workers: list[Worker]) -> None:
    sessions = workers[0].sessions
    end = time.monotonic() + 2 * KEEP_SECONDS
    while time.monotonic() < end:
        assert await sessions.save([(KEY, record())]) == []
        await asyncio.sleep(KEEP_SECONDS / 10)
    assert await sessions.claim(KEY, "subject ann", "w.1") is not None
    async with asyncio.timeout(PATIENCE_SECONDS):
        await asyncio.sleep(KEEP_SECONDS * 1.2)

    assert await sessions.claim(KEY, "subject ann", "w.2") is None


async def test_2_nobody_but_its_holder_gets_it(workers: list[Worker]) -> None:
    here, there = workers
    await here.sessions.save([(KEY, record())])

    assert await there.sessions.claim(KEY, "subject ben", "w.2") is None
    assert await there.sessions.claim("another key", "subject ann", "w.2") is None
    assert await there.sessions.claim(KEY, "subject ann", "w.3") == record("w.1")


async def test_2_the_last_one_to_claim_it_has_it_alone(workers: list[Worker]) -> None:
    here, there = workers
    await here.sessions.save([(KEY, record("w.1"))])
    await there.sessions.claim(KEY, "subject ann", "w.2")

    assert await here.sessions.save([(KEY, record("w.1", paris=""))]) == ["w.1"]
    await here.sessions.end(KEY, "w.1")
    assert await there.sessions.claim(KEY, "subject ann", "w.3") == record("w.2")
    assert await there.sessions.save([(KEY, record("w.3", paris="e.2.0000000b"))]) == []
    assert await here.sessions.claim(KEY, "subject ann", "w.4") == record(
        "w.3", paris="e.2.0000000b"
    )


async def test_2_its_keeper_can_end_it(workers: list[Worker]) -> None:
    here, there = workers
    await here.sessions.save([(KEY, record("w.1"))])
    await here.sessions.end(KEY, "w.1")

    assert await there.sessions.claim(KEY, "subject ann", "w.2") is None
    await there.sessions.end("never was", "w.1")


async def test_3_many_are_saved_together(workers: list[Worker]) -> None:
    here, there = workers
    await here.sessions.save([("7", record("w.7"))])
    await there.sessions.claim("7", "subject ann", "w.8")
    entries = [(str(number), record(f"w.{number}", paris="")) for number in range(500)]

    assert await here.sessions.save(entries) == ["w.7"]
    assert await there.sessions.claim("499", "subject ann", "w.2") == record("w.499", paris="")


async def test_memory_holds_so_many_and_drops_the_longest_unsaved_first() -> None:
    sessions = MemorySessions(60.0, time.monotonic, sessions_limit=3)
    for key in ("a", "b", "c", "a", "d"):
        await sessions.save([(key, record())])

    assert len(sessions) == 3
    assert await sessions.claim("b", "subject ann", "w.2") is None
    assert await sessions.claim("a", "subject ann", "w.2") is not None


async def test_a_worker_is_told_what_is_for_it_and_nothing_else(workers: list[Worker]) -> None:
    here, there = workers
    heard: dict[str, list[bytes]] = {"here": [], "there": [], "other": []}
    here.intercom.hear("topic", heard["here"].append)
    there.intercom.hear("topic", heard["there"].append)
    there.intercom.hear("other", heard["other"].append)
    for message in (b"1", b"two words", b"\x00\xff"):
        here.intercom.tell(there.intercom.worker_id, "topic", message)
    here.intercom.tell(there.intercom.worker_id, "unheard of", b"lost")
    here.intercom.tell("a worker that never was", "topic", b"lost")
    here.intercom.tell(there.intercom.worker_id, "other", b"last")
    await eventually(lambda: heard["other"] == [b"last"])

    assert heard == {"here": [], "there": [b"1", b"two words", b"\x00\xff"], "other": [b"last"]}


async def test_a_message_that_breaks_its_reader_does_not_stop_the_next(
    workers: list[Worker],
) -> None:
    here, there = workers
    heard: list[bytes] = []

    def hear(message: bytes) -> None:
        heard.append(message)
        if message == b"poison":
            raise ValueError(message)

    there.intercom.hear("topic", hear)
    tell: Callable[[bytes], None] = lambda message: here.intercom.tell(  # noqa: E731 - an abbreviation
        there.intercom.worker_id, "topic", message
    )
    with contextlib.suppress(ValueError):  # within one process it is the teller's own
        tell(b"poison")
    tell(b"food")
    await eventually(lambda: heard == [b"poison", b"food"])


async def test_a_worker_hears_again_when_redis_was_away(redis_server: RedisServer) -> None:
    async with redis(redis_server) as (here, there):
        heard: list[bytes] = []
        there.intercom.hear("topic", heard.append)
        redis_server.restart()
        async with asyncio.timeout(PATIENCE_SECONDS):
            while not heard:
                here.intercom.tell(there.intercom.worker_id, "topic", b"back")
                await asyncio.sleep(0.02)
