from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest

from gateway.redis.client import call
from gateway.redis.errors import RedisAway
from gateway.redis.one_master import OneMaster
from gateway.redis.scripts import Script
from gateway.redis.shard import Patience
from gateway.settings.redis_url import address_of
from tests.gateway.redis.listening import IMPATIENT, Listener, eventually, hears, subscribe
from tests.gateway.redis.silent_server import silent_server
from tests.toolbox.redis_sentinel import DOWN_AFTER_MS, NAME, SentinelTrio
from tests.toolbox.redis_server import RedisServer

KEY = b"bikes"
SCRIPT = Script("gateway.broker.redis", "leave.lua")
# Sentinels need what they were told to wait for, then agree and promote.
FAILOVER_SECONDS = DOWN_AFTER_MS / 1000 + 3.0


@pytest.fixture
def trio(tmp_path: Path) -> Iterator[SentinelTrio]:
    """Servers and Sentinels of the test's own."""
    servers = SentinelTrio(tmp_path)
    try:
        servers.start()
        yield servers
    finally:
        servers.kill()


async def connected(url: str, listener: Listener, patience: Patience = IMPATIENT) -> OneMaster:
    redis = OneMaster(address_of(url), [SCRIPT], "beat", listener, patience)
    await redis.start()
    return redis


async def test_a_forgotten_script_goes_out_before_those_that_missed_it(
    redis_server: RedisServer,
) -> None:
    redis = await connected(redis_server.url, Listener())
    redis_server.command("SCRIPT", "FLUSH")
    redis_server.command("CONFIG", "RESETSTAT")

    words = ("EVALSHA", SCRIPT.digest, 1, KEY, "worker", "")
    assert await asyncio.gather(*(call(redis, KEY, *words) for _ in range(50))) == [[]] * 50

    calls = redis_server.info("commandstats")
    assert calls["cmdstat_evalsha"]["calls"] == 100
    assert calls["cmdstat_script|load"]["calls"] == 1
    await redis.stop()


async def test_a_server_that_is_demoted_is_left_by_both_connections(
    redis_server: RedisServer,
) -> None:
    listener = Listener()
    redis = await connected(redis_server.url, listener)
    redis_server.command("REPLICAOF", "127.0.0.1", "1")

    with pytest.raises(RedisAway, match="READONLY"):
        await call(redis, KEY, "SET", KEY, 1)

    await eventually(lambda: listener.downs == 1)
    assert not redis.is_healthy
    redis_server.command("REPLICAOF", "NO", "ONE")
    await eventually(lambda: redis.is_healthy)
    await redis.stop()


@pytest.mark.parametrize("way", ["killed", "paused"])
async def test_both_connections_lead_to_the_new_master_after_a_failover(
    trio: SentinelTrio, way: str
) -> None:
    listener, old = Listener(), trio.servers[0]
    async with silent_server() as silent:
        hosts = ",".join(f"127.0.0.1:{port}" for port in (silent, *trio.sentinel_ports))
        redis = await connected(f"redis+sentinel://{hosts}/{NAME}", listener, Patience())
        await subscribe(redis, KEY)
        assert await hears(redis, listener, KEY, b"before")

        old.kill() if way == "killed" else old.pause()

        await eventually(lambda: not redis.is_healthy, 3.0)
        took_seconds = await eventually(lambda: redis.is_healthy, FAILOVER_SECONDS + 5.0)
        assert took_seconds < FAILOVER_SECONDS
        assert trio.master is not old
        assert any(channel.startswith("beat") for channel in trio.master.channels())
        await subscribe(redis, KEY)
        if way == "paused":
            old.resume()  # it does not know yet that it is no master any more
        assert await hears(redis, listener, KEY, b"after")
        await redis.stop()
