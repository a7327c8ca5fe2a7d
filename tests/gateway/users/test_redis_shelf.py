"""Users that workers share in Redis: kept for an hour, trusted with nothing, never waited for."""

from __future__ import annotations

import asyncio
import secrets
import time
from collections.abc import AsyncIterator, Iterator

import pytest
import redis as other_client

from gateway.redis.client import Redis
from gateway.users.redis_shelf import BYPASS_SECONDS, FIND, PUT, RedisShelf
from gateway.users.user import User, changed
from protocol.users import UserChanges
from tests.gateway.redis.connected import connected
from tests.gateway.redis.listening import eventually
from tests.gateway.users.people import NOW_MS, person
from tests.toolbox.clock import Clock
from tests.toolbox.redis_cluster import RedisCluster
from tests.toolbox.redis_server import RedisServer

ADA, BOB = person(1), person(2)
PATIENT_SECONDS = 2.0  # on a busy machine a tenth of a second is nothing
LATER = changed(ADA, UserChanges(name="Ada L."), NOW_MS + 5)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
async def redis(redis_server: RedisServer) -> AsyncIterator[Redis]:
    async with connected(redis_server.url, [FIND, PUT]) as redis:
        yield redis


@pytest.fixture
async def shelves(redis: Redis, clock: Clock) -> AsyncIterator[list[RedisShelf]]:
    """Those of two workers, with nothing owed any more."""
    shelves = [RedisShelf(redis, "test", clock, PATIENT_SECONDS) for _ in range(2)]
    for shelf in shelves:
        await settled(shelf)
    yield shelves
    for shelf in shelves:
        await shelf.stop()


@pytest.fixture
def client(redis_server: RedisServer) -> Iterator[other_client.Redis]:
    """A stranger with the password of Redis."""
    with other_client.Redis(port=redis_server.port) as client:
        yield client


async def settled(shelf: RedisShelf) -> None:
    """Return when it reads again."""
    async with asyncio.timeout(15):
        while await shelf.find("nobody") is None:  # noqa: ASYNC110 - what it waits for tells nobody
            await asyncio.sleep(0.01)
    await shelf.forget(["nobody"])


async def permit_of(shelf: RedisShelf, user: User) -> str:
    permit = await shelf.find(user.id)
    assert isinstance(permit, str)
    return permit


async def laid_down(shelf: RedisShelf, user: User) -> None:
    """Put a user there, and wait until it is there."""
    shelf.put(user, await permit_of(shelf, user))
    assert await shelf.find(user.id) == user


async def test_what_one_worker_leaves_another_one_finds(
    shelves: list[RedisShelf], client: other_client.Redis
) -> None:
    here, there = shelves
    await laid_down(here, ADA)
    assert await there.find(ADA.id) == ADA
    assert isinstance(await there.find(BOB.id), str)

    (key,) = client.keys(f"test:user:*:{ADA.id}")
    left_ms = client.pttl(key)
    assert isinstance(left_ms, int)
    assert 3_590_000 < left_ms <= 3_600_000


async def test_what_is_forgotten_is_there_for_nobody(shelves: list[RedisShelf]) -> None:
    here, there = shelves
    await laid_down(here, ADA)
    await there.forget([ADA.id])
    assert isinstance(await here.find(ADA.id), str)


async def test_a_read_that_began_before_a_change_does_not_put_the_old_value_back(
    shelves: list[RedisShelf],
) -> None:
    here, there = shelves
    permit = await permit_of(here, ADA)
    await there.forget([ADA.id])  # it has changed
    here.put(ADA, permit)
    assert isinstance(await here.find(ADA.id), str)

    # Nor when somebody who reads after the change was quicker.
    permit = await permit_of(here, ADA)
    await there.forget([ADA.id])
    await laid_down(there, LATER)
    here.put(ADA, permit)
    assert await here.find(ADA.id) == LATER


async def test_of_two_who_read_at_the_same_time_the_later_one_may_put(
    shelves: list[RedisShelf],
) -> None:
    here, there = shelves
    first, second = await permit_of(here, ADA), await permit_of(there, ADA)
    here.put(ADA, first)
    assert isinstance(await here.find(BOB.id), str)
    there.put(ADA, second)
    assert await here.find(ADA.id) == ADA


@pytest.mark.parametrize(
    "poison",
    [
        b"\xff\xfe garbage \x00",
        b"",
        b'{"id": "1"}',
        b"{form} {}",
        b"{form} not JSON \xff",
        b"{form} " + b"[" * 5000,
        b'{form} {"id": "%b", "role": "god"}' % ADA.id.encode(),
        b"deadbeef {value}",
        b"{form} " + b" " * 10_000,
    ],
)
async def test_what_is_not_of_ours_is_no_user_and_does_not_stay(
    shelves: list[RedisShelf], client: other_client.Redis, poison: bytes
) -> None:
    here, _ = shelves
    await laid_down(here, ADA)
    (key,) = client.keys(f"test:user:*:{ADA.id}")
    value = client.get(key)
    assert isinstance(value, bytes)
    form, _, json = value.partition(b" ")
    client.set(key, poison.replace(b"{form}", form).replace(b"{value}", json))

    assert not isinstance(await here.find(ADA.id), User)
    await here.forget([ADA.id])
    await laid_down(here, ADA)


