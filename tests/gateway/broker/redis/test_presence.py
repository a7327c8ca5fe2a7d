from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator
from typing import Final

import pytest

from gateway.broker.contract import BrokerUnavailable
from gateway.broker.redis.broker import RedisBroker
from gateway.settings import RoomKind
from protocol.events import Member
from tests.gateway.broker.redis.workers import (
    HEAL_SECONDS,
    healthy,
    story,
    worker_over,
    workers_over,
)
from tests.gateway.broker.worker import Worker, eventually
from tests.gateway.rooms.drafts import ROOM
from tests.toolbox.programs import REPOSITORY
from tests.toolbox.redis_server import RedisServer

ALIVE_SECONDS: Final = 0.8
KIND: Final = RoomKind(presence=True)
ANN, BEN, CAT = Member("peer-1", "ann"), Member("peer-2", "ben"), Member("peer-3", "cat")

# A worker in a process of its own, which may be killed and stopped: counts a member in, and lives.
WORKER: Final = """
import asyncio, sys
from protocol.events import Member
from gateway.settings import RoomKind
from tests.gateway.broker.redis.workers import worker_over

async def live():
    worker = worker_over(sys.argv[1], RoomKind(presence=True), alive_seconds=float(sys.argv[2]))
    await worker.broker.start(worker.deliver)
    for peer in sys.argv[3:]:
        await worker.broker.enter("city:paris", Member(peer, peer))
    print("in", flush=True)
    await asyncio.Event().wait()

asyncio.run(live())
"""


@pytest.fixture
async def workers(redis_server: RedisServer) -> AsyncIterator[list[Worker]]:
    async with workers_over(redis_server.url, 2, KIND, alive_seconds=ALIVE_SECONDS) as both:
        for each in both:
            await each.broker.follow(ROOM)
        yield both


async def other_process(server: RedisServer, *peers: str) -> asyncio.subprocess.Process:
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-c",
        WORKER,
        server.url,
        str(ALIVE_SECONDS),
        *peers,
        cwd=REPOSITORY,
        stdout=asyncio.subprocess.PIPE,
    )
    assert process.stdout is not None
    assert await process.stdout.readline() == b"in\n"
    return process


async def members(worker: Worker) -> list[str]:
    return [member.subject for member in await worker.broker.members(ROOM)]


async def until_members(worker: Worker, expected: list[str]) -> None:
    async with asyncio.timeout(HEAL_SECONDS + ALIVE_SECONDS):
        while sorted(await members(worker)) != expected:  # noqa: ASYNC110 - nobody tells of it
            await asyncio.sleep(0.02)


def told(worker: Worker) -> list[str]:
    """Who was told to have left."""
    return [text.partition('"subject":"')[2].partition('"')[0] for text in story(worker)]


async def test_members_of_a_worker_that_died_are_gone_in_time_and_told_of_once(
    workers: list[Worker], redis_server: RedisServer
) -> None:
    witnessed: list[str] = []
    for worker in workers:
        assert isinstance(worker.broker, RedisBroker)
        worker.broker.on_departure = lambda _room, member: witnessed.append(member.subject)
    await workers[0].broker.enter(ROOM, ANN)
    process = await other_process(redis_server, "dora", "emil")
    assert await members(workers[0]) == ["ann", "dora", "emil"]

    process.kill()
    await process.wait()

    for worker in workers:
        await until_members(worker, ["ann"])
        await eventually(lambda worker=worker: len(told(worker)) == 2)  # type: ignore[misc]
    await asyncio.sleep(ALIVE_SECONDS)
    assert [sorted(told(worker)) for worker in workers] == [["dora", "emil"]] * 2
    assert sorted(witnessed) == ["dora", "emil"]
    assert redis_server.command("HLEN", f"test:{{{ROOM}}}:members") == ":2"  # and the last number
    assert redis_server.command("SCARD", "test:workers") == ":2"


async def test_a_worker_that_was_taken_for_dead_counts_its_members_in_again(
    workers: list[Worker], redis_server: RedisServer
) -> None:
    process = await other_process(redis_server, "dora")
    os.kill(process.pid, signal.SIGSTOP)
    await until_members(workers[0], [])
    await eventually(lambda: told(workers[0]) == ["dora"])

    os.kill(process.pid, signal.SIGCONT)

    await until_members(workers[0], ["dora"])
    process.kill()
    await process.wait()
    await until_members(workers[0], [])
    await eventually(lambda: told(workers[0]) == ["dora", "dora"])


async def test_all_are_counted_in_again_when_redis_comes_back_empty(
    workers: list[Worker], redis_server: RedisServer
) -> None:
    await workers[0].broker.enter(ROOM, ANN)
    await workers[1].broker.enter(ROOM, BEN)

    await asyncio.to_thread(redis_server.restart)

    for worker in workers:
        await healthy(worker)
    await until_members(workers[0], ["ann", "ben"])
    assert not [text for text in told(workers[0]) if text], "nobody has left"


