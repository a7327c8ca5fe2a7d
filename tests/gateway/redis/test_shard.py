from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator

import pytest
import structlog

from gateway.redis.connection import pack
from gateway.redis.errors import RedisAway, RedisRefused
from gateway.redis.scripts import Script
from gateway.redis.shard import Shard
from gateway.settings.redis_url import Endpoint, RedisAddress
from tests.conftest import StartRedis
from tests.gateway.redis.deaf_relay import deaf_relay_to
from tests.gateway.redis.listening import (
    IMPATIENT,
    SILENCE_SECONDS,
    Listener,
    eventually,
    ignore,
)
from tests.toolbox.redis_server import RedisServer

SCRIPT = Script("gateway.broker.redis", "leave.lua")
ADDRESS = RedisAddress("single", (Endpoint("127.0.0.1"),))
# Two connections one after the other, each with its pause before a new attempt.
BACK_SECONDS = 5.0


class Place:
    """Where the master is said to be."""

    def __init__(self, port: int) -> None:
        self.port = port

    async def locate(self) -> Endpoint:
        if not self.port:
            raise RedisAway("nobody knows")
        return Endpoint("127.0.0.1", self.port)


@contextlib.asynccontextmanager
async def shard_at(place: Place, listener: Listener) -> AsyncIterator[Shard]:
    shard = Shard(
        "master", place.locate, ADDRESS, [SCRIPT], lambda: b"beat", listener, ignore, IMPATIENT
    )
    shard.start()
    try:
        yield shard
    finally:
        await shard.stop()


async def test_it_is_healthy_while_its_beat_comes_back(redis_server: RedisServer) -> None:
    listener = Listener()
    async with shard_at(Place(redis_server.port), listener) as shard:
        await eventually(lambda: shard.is_healthy)
        await asyncio.sleep(SILENCE_SECONDS)

        assert shard.is_healthy
        assert (listener.ups, listener.command_ups, listener.downs) == (1, 1, 0)
        assert (b"beat", b"beat") in listener.messages
        assert await shard.call("SCRIPT", "EXISTS", SCRIPT.digest) == [1]

    await eventually(lambda: redis_server.info("clients")["connected_clients"] == 1)  # who asks
    assert not shard.is_healthy


async def test_a_server_that_is_not_there_is_waited_for_and_told_once(
    start_redis: StartRedis,
) -> None:
    server = start_redis()
    server.stop()
    with structlog.testing.capture_logs() as lines:
        async with shard_at(Place(server.port), Listener()) as shard:
            await asyncio.sleep(SILENCE_SECONDS)
            assert not shard.send(pack(("PING",)), pytest.fail)
            with pytest.raises(RedisAway):
                await shard.call("PING")

            await asyncio.to_thread(server.restart)

            await eventually(lambda: shard.is_healthy)
    assert [line["event"] for line in lines] == ["! Redis is away", "= Redis is back"]


async def test_a_server_that_falls_silent_is_left_and_found_again(
    redis_server: RedisServer,
) -> None:
    listener = Listener()
    async with shard_at(Place(redis_server.port), listener) as shard:
        await eventually(lambda: shard.is_healthy)

        redis_server.pause()

        assert await eventually(lambda: not shard.is_healthy) <= SILENCE_SECONDS
        await eventually(lambda: listener.downs == 1)
        with pytest.raises(RedisAway):
            await shard.call("PING")
        redis_server.resume()
        await eventually(lambda: shard.is_healthy, BACK_SECONDS)
        assert (listener.ups, listener.downs) == (2, 1)


async def test_a_subscriber_to_whom_nothing_comes_is_connected_anew(
    redis_server: RedisServer,
) -> None:
    listener = Listener()
    async with (
        deaf_relay_to(redis_server.port) as relay,
        shard_at(Place(relay.port), listener) as shard,
    ):
        await eventually(lambda: shard.is_healthy)

        relay.is_deaf = True

        assert await eventually(lambda: not shard.is_healthy) <= SILENCE_SECONDS
        await eventually(lambda: listener.downs == 1)
        relay.is_deaf = False
        await eventually(lambda: shard.is_healthy, BACK_SECONDS)
        assert (listener.ups, listener.downs) == (2, 1)


async def test_commands_that_do_not_arrive_are_noticed_too(redis_server: RedisServer) -> None:
    async with (
        deaf_relay_to(redis_server.port) as relay,
        shard_at(Place(relay.port), Listener()) as shard,
    ):
        await eventually(lambda: shard.is_healthy)

        relay.is_mute = True

        await eventually(lambda: not shard.is_healthy, 2 * SILENCE_SECONDS)
        with pytest.raises(RedisAway):
            await shard.call("PING")
        relay.is_mute = False
        await eventually(lambda: shard.is_healthy, BACK_SECONDS)


async def test_a_replica_is_not_the_master(redis_server: RedisServer) -> None:
    redis_server.command("REPLICAOF", "127.0.0.1", "1")
    with structlog.testing.capture_logs() as lines:
        async with shard_at(Place(redis_server.port), Listener()) as shard:
            await asyncio.sleep(SILENCE_SECONDS)

            assert shard.commands is None
            assert shard.subscriber is None
    assert lines[0]["why"] == "the server is a slave, not the master"


async def test_both_connections_lead_to_one_server(
    redis_server: RedisServer, start_redis: StartRedis
) -> None:
    other = start_redis()
    place, listener = Place(redis_server.port), Listener()
    async with shard_at(place, listener) as shard:
        await eventually(lambda: shard.is_healthy)

        place.port = other.port
        redis_server.command("CLIENT", "KILL", "TYPE", "normal")  # the commands alone

        await eventually(lambda: listener.ups == 2)
        await eventually(lambda: shard.is_healthy)
        assert other.channels() == ["beat"]
        assert redis_server.channels() == []


async def test_without_a_connection_nothing_is_sent() -> None:
    async with shard_at(Place(0), Listener()) as shard:
        assert not shard.send(pack(("GET", "a")), pytest.fail)
        assert not shard.send_asking(pack(("GET", "a")), pytest.fail)
        assert not shard.send_with_scripts(pack(("GET", "a")), pytest.fail)


async def test_a_mistake_is_raised_as_one(redis_server: RedisServer) -> None:
    async with shard_at(Place(redis_server.port), Listener()) as shard:
        await eventually(lambda: shard.is_healthy)

        with pytest.raises(RedisRefused, match="unknown command"):
            await shard.call("WHAT")
