"""What the broker owes its users when Redis restarts, forgets, goes back in time or moves."""

from __future__ import annotations

import asyncio
import secrets
import shutil
from collections.abc import AsyncIterator, Iterator, Sequence
from pathlib import Path

import pytest
import redis

from gateway.broker.contract import BrokerUnavailable
from gateway.redis.slots import slot_of
from gateway.rooms.publication import Outcome
from gateway.settings import RoomKind
from tests.conftest import StartRedis
from tests.gateway.broker.redis.workers import (
    HEAL_SECONDS,
    PREFIX,
    accepted,
    healthy,
    story,
    unhealthy,
    workers_over,
)
from tests.gateway.broker.worker import Worker, eventually
from tests.gateway.rooms.drafts import ROOM, event, update
from tests.toolbox.redis_cluster import RedisCluster
from tests.toolbox.redis_sentinel import SentinelTrio
from tests.toolbox.redis_server import RedisServer

OTHER_ROOM = "city:lyon"


@pytest.fixture
async def workers(redis_server: RedisServer) -> AsyncIterator[list[Worker]]:
    async with workers_over(redis_server.url, 2) as both:
        for each in both:
            await each.broker.follow(ROOM)
            await each.broker.follow(OTHER_ROOM)
        yield both


async def all_heard(workers: Sequence[Worker], last: str, room: str = ROOM) -> None:
    """Return when everybody has been told of the last publication."""
    async with asyncio.timeout(HEAL_SECONDS + 5.0):
        while not all(story(each, room)[-1:] == [last] for each in workers):  # noqa: ASYNC110
            await asyncio.sleep(0.01)


async def restarted(server: RedisServer, workers: Sequence[Worker]) -> None:
    """The server is killed and comes back, and every worker knows."""
    server.kill()
    for worker in workers:
        with pytest.raises(BrokerUnavailable):
            await worker.publish(event("while it is away"))
    await asyncio.to_thread(server.restart)
    for worker in workers:
        await healthy(worker)


async def test_a_redis_that_comes_back_empty_interrupts_every_room_once(
    workers: list[Worker], redis_server: RedisServer
) -> None:
    for room in (ROOM, OTHER_ROOM):
        await workers[0].publish(event("before", room=room))
        await all_heard(workers, "before", room)
    old = await workers[0].broker.cursor(ROOM)

    await restarted(redis_server, workers)
    for room in (ROOM, OTHER_ROOM):
        await all_heard(workers, "!", room)
        await accepted(workers[1], event("after", room=room))

    for room in (ROOM, OTHER_ROOM):
        await all_heard(workers, "after", room)
        for worker in workers:
            assert story(worker, room) == ["before", "!", "after"]
    assert await workers[0].broker.history(ROOM, old) is None


async def test_a_redis_that_keeps_everything_interrupts_nobody(start_redis: StartRedis) -> None:
    server = start_redis("--appendonly", "yes", "--appendfsync", "always")
    async with workers_over(server.url, 2) as workers:
        for worker in workers:
            await worker.broker.follow(ROOM)
        start = await workers[0].publish(event("before"))
        await all_heard(workers, "before")

        await restarted(server, workers)
        await accepted(workers[1], event("after"))

        await all_heard(workers, "after")
        assert [story(worker) for worker in workers] == [["before", "after"]] * 2
        history = await workers[1].broker.history(ROOM, start.cursor)
        assert history is not None
        assert len(history.publications) == 1


@pytest.mark.parametrize("published_since", [0, 2, 3, 5])
async def test_a_redis_that_lost_its_last_words_turns_the_epoch_and_tells_everybody_once(
    workers: list[Worker], redis_server: RedisServer, published_since: int
) -> None:
    """Three are lost; since then fewer, as many, or more were published, to no follower."""
    await workers[0].publish(event("kept"))
    redis_server.command("SAVE")
    shutil.copy(redis_server.folder / "dump.rdb", redis_server.folder / "older.rdb")
    lost = [await workers[0].publish(event(f"lost {number}")) for number in (1, 2, 3)][-1]
    await all_heard(workers, "lost 3")
    redis_server.kill()
    shutil.copy(redis_server.folder / "older.rdb", redis_server.folder / "dump.rdb")

    await asyncio.to_thread(redis_server.restart)
    async with workers_over(redis_server.url, 1) as (newcomer,):
        since = [
            (await newcomer.publish(event(f"since {number}"))).cursor
            for number in range(published_since)
        ]
        for worker in workers:
            await healthy(worker)
        await eventually(lambda: all("!" in story(worker) for worker in workers))
        await accepted(newcomer, event("after"))
        await all_heard(workers, "after")

    told = ["kept", "lost 1", "lost 2", "lost 3", "!"]
    for worker in workers:
        assert story(worker)[:5] == told
        assert story(worker).count("!") == 1
        assert story(worker)[-1] == "after"
    assert (await workers[0].broker.cursor(ROOM)).epoch != lost.cursor.epoch
    for cursor in (lost.cursor, *since[:1]):
        history = await workers[0].broker.history(ROOM, cursor)
        assert history is None or cursor.epoch != lost.cursor.epoch


async def test_a_room_whose_head_was_evicted_begins_anew_and_says_so(
    workers: list[Worker], redis_server: RedisServer
) -> None:
    await workers[0].publish(event("before"))
    await all_heard(workers, "before")
    redis_server.command("DEL", f"{PREFIX}:{{{ROOM}}}:head")

    await workers[0].publish(event("after"))
    await all_heard(workers, "!")
    await workers[0].publish(event("later"))

    await all_heard(workers, "later")
    assert {tuple(story(worker)) for worker in workers} == {("before", "!", "later")}