async def test_somebody_else_s_user_is_not_the_one_that_was_asked_for(
    shelves: list[RedisShelf], client: other_client.Redis
) -> None:
    here, _ = shelves
    await laid_down(here, ADA)
    await laid_down(here, BOB)
    (of_ada,), (of_bob,) = (client.keys(f"test:user:*:{user.id}") for user in (ADA, BOB))
    value = client.get(of_bob)
    assert isinstance(value, bytes)
    client.set(of_ada, value)

    assert await here.find(ADA.id) is None
    assert await here.find(BOB.id) == BOB


async def test_a_key_of_another_kind_is_replaced(
    shelves: list[RedisShelf], client: other_client.Redis
) -> None:
    here, _ = shelves
    await laid_down(here, ADA)
    (key,) = client.keys(f"test:user:*:{ADA.id}")
    client.delete(key)
    client.lpush(key, "somebody else's")
    await laid_down(here, ADA)


async def test_a_redis_that_says_nothing_costs_a_moment_once(
    shelves: list[RedisShelf], redis_server: RedisServer
) -> None:
    here, _ = shelves
    await laid_down(here, ADA)
    redis_server.pause()
    try:
        began = time.monotonic()
        assert await asyncio.gather(*(here.find(ADA.id) for _ in range(50))) == [None] * 50
        took_seconds = time.monotonic() - began
        assert await here.find(ADA.id) is None
    finally:
        redis_server.resume()
    assert took_seconds < 2 * PATIENT_SECONDS


async def test_what_could_not_be_deleted_is_not_read_until_it_is(
    shelves: list[RedisShelf], redis: Redis, redis_server: RedisServer, clock: Clock
) -> None:
    here, _ = shelves
    await laid_down(here, ADA)
    redis_server.pause()
    await here.forget([ADA.id])  # it has changed; the deletion is lost on its way
    redis_server.resume()
    await eventually(lambda: redis.is_healthy)

    clock.now_seconds += BYPASS_SECONDS + 1
    async with asyncio.timeout(15):
        while (found := await here.find(ADA.id)) is None:  # it makes up for what it owes
            clock.now_seconds += BYPASS_SECONDS + 1
            await asyncio.sleep(0.02)
    assert isinstance(found, str)


async def test_after_a_start_nothing_from_before_is_read(
    shelves: list[RedisShelf], redis: Redis
) -> None:
    here, _ = shelves
    await laid_down(here, ADA)
    started = RedisShelf(redis, "test", timeout_seconds=PATIENT_SECONDS)
    assert await started.find(ADA.id) is None, "somebody may have changed while nobody was there"
    await settled(started)
    assert isinstance(await started.find(ADA.id), str)
    await started.stop()


async def test_others_keys_are_left_alone(
    shelves: list[RedisShelf], client: other_client.Redis
) -> None:
    here, _ = shelves
    await laid_down(here, ADA)
    client.mset({"test:room": "1", "other:user:1": "2"})
    here.forget_all()
    await settled(here)
    assert isinstance(await here.find(ADA.id), str)
    assert client.mget("test:room", "other:user:1") == [b"1", b"2"]


async def test_a_change_while_everything_is_deleted_is_deleted_after_it(
    shelves: list[RedisShelf], redis_server: RedisServer, redis: Redis, clock: Clock
) -> None:
    here, _ = shelves
    await laid_down(here, ADA)
    redis_server.kill()
    for number in range(10_002):  # more than it remembers one by one
        await here.forget([f"user {number}"])
    redis_server.restart()
    await eventually(lambda: redis.is_healthy)
    assert await here.find(ADA.id) is None
    clock.now_seconds += BYPASS_SECONDS + 1
    await settled(here)
    await laid_down(here, ADA)


async def test_in_a_cluster_everything_is_deleted_on_every_node(
    shared_redis_cluster: RedisCluster,
) -> None:
    users = [person(number) for number in range(20, 40)]
    async with connected(shared_redis_cluster.url, [FIND, PUT]) as redis:
        prefix = f"test-{secrets.token_hex(4)}"
        shelf = RedisShelf(redis, prefix, timeout_seconds=PATIENT_SECONDS)
        await settled(shelf)
        for user in users:
            await laid_down(shelf, user)
        shelf.forget_all()
        await settled(shelf)
        assert all([isinstance(await shelf.find(user.id), str) for user in users])
        await shelf.stop()
