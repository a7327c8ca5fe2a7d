from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator

import msgspec
import pytest

from gateway.broker.contract import BrokerUnavailable
from gateway.rooms.publication import Draft, Outcome, Receipt
from tests.gateway.broker.redis.workers import PREFIX, accepted, healthy, story, workers_over
from tests.gateway.broker.worker import Worker, eventually
from tests.gateway.rooms.drafts import ROOM, event
from tests.toolbox.redis_server import RedisServer


@pytest.fixture
async def worker(redis_server: RedisServer) -> AsyncIterator[Worker]:
    async with workers_over(redis_server.url, 1) as (one,):
        yield one


def once(draft: Draft, key: str) -> Draft:
    """The draft with a key by which a second attempt is known."""
    return msgspec.structs.replace(draft, idempotency_key=key)


def calls_of(server: RedisServer, command: str) -> int:
    found = server.info("commandstats").get(f"cmdstat_{command}", {})
    return int(found.get("calls", 0))


async def test_publications_of_one_turn_leave_together_and_keep_their_order(
    worker: Worker, redis_server: RedisServer
) -> None:
    await worker.broker.follow(ROOM)
    reads_before = redis_server.info("stats")["total_reads_processed"]

    await asyncio.gather(*(worker.publish(event(str(number))) for number in range(100)))

    await eventually(lambda: len(story(worker)) == 100)
    assert story(worker) == [str(number) for number in range(100)]
    # two more for asking: a hundred in a handful of reads, and not in a hundred
    assert redis_server.info("stats")["total_reads_processed"] - reads_before < 20


async def test_scripts_that_were_flushed_are_no_reason_to_refuse_or_to_do_it_twice(
    worker: Worker, redis_server: RedisServer
) -> None:
    await worker.broker.follow(ROOM)
    await worker.publish(event("before"))
    redis_server.command("SCRIPT", "FLUSH")

    receipts = await asyncio.gather(*(worker.publish(event(str(n))) for n in range(20)))

    assert {receipt.outcome for receipt in receipts} == {Outcome.ACCEPTED}
    await eventually(lambda: len(story(worker)) >= 21)
    assert story(worker) == ["before", *map(str, range(20))]


async def test_a_full_redis_refuses_publications_and_goes_on_being_read(
    worker: Worker, redis_server: RedisServer
) -> None:
    cursor = await worker.broker.follow(ROOM)
    await worker.publish(event("before"))
    redis_server.command("CONFIG", "SET", "maxmemory-policy", "noeviction")
    redis_server.command("CONFIG", "SET", "maxmemory", "1")

    with pytest.raises(BrokerUnavailable):
        await worker.publish(event("refused"))

    history = await worker.broker.history(ROOM, cursor)
    assert history is not None
    assert [each.payload for each in history.publications] == [b'"before"']
    assert (await worker.broker.snapshot(ROOM)).cursor == history.cursor
    await worker.broker.follow("a room that is new")
    await worker.broker.ping()
    redis_server.command("CONFIG", "SET", "maxmemory", "0")
    await worker.publish(event("after"))
    await eventually(lambda: story(worker) == ["before", "after"])


async def test_a_frozen_redis_is_told_in_time_and_what_it_had_read_happens_once(
    worker: Worker, redis_server: RedisServer
) -> None:
    await worker.broker.follow(ROOM)
    draft = once(event("frozen"), "key")
    redis_server.pause()
    began_at = time.monotonic()

    with pytest.raises(BrokerUnavailable):
        await worker.publish(draft)

    assert time.monotonic() - began_at < 1.5
    redis_server.resume()
    await healthy(worker)
    receipt = await accepted(worker, draft)  # it was executed when it thawed, or is only now
    await eventually(lambda: bool(story(worker)))
    assert story(worker) == ["frozen"]
    assert receipt.cursor.offset == 1


async def test_while_redis_is_away_everything_is_refused_at_once_and_held_nowhere(
    worker: Worker, redis_server: RedisServer
) -> None:
    redis_server.kill()
    await eventually(lambda: _is_refused(worker))
    refusals: list[Receipt | BrokerUnavailable] = []

    for number in range(1000):
        worker.broker.publish(event(str(number)), refusals.append)

    assert len(refusals) == 1000, "settled before publish returned"
    assert all(isinstance(each, BrokerUnavailable) for each in refusals)


def _is_refused(worker: Worker) -> bool:
    settled: list[Receipt | BrokerUnavailable] = []
    worker.broker.publish(event("probe"), settled.append)
    return bool(settled)


async def test_a_repeated_key_is_answered_with_the_answer_of_then(worker: Worker) -> None:
    first = await worker.publish(once(event("a"), "key"))
    await worker.publish(event("b"))

    again = await worker.publish(once(event("a"), "key"))

    assert again == Receipt(first.cursor, Outcome.REPEATED)


async def test_what_a_stranger_adds_to_a_room_s_log_stops_nobody_for_long(
    worker: Worker, redis_server: RedisServer
) -> None:
    cursor = await worker.broker.follow(ROOM)
    await worker.publish(event("before"))
    redis_server.command("XADD", f"{PREFIX}:{{{ROOM}}}:log", "*", "d", "x", "t", "1")

    receipt = await worker.publish(event("after"))

    assert receipt.outcome is Outcome.ACCEPTED
    await eventually(lambda: story(worker) == ["before", "after"])
    assert await worker.broker.history(ROOM, cursor) is None
