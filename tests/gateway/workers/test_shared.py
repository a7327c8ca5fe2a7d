"""The registry of all hosts: who says nothing is forgotten, and Redis may be away."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from redis.asyncio import Redis

from gateway.redis.errors import RedisAway
from gateway.workers.registry import RegistryUnavailable
from gateway.workers.shared import Call, SharedRegistry
from tests.gateway.workers.places import place_of


async def test_who_says_nothing_for_too_long_is_dead(call: Call, redis_client: Redis) -> None:
    brief, lasting = SharedRegistry(call, "test", 0.05), SharedRegistry(call, "test")
    await brief.announce(place_of("aaaaaa"))
    await lasting.announce(place_of("bbbbbb"))
    async with asyncio.timeout(5):
        while len(places := await lasting.all()) > 1:  # noqa: ASYNC110 - it is a question
            await asyncio.sleep(0.01)

    assert places == [place_of("bbbbbb")]
    assert await redis_client.hkeys("test:places") == [b"bbbbbb"]


async def test_nothing_is_left_of_a_gateway_that_is_gone(call: Call, redis_client: Redis) -> None:
    registry = SharedRegistry(call, "test")
    await registry.announce(place_of("aaaaaa"))

    assert 0 < await redis_client.pttl("test:places") <= 10_000
    await registry.withdraw("aaaaaa")
    assert await redis_client.exists("test:places") == 0


async def test_two_gateways_on_one_redis_do_not_meet(call: Call) -> None:
    await SharedRegistry(call, "one").announce(place_of("aaaaaa"))

    assert await SharedRegistry(call, "two").all() == []


async def test_who_cannot_be_understood_is_left_out(call: Call, redis_client: Redis) -> None:
    registry = SharedRegistry(call, "test")
    await registry.announce(place_of("aaaaaa"))
    for name, text in (("x", "no number"), ("y", "99999999999999 {"), ("z", "99999999999999 {}")):
        await redis_client.hset("test:places", name, text)

    assert await registry.all() == [place_of("aaaaaa")]


async def test_a_redis_that_is_away_is_said_in_the_registry_s_words() -> None:
    async def away(_key: bytes, *_words: Any) -> Any:  # noqa: ANN401
        raise RedisAway("Redis is not connected")

    registry = SharedRegistry(away, "test")

    with pytest.raises(RegistryUnavailable, match="Redis is not connected"):
        await registry.all()
    with pytest.raises(RegistryUnavailable):
        await registry.announce(place_of("aaaaaa"))
