"""What every way of counting guarantees; the numbers are those of the contract."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncIterator, Callable

import pytest

from gateway.metrics import Metrics
from gateway.quotas.limiter import Limiter, MemoryLimiter
from gateway.quotas.policies import Policy
from gateway.quotas.shared import TAKE, SharedLimiter
from tests.gateway.redis.connected import connected

# Slow ones: what comes back while a busy machine runs a test is next to nothing.
SLOW = Policy("read", 20, 3600)
OTHER = Policy("write", 3, 3600)
FAST = Policy("publish", 10, 1)
POLICIES = (SLOW, OTHER, FAST)


@pytest.fixture(params=["memory", "redis", "cluster"])
async def limiter(request: pytest.FixtureRequest) -> AsyncIterator[Limiter]:
    if request.param == "memory":
        yield MemoryLimiter(POLICIES)
        return
    url: str = (
        request.getfixturevalue("redis_url")
        if request.param == "redis"
        else request.getfixturevalue("shared_redis_cluster").url
    )
    prefix = f"test-{secrets.token_hex(4)}"
    async with connected(url, [TAKE]) as redis:
        yield SharedLimiter(redis, prefix, POLICIES, Metrics(), timeout_seconds=5.0)


async def passed(limiter: Limiter, policy: Policy, key: str, count: int) -> int:
    """How many of so many requests pass, one after the other."""
    verdicts = [await limiter.take(policy, key) for _ in range(count)]
    return sum(not verdict.wait_seconds for verdict in verdicts)


async def test_1_no_more_than_the_quota_passes_at_once(limiter: Limiter) -> None:
    assert await passed(limiter, SLOW, "ada", 30) == 20


async def test_1_a_crowd_at_once_is_no_way_around_it(limiter: Limiter) -> None:
    verdicts = await asyncio.gather(*(limiter.take(SLOW, "ada") for _ in range(200)))
    assert sum(not verdict.wait_seconds for verdict in verdicts) == 20


async def test_1_what_is_left_is_told(limiter: Limiter) -> None:
    told = [(await limiter.take(OTHER, "ada")).left for _ in range(4)]
    assert told == [2, 1, 0, 0]


async def test_2_who_waits_as_told_passes(limiter: Limiter) -> None:
    verdicts = [await limiter.take(FAST, "ada") for _ in range(11)]
    while not verdicts[-1].wait_seconds:  # a slow machine lets a little come back meanwhile
        verdicts.append(await limiter.take(FAST, "ada"))
    assert verdicts[-1].wait_seconds <= FAST.interval_seconds

    await asyncio.sleep(verdicts[-1].wait_seconds)
    assert not (await limiter.take(FAST, "ada")).wait_seconds


async def test_3_the_haste_of_one_is_nobody_else_s_business(limiter: Limiter) -> None:
    await passed(limiter, SLOW, "ada", 30)

    assert await passed(limiter, SLOW, "bob", 1) == 1
    assert await passed(limiter, OTHER, "ada", 1) == 1


async def test_a_question_to_nobody_is_answered_at_once() -> None:
    assert MemoryLimiter(POLICIES).take_now(OTHER, "ada") == (2, 0.0)


def test_4_the_longest_unused_key_is_forgotten_when_there_are_too_many() -> None:
    limiter = MemoryLimiter(POLICIES, keys_limit=2)
    taken: Callable[[str], int] = lambda key: limiter.take_now(OTHER, key).left  # noqa: E731 - said thrice
    assert [taken(key) for key in ("ada", "bob", "bob", "eve")] == [2, 2, 1, 2]
    assert (taken("bob"), taken("ada")) == (0, 2)
