"""The way in through Redis: a real one, and workers that come and go."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Sequence

import pytest

from gateway.broker.contract import BrokerUnavailable, Settle
from gateway.broker.redis.broker import RedisBroker
from gateway.feeds.ingest import Ingest
from gateway.hub import Hub
from gateway.metrics import Metrics
from gateway.redis.client import call
from gateway.redis.connection import pack
from gateway.rooms.publication import Draft
from gateway.settings import Settings
from gateway.settings.redis_url import address_of
from protocol.cursor import Cursor
from tests.gateway.broker.worker import eventually
from tests.gateway.recorded_peers import RecordedPeers
from tests.toolbox.redis_server import RedisServer

STREAM = "paceline:ingest"
PARKED = "{paceline:ingest}:parked"
ROOM = "city:paris"


class Reader:
    """One worker that reads the stream."""

    def __init__(self, url: str, name: str) -> None:
        settings = Settings()
        self.broker = RedisBroker(address_of(url), settings.kind_of)
        self.metrics = Metrics()
        self.hub = Hub(settings, self.broker, RecordedPeers())
        self.ingest = Ingest(self.broker.redis, self.hub, self.metrics, STREAM, name)
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        await self.hub.start()
        self._task = asyncio.create_task(self.ingest.run_forever())

    async def stop_reading(self) -> None:
        """In the middle of whatever it does, as a worker that dies."""
        assert self._task is not None
        self._task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await self._task

    async def stop(self) -> None:
        await self.stop_reading()
        await self.hub.stop()

    async def add(self, *fields: str) -> None:
        await call(self.broker.redis, STREAM.encode(), "XADD", STREAM, "*", *fields)

    async def add_together(self, *entries: Sequence[str]) -> None:
        """In a transaction: whoever reads any of them can read all."""
        words = [pack(("XADD", STREAM, "*", *fields)) for fields in entries]
        shard = self.broker.redis.shards[0]
        for command in (pack(("MULTI",)), *words):
            assert shard.send(command, lambda _reply: None)
        await shard.call("EXEC")

    async def length(self, stream: str) -> int:
        length: int = await call(self.broker.redis, STREAM.encode(), "XLEN", stream)
        return length

    async def pending(self) -> int:
        found = await call(self.broker.redis, STREAM.encode(), "XPENDING", STREAM, "paceline")
        return int(found[0])

    async def published(self, room: str = ROOM) -> list[object]:
        start = Cursor((await self.broker.cursor(room)).epoch, 0, 0)
        history = await self.broker.history(room, start)
        assert history is not None
        return [json.loads(each.payload)["n"] for each in history.publications]


@pytest.fixture
async def reader(redis_server: RedisServer) -> AsyncIterator[Reader]:
    reader = Reader(redis_server.url, "first")
    await reader.start()
    yield reader
    await reader.stop()


async def until_empty(reader: Reader) -> None:
    async with asyncio.timeout(15):
        while await reader.length(STREAM):  # noqa: ASYNC110 - Redis tells nobody that it is empty
            await asyncio.sleep(0.02)


async def until_settled(reader: Reader) -> None:
    async with asyncio.timeout(15):
        while await reader.pending():  # noqa: ASYNC110 - Redis tells nobody that all is settled
            await asyncio.sleep(0.02)


async def test_what_is_added_is_published_in_its_order_and_leaves_the_stream(
    reader: Reader,
) -> None:
    for number in range(50):
        await reader.add("room", ROOM, "event", "mark", "data", json.dumps({"n": number}))
    await until_empty(reader)
    assert await reader.published() == list(range(50))
    assert reader.metrics.ingested["published"] == 50


async def test_what_is_refused_for_a_while_is_not_overtaken_in_its_room(
    reader: Reader, monkeypatch: pytest.MonkeyPatch
) -> None:
    refused: list[Draft] = []

    def publish(draft: Draft, settle: Settle) -> None:
        if draft.room == ROOM and not refused:
            refused.append(draft)
            settle(BrokerUnavailable())
        else:
            reader.broker.publish(draft, settle)

    monkeypatch.setattr(reader.hub, "_publish", publish)
    await reader.add_together(
        *(
            ("room", room, "event", "mark", "data", f'{{"n": {n}}}')
            for n in range(5)
            for room in (ROOM, "elsewhere")
        )
    )
    await until_empty(reader)
    assert await reader.published() == await reader.published("elsewhere") == list(range(5))


async def test_what_can_never_be_published_is_parked_with_its_reason_and_holds_up_nobody(
    reader: Reader,
) -> None:
    await reader.add("room", ROOM, "event", "mark", "data", '{"n": NaN}')
    await reader.add("something", "else")
    await reader.add("room", ROOM, "event", "mark", "data", '{"n": 1}')
    await until_empty(reader)
    assert await reader.published() == [1]
    assert await reader.length(PARKED) == 2
    found = await call(reader.broker.redis, PARKED.encode(), "XRANGE", PARKED, "-", "+")
    assert b"MALFORMED" in found[0][1]
    assert b"something" in found[1][1]
    assert reader.metrics.ingested["parked"] == 2


async def test_a_room_that_redis_refuses_for_good_is_parked_and_holds_up_nobody(
    redis_server: RedisServer, reader: Reader
) -> None:
    redis_server.command("SET", "paceline:{spoilt}:head", "x")
    for number in range(3):
        await reader.add("room", "spoilt", "event", "mark", "data", json.dumps({"n": number}))
    await reader.add("room", ROOM, "event", "mark", "data", '{"n": 1}')
    await until_empty(reader)
    await until_settled(reader)
    assert await reader.published() == [1]
    found = await call(reader.broker.redis, PARKED.encode(), "XRANGE", PARKED, "-", "+")
    assert [json.loads(fields[-1])["n"] for _, fields in found] == [0, 1, 2]
    assert all(b"UNAVAILABLE" in fields for _, fields in found)
    assert all(any(b"WRONGTYPE" in each for each in fields) for _, fields in found)


async def test_what_does_not_need_the_spoilt_key_is_published_in_its_order(
    redis_server: RedisServer, reader: Reader
) -> None:
    await reader.add("room", ROOM, "event", "mark", "data", '{"n": "the room has begun"}')
    await until_empty(reader)
    redis_server.command("SET", f"paceline:{{{ROOM}}}:values", "x")
    await reader.add_together(
        *(
            fields
            for number in range(4)
            for fields in (
                ("room", ROOM, "data", json.dumps({"bike_id": "7", "n": -number})),
                ("room", ROOM, "event", "mark", "data", json.dumps({"n": number})),
            )
        )
    )
    await until_empty(reader)
    assert await reader.published() == ["the room has begun", *range(4)]
    assert await reader.length(PARKED) == 4


async def test_a_gateway_that_may_do_nothing_parks_nothing(
    redis_server: RedisServer, reader: Reader
) -> None:
    redis_server.command("ACL", "SETUSER", "default", "-hmget")  # which the script needs
    try:
        await reader.add("room", ROOM, "event", "mark", "data", '{"n": 1}')
        await reader.add("room", ROOM, "event", "mark", "data", '{"n": 2}')
        await eventually(lambda: reader.metrics.ingested["unavailable"] > 2)
    finally:
        redis_server.command("ACL", "SETUSER", "default", "+hmget")
    await until_empty(reader)
    assert await reader.published() == [1, 2]
    assert await reader.length(PARKED) == 0


async def test_a_room_that_is_away_waits_alone_and_keeps_its_order(
    redis_server: RedisServer, reader: Reader, monkeypatch: pytest.MonkeyPatch
) -> None:
    def publish(draft: Draft, settle: Settle) -> None:
        if draft.room == ROOM:
            settle(BrokerUnavailable())
        else:
            reader.broker.publish(draft, settle)

    monkeypatch.setattr(reader.hub, "_publish", publish)
    for number in range(20):
        for room in (ROOM, "elsewhere"):
            await reader.add("room", room, "event", "mark", "data", json.dumps({"n": number}))
    await eventually(lambda: reader.metrics.ingested["published"] == 20)
    assert await reader.published("elsewhere") == list(range(20))
    assert await reader.length(STREAM) == await reader.pending() == 20

    await reader.stop_reading()
    heir = Reader(redis_server.url, "second")
    await heir.start()
    await reader.add("room", ROOM, "event", "mark", "data", '{"n": 20}')
    await until_empty(heir)
    assert await heir.published() == list(range(21))
    await heir.stop()


async def test_a_room_that_comes_back_goes_on_where_it_was(
    reader: Reader, monkeypatch: pytest.MonkeyPatch
) -> None:
    is_away = True

    def publish(draft: Draft, settle: Settle) -> None:
        if is_away:
            settle(BrokerUnavailable())
        else:
            reader.broker.publish(draft, settle)

    monkeypatch.setattr(reader.hub, "_publish", publish)
    for number in range(700):  # more than are tried at once
        await reader.add("room", ROOM, "event", "mark", "data", json.dumps({"n": number}))
    await eventually(lambda: reader.metrics.ingested["unavailable"] > 0)
    is_away = False
    await until_empty(reader)
    assert await reader.published() == list(range(700))


async def test_another_worker_goes_on_where_one_has_died_and_nothing_is_published_twice(
    redis_server: RedisServer, reader: Reader
) -> None:
    heir = Reader(redis_server.url, "second")
    await heir.start()
    for number in range(200):
        await reader.add("room", ROOM, "event", "mark", "data", json.dumps({"n": number}))
        if number == 100:
            await eventually(lambda: reader.metrics.ingested["published"] > 0)
            await reader.stop_reading()
    await until_empty(heir)
    assert await heir.published() == list(range(200))
    await heir.stop()


@pytest.mark.parametrize("step", ["xack", "xdel"])
async def test_whoever_is_stopped_halfway_leaves_nothing_behind(
    redis_server: RedisServer, reader: Reader, step: str
) -> None:
    redis_server.command("ACL", "SETUSER", "default", f"-{step}")
    try:
        await reader.add("room", ROOM, "event", "mark", "data", '{"n": 1}')
        await eventually(lambda: reader.metrics.ingested["published"] > 0)
        await reader.stop_reading()
    finally:
        redis_server.command("ACL", "SETUSER", "default", f"+{step}")
    heir = Reader(redis_server.url, "second")
    await heir.start()
    await until_empty(heir)
    await until_settled(heir)
    assert await heir.published() == [1]
    await heir.stop()


async def test_a_redis_that_is_away_for_a_while_loses_nothing(
    redis_server: RedisServer, reader: Reader
) -> None:
    await reader.add("room", ROOM, "event", "mark", "data", '{"n": 1}')
    redis_server.pause()
    await asyncio.sleep(2)
    redis_server.resume()
    async with asyncio.timeout(15):
        while True:
            with contextlib.suppress(Exception):
                if await reader.published() == [1] and not await reader.length(STREAM):
                    return
            await asyncio.sleep(0.05)
