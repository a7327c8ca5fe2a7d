from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest
import redis
import structlog

from gateway.broker.contract import BrokerUnavailable
from gateway.broker.redis import reads
from gateway.broker.redis.broker import RedisBroker
from tests.gateway.broker.redis.workers import workers_over
from tests.gateway.broker.worker import Worker
from tests.gateway.rooms.drafts import ROOM, event, update
from tests.toolbox.redis_server import RedisServer

CROWD = 500


@pytest.fixture
async def worker(redis_server: RedisServer) -> AsyncIterator[Worker]:
    async with workers_over(redis_server.url, 1, expire_every_seconds=60.0) as (one,):
        yield one


def evaluations(server: RedisServer) -> int:
    return int(server.info("commandstats").get("cmdstat_evalsha", {}).get("calls", 0))


@pytest.mark.parametrize("question", ["history", "snapshot", "cursor"])
async def test_a_crowd_that_asks_at_once_costs_two_calls_at_most(
    worker: Worker, redis_server: RedisServer, question: str
) -> None:
    start = await worker.broker.cursor(ROOM)
    await worker.publish_all(update(f"b{n}") for n in range(5))
    before = evaluations(redis_server)

    if question == "history":
        answers = await asyncio.gather(*(worker.broker.history(ROOM, start) for _ in range(CROWD)))
        assert all(each is not None and len(each.publications) == 5 for each in answers)
    elif question == "snapshot":
        snapshots = await asyncio.gather(*(worker.broker.snapshot(ROOM) for _ in range(CROWD)))
        assert all(each.values.count(b"vehicle_id") == 5 for each in snapshots)
    else:
        cursors = await asyncio.gather(*(worker.broker.cursor(ROOM) for _ in range(CROWD)))
        assert {each.offset for each in cursors} == {5}

    assert evaluations(redis_server) - before <= 2


async def test_different_places_are_answered_from_one_read(
    worker: Worker, redis_server: RedisServer
) -> None:
    places = [await worker.broker.cursor(ROOM)]
    places += [(await worker.publish(event(str(n)))).cursor for n in range(20)]
    before = evaluations(redis_server)

    answers = await asyncio.gather(*(worker.broker.history(ROOM, place) for place in places))

    assert [len(each.publications) for each in answers if each is not None] == [*range(20, -1, -1)]
    assert evaluations(redis_server) - before <= 2


async def test_an_answer_is_never_older_than_its_question(worker: Worker) -> None:
    """Each question is asked while the read for an earlier one is under way."""
    questions: list[tuple[int, asyncio.Task[int]]] = []

    async def place() -> int:
        return (await worker.broker.cursor(ROOM)).offset

    async def size() -> int:
        return (await worker.broker.snapshot(ROOM)).cursor.offset

    for number in range(60):
        receipt = await worker.publish(event(str(number)))
        for ask in (place, size):
            questions.append((receipt.cursor.offset, asyncio.create_task(ask())))
            await asyncio.sleep(0)

    for offset, answer in questions:
        assert await answer >= offset


async def test_a_snapshot_that_is_known_is_not_sent_again(
    worker: Worker, redis_server: RedisServer
) -> None:
    await worker.publish(update("b1", {"note": "x" * 10_000}))
    first = await worker.broker.snapshot(ROOM)
    sent_before = redis_server.info("stats")["total_net_output_bytes"]

    again = await worker.broker.snapshot(ROOM)

    assert again == first
    assert redis_server.info("stats")["total_net_output_bytes"] - sent_before < 10_000
    await worker.publish(update("b1", {"note": "y"}))
    assert b'"y"' in (await worker.broker.snapshot(ROOM)).values


async def test_snapshots_of_rooms_with_nothing_in_them_are_bounded_too(
    worker: Worker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reads, "_KNOWN_LIMIT_BYTES", 10_000)
    assert isinstance(worker.broker, RedisBroker)

    for number in range(100):
        await worker.broker.snapshot(f"room {number}")

    assert 0 < len(worker.broker._reads._known) < 10  # noqa: SLF001 - names come from strangers


async def test_who_gives_up_waiting_takes_the_answer_from_nobody(worker: Worker) -> None:
    await worker.publish(event("a"))
    asked = [asyncio.create_task(worker.broker.cursor(ROOM)) for _ in range(3)]
    await asyncio.sleep(0)

    asked[0].cancel()

    assert [(await each).offset for each in asked[1:]] == [1, 1]


async def test_what_is_no_entry_makes_history_unknown_and_not_wrong(
    worker: Worker, redis_server: RedisServer
) -> None:
    places = [await worker.broker.cursor(ROOM)]
    places += [(await worker.publish(event(str(n)))).cursor for n in range(4)]
    with redis.Redis(port=redis_server.port) as server:
        log = f"test:{{{ROOM}}}:log"
        entries = server.xrange(log)
        server.xdel(log, entries[1][0])
        server.xadd(log, {"x": "garbage"}, id="4-1")

    with structlog.testing.capture_logs() as lines:
        histories = [await worker.broker.history(ROOM, place) for place in places]

    known = [None if each is None else len(each.publications) for each in histories]
    assert known == [None, None, 2, 1, 0]
    assert {line["event"] for line in lines} == {"! not a log entry"}


async def test_reading_goes_on_while_nothing_may_be_written(
    worker: Worker, redis_server: RedisServer
) -> None:
    start = await worker.broker.follow(ROOM)
    await worker.publish(update("b1", {"lat": 1}))
    redis_server.command("CONFIG", "SET", "min-replicas-to-write", "1")
    with pytest.raises(BrokerUnavailable):
        await worker.publish(event("refused"))

    history = await worker.broker.history(ROOM, start)
    assert history is not None
    assert len(history.publications) == 1
    assert (await worker.broker.snapshot(ROOM)).cursor == history.cursor
    assert await worker.broker.follow(ROOM) == history.cursor
    with pytest.raises(BrokerUnavailable):
        await worker.broker.follow("a room that has not begun")


async def test_a_room_that_is_only_read_stays(worker: Worker, redis_server: RedisServer) -> None:
    await worker.publish(event("a"))
    head, log = (f"test:{{{ROOM}}}:{part}" for part in ("head", "log"))
    for key in (head, log):
        redis_server.command("PEXPIRE", key, "60000")
    redis_server.command("HSET", head, "x", "1")  # when it was put off last: long ago

    await worker.broker.cursor(ROOM)

    for key in (head, log):
        assert int(redis_server.command("PTTL", key)[1:]) > 60_000