async def test_a_peer_that_moved_is_neither_removed_nor_taken_back_by_the_worker_that_it_left(
    workers: list[Worker], redis_server: RedisServer
) -> None:
    old, new = workers
    await old.broker.enter(ROOM, ANN)
    assert await new.broker.enter(ROOM, ANN) is False

    redis_server.command("CLIENT", "KILL", "TYPE", "normal")
    await healthy(old)
    await asyncio.sleep(ALIVE_SECONDS)  # the old one makes sure of all that it knows of

    assert await old.broker.leave(ROOM, ANN.peer_id) is False
    assert await members(new) == ["ann"]
    assert await new.broker.leave(ROOM, ANN.peer_id) is True


async def test_who_leaves_while_redis_is_away_is_counted_out_when_it_is_back(
    workers: list[Worker], redis_server: RedisServer
) -> None:
    for member in (ANN, BEN, CAT):
        await workers[0].broker.enter(ROOM, member)
    redis_server.pause()
    for member in (BEN, CAT):
        with pytest.raises(BrokerUnavailable):
            await workers[0].broker.leave(ROOM, member.peer_id)

    redis_server.resume()
    for worker in workers:
        await healthy(worker)
    await workers[0].broker.enter(ROOM, CAT)  # has thought better of it

    await until_members(workers[1], ["ann", "cat"])
    await eventually(lambda: "ben" in told(workers[1]))


async def test_who_was_never_counted_in_is_not_remembered_while_redis_is_away(
    redis_server: RedisServer,
) -> None:
    async with workers_over(redis_server.url, 1, KIND) as (worker,):
        assert isinstance(worker.broker, RedisBroker)
        redis_server.pause()
        for number in range(20):  # as after joins that could not be done
            with pytest.raises(BrokerUnavailable):
                await worker.broker.leave(f"room {number}", ANN.peer_id)
        redis_server.resume()

        assert not worker.broker._presence._owed  # noqa: SLF001 - what strangers can make grow


@pytest.mark.parametrize("leaving", [[ANN], [ANN, CAT]])
async def test_who_comes_while_the_last_ones_go_is_known_when_the_worker_dies(
    workers: list[Worker], redis_server: RedisServer, leaving: list[Member]
) -> None:
    going = worker_over(redis_server.url, KIND, alive_seconds=ALIVE_SECONDS)
    await going.broker.start(going.deliver)
    for member in leaving:
        await going.broker.enter(ROOM, member)
    await asyncio.gather(
        *(going.broker.leave(ROOM, member.peer_id) for member in leaving),
        going.broker.enter(ROOM, BEN),
    )
    await going.broker.stop()  # without a word of its member, as if it had died

    await eventually(lambda: "ben" in told(workers[0]))
    assert await members(workers[0]) == []


async def test_what_nobody_understands_keeps_no_worker_from_saying_that_it_lives(
    workers: list[Worker], redis_server: RedisServer
) -> None:
    redis_server.command("HSET", f"test:{{{ROOM}}}:members", "dora", "1 dead {}")
    redis_server.command("SADD", "test:worker:dead:rooms", ROOM)
    redis_server.command("SADD", "test:workers", "dead")

    await eventually(lambda: redis_server.command("SISMEMBER", "test:workers", "dead") == ":0")
    await asyncio.sleep(2 * ALIVE_SECONDS)
    assert len(redis_server.keys("test:worker:*:alive")) == len(workers)


async def test_who_was_counted_out_after_coming_back_is_counted_in_again(
    workers: list[Worker],
) -> None:
    here, there = (worker.broker for worker in workers)
    assert isinstance(here, RedisBroker)
    assert isinstance(there, RedisBroker)
    await here.enter(ROOM, ANN)

    # the other one has looked whether this one lives a moment before it did again
    await there._presence._bury(here.intercom.worker_id)  # noqa: SLF001 - no other way to be late

    await until_members(workers[0], ["ann"])
    await until_members(workers[1], ["ann"])


async def test_members_do_not_expire(workers: list[Worker], redis_server: RedisServer) -> None:
    await workers[0].broker.enter(ROOM, ANN)

    assert redis_server.command("PTTL", f"test:{{{ROOM}}}:members") == ":-1"


async def test_a_worker_that_goes_politely_is_forgotten_at_once(redis_server: RedisServer) -> None:
    worker = worker_over(redis_server.url, KIND)
    await worker.broker.start(worker.deliver)
    await worker.broker.enter(ROOM, ANN)
    await worker.broker.leave(ROOM, ANN.peer_id)

    await worker.broker.stop()

    assert redis_server.command("SCARD", "test:workers") == ":0"
    assert redis_server.command("EXISTS", f"test:{{{ROOM}}}:members") == ":0"


async def test_rooms_that_others_have_forgotten_are_written_down_again(
    workers: list[Worker], redis_server: RedisServer
) -> None:
    process = await other_process(redis_server, "dora")
    (key,) = redis_server.keys("test:worker:*:rooms")
    redis_server.command("DEL", key)
    await eventually(lambda: redis_server.command("SCARD", key) == ":1")

    process.kill()
    await process.wait()

    await eventually(lambda: told(workers[0]) == ["dora"])
