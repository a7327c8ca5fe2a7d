"""Counting through Redis: together, seldom asked, and never waited for."""

from __future__ import annotations

import asyncio
import secrets
import time
from collections.abc import AsyncIterator, Callable

import pytest
import redis as other_client

from gateway.metrics import Metrics
from gateway.quotas.policies import Policy
from gateway.quotas.shared import ALONE_SECONDS, TAKE, SharedLimiter
from gateway.redis.client import Redis
from tests.gateway.redis.connected import connected
from tests.toolbox.clock import Clock
from tests.toolbox.redis_server import RedisServer

PATIENT_SECONDS = 2.0  # on a busy machine a tenth of a second is nothing
POLICY = Policy("read", 1000, 3600)
SMALL = Policy("write", 5, 3600)
POLICIES = (POLICY, SMALL)
Worker = Callable[[], SharedLimiter]


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def metrics() -> Metrics:
    return Metrics()


@pytest.fixture
async def redis(redis_server: RedisServer) -> AsyncIterator[Redis]:
    async with connected(redis_server.url, [TAKE]) as redis:
        yield redis


@pytest.fixture
def worker(redis: Redis, metrics: Metrics, clock: Clock) -> Worker:
    prefix = f"test-{secrets.token_hex(4)}"
    return lambda: SharedLimiter(redis, prefix, POLICIES, metrics, clock, PATIENT_SECONDS)


async def count(limiter: SharedLimiter, policy: Policy, requests: int) -> int:
    verdicts = [await limiter.take(policy, "ada") for _ in range(requests)]
    return sum(not verdict.wait_seconds for verdict in verdicts)


async def test_workers_share_a_quota_and_leave_little_of_it_unused(worker: Worker) -> None:
    here, there = worker(), worker()
    passed = 0
    for _ in range(1200):
        for limiter in (here, there):
            passed += not (await limiter.take(POLICY, "ada")).wait_seconds
    assert passed <= 1000
    assert passed >= 980  # each worker may be left with a lease that it does not spend


async def test_redis_is_asked_for_one_request_of_many(worker: Worker, metrics: Metrics) -> None:
    assert await count(worker(), POLICY, 500) == 500
    assert metrics.quota_questions["answered"] == 50


async def test_a_crowd_is_served_in_few_questions(worker: Worker, metrics: Metrics) -> None:
    limiter = worker()
    verdicts = await asyncio.gather(*(limiter.take(POLICY, "ada") for _ in range(300)))
    assert not any(verdict.wait_seconds for verdict in verdicts)
    assert metrics.quota_questions["answered"] <= 3


async def test_who_is_refused_is_refused_from_memory(worker: Worker, metrics: Metrics) -> None:
    limiter = worker()
    assert await count(limiter, SMALL, 6) == 5
    asked = metrics.quota_questions["answered"]
    assert await count(limiter, SMALL, 100) == 0
    assert metrics.quota_questions["answered"] == asked


async def test_what_was_not_spent_in_time_is_not_spent_later(
    worker: Worker, clock: Clock, metrics: Metrics
) -> None:
    limiter = worker()
    await limiter.take(POLICY, "ada")
    assert limiter.take_now(POLICY, "ada") is not None
    clock.now_seconds += 2
    assert limiter.take_now(POLICY, "ada") is None
    await limiter.take(POLICY, "ada")
    assert metrics.quota_questions["answered"] == 2


async def test_5_a_redis_that_says_nothing_costs_a_moment_once(
    worker: Worker, redis_server: RedisServer, metrics: Metrics
) -> None:
    limiter = worker()
    await limiter.take(POLICY, "ada")
    redis_server.pause()
    try:
        began = time.monotonic()
        verdicts = await asyncio.gather(*(limiter.take(SMALL, str(each)) for each in range(50)))
        took_seconds = time.monotonic() - began
        assert not any(verdict.wait_seconds for verdict in verdicts)
        # From now on it is not asked for a while: there is an answer at once, and limits still.
        assert [limiter.take_now(SMALL, "ada") is not None for _ in range(5)] == [True] * 5
        refused = limiter.take_now(SMALL, "ada")
        assert refused is not None
        assert refused.wait_seconds
    finally:
        redis_server.resume()
    assert took_seconds < 2 * PATIENT_SECONDS
    assert metrics.quota_questions["failed"] > 0


async def test_5_a_redis_that_is_gone_leaves_each_worker_its_own_limits_until_it_is_back(
    worker: Worker, redis: Redis, redis_server: RedisServer, clock: Clock
) -> None:
    limiter = worker()
    redis_server.kill()
    assert await count(limiter, SMALL, 10) == 5
    redis_server.restart()
    async with asyncio.timeout(15):
        while not redis.is_healthy:  # noqa: ASYNC110 - what it waits for tells nobody
            await asyncio.sleep(0.02)
    clock.now_seconds += ALONE_SECONDS + 1
    assert await count(limiter, SMALL, 10) == 5, "Redis has come back empty: a full quota"
    assert redis_server.keys("*:quota:write:ada")


@pytest.mark.parametrize("poison", ["garbage", "1e300", "-7", "99999999999999999999"])
async def test_a_stranger_s_number_locks_nobody_out_for_longer_than_the_quota(
    worker: Worker, redis_server: RedisServer, poison: str
) -> None:
    limiter = worker()
    await limiter.take(SMALL, "ada")
    with other_client.Redis(port=redis_server.port) as client:
        (key,) = client.keys("*:quota:write:ada")
        client.set(key, poison)
    verdict = await limiter.take(SMALL, "ada")
    assert verdict.wait_seconds <= SMALL.window_seconds / SMALL.quota + 1


async def test_a_key_of_another_kind_is_no_reason_to_fail(
    worker: Worker, redis_server: RedisServer, metrics: Metrics
) -> None:
    limiter = worker()
    await limiter.take(SMALL, "ada")
    with other_client.Redis(port=redis_server.port) as client:
        (key,) = client.keys("*:quota:write:ada")
        client.delete(key)
        client.lpush(key, "somebody else's")
    assert not (await limiter.take(SMALL, "ada")).wait_seconds
    assert metrics.quota_questions["failed"] == 1


async def test_what_is_counted_goes_by_itself(worker: Worker, redis_server: RedisServer) -> None:
    await worker().take(SMALL, "ada")
    with other_client.Redis(port=redis_server.port) as client:
        (key,) = client.keys("*:quota:write:ada")
        left_ms = client.pttl(key)
    assert isinstance(left_ms, int)
    assert 0 < left_ms <= 3_600_000 / 5