async def test_a_room_that_is_spoilt_keeps_no_other_from_being_looked_after(
    redis_server: RedisServer,
) -> None:
    kind = RoomKind(expire_seconds=0.2)
    async with workers_over(redis_server.url, 1, kind, expire_every_seconds=0.1) as (worker,):
        await worker.broker.follow("spoilt")
        await worker.broker.follow(ROOM)
        redis_server.command("SET", "test:{spoilt}:head", "by somebody else")
        await worker.publish(update("b1"))

        await eventually(lambda: len(worker.delivered()) == 2)
        assert worker.delivered()[1].event == "bike-removed"


async def test_a_bike_whose_value_alone_was_evicted_disturbs_nobody(
    redis_server: RedisServer,
) -> None:
    """What an eviction policy other than noeviction may do to a room."""
    kind = RoomKind(expire_seconds=0.2)
    async with workers_over(redis_server.url, 1, kind, expire_every_seconds=0.05) as (worker,):
        await worker.broker.follow(ROOM)
        await worker.publish(update("b1", b'{"vehicle_id":"b1"}'))
        redis_server.command("DEL", f"{PREFIX}:{{{ROOM}}}:values")
        await worker.publish(update("b2", b'{"vehicle_id":"b2"}'))

        assert (await worker.broker.snapshot(ROOM)).values == b'[{"vehicle_id":"b2"}]'
        await eventually(lambda: len(worker.deliveries) == 3)
        assert [each.key for each in worker.delivered()] == ["b1", "b2", "b2"]
        assert (await worker.broker.snapshot(ROOM)).values == b"[]"


async def test_values_that_were_evicted_do_not_count_for_ever(redis_server: RedisServer) -> None:
    kind = RoomKind(values_limit_bytes=2000)
    async with workers_over(redis_server.url, 1, kind) as (worker,):
        await worker.publish(update("b1", {"note": "x" * 1900}))
        redis_server.command("DEL", f"{PREFIX}:{{{ROOM}}}:values")
        for number in range(2, 6):
            await worker.publish(update(f"b{number}", {"note": "x" * 20}))

        values = (await worker.broker.snapshot(ROOM)).values
        assert values.count(b"vehicle_id") == 4


async def test_a_ping_is_red_within_three_seconds_of_silence_and_green_again(
    workers: list[Worker], redis_server: RedisServer
) -> None:
    loop = asyncio.get_running_loop()
    redis_server.pause()
    began_at = loop.time()
    await unhealthy(workers[0])
    assert loop.time() - began_at < 3.0

    redis_server.resume()
    began_at = loop.time()
    await healthy(workers[0])
    assert loop.time() - began_at < 3.0


# ---- several masters


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[RedisCluster]:
    servers = RedisCluster(tmp_path)
    try:
        servers.start()
        yield servers
    finally:
        servers.kill()


@pytest.fixture
def trio(tmp_path: Path) -> Iterator[SentinelTrio]:
    servers = SentinelTrio(tmp_path)
    try:
        servers.start()
        yield servers
    finally:
        servers.kill()


async def test_a_slot_that_moves_under_load_loses_nothing_and_doubles_nothing(
    shared_redis_cluster: RedisCluster,
) -> None:
    cluster, texts = shared_redis_cluster, [str(number) for number in range(300)]
    room = f"moving:{secrets.token_hex(4)}"
    slot = slot_of(f"{PREFIX}:{{{room}}}:live".encode())
    async with workers_over(cluster.url, 2) as workers:
        for worker in workers:
            await worker.broker.follow(room)
        masters = cluster.servers[:3]

        async def move() -> None:
            for target in (*masters, *masters):
                if cluster.master_of(slot) is not target:
                    await asyncio.to_thread(cluster.move, slot, target)
                    await asyncio.sleep(0.05)

        moving = asyncio.create_task(move())
        for count, text in enumerate(texts):
            # Refused for sure, so it may be sent again: this is no unknown outcome.
            receipt = await accepted(workers[count % 2], event(text, room=room))
            assert receipt.outcome is Outcome.ACCEPTED
            await asyncio.sleep(0.002)
        await moving
        await accepted(workers[0], event("end", room=room))

        await all_heard(workers, "end", room)
        assert [story(worker, room) for worker in workers] == [[*texts, "end"]] * 2


async def _is_replicated(server: RedisServer) -> None:
    with redis.Redis(port=server.port) as client:
        assert client.wait(1, 1000) >= 1


async def test_a_master_of_a_cluster_that_dies_takes_nothing_along(cluster: RedisCluster) -> None:
    slot = slot_of(f"{PREFIX}:{{{ROOM}}}:live".encode())
    async with workers_over(cluster.url, 2) as workers:
        for worker in workers:
            await worker.broker.follow(ROOM)
        await workers[0].publish(event("before"))
        await all_heard(workers, "before")
        master = cluster.master_of(slot)
        await _is_replicated(master)

        master.kill()
        for worker in workers:
            with pytest.raises(BrokerUnavailable):
                await worker.publish(event("meanwhile"))
        await accepted(workers[1], event("after"))

        await all_heard(workers, "after")
        assert [story(worker) for worker in workers] == [["before", "after"]] * 2


async def test_a_master_that_sentinels_replace_takes_nothing_along(trio: SentinelTrio) -> None:
    async with workers_over(trio.url, 2) as workers:
        for worker in workers:
            await worker.broker.follow(ROOM)
        await workers[0].publish(event("before"))
        await all_heard(workers, "before")
        await _is_replicated(trio.servers[0])

        trio.servers[0].kill()
        for worker in workers:
            with pytest.raises(BrokerUnavailable):
                await worker.publish(event("meanwhile"))
        await accepted(workers[1], event("after"))

        await all_heard(workers, "after")
        assert [story(worker) for worker in workers] == [["before", "after"]] * 2
