from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
import redis as redis_py

from gateway.redis.client import call
from gateway.redis.cluster import Cluster
from gateway.redis.errors import RedisAway
from gateway.redis.scripts import Script
from gateway.redis.slots import SLOTS, slot_of
from gateway.settings.redis_url import Endpoint, RedisAddress, address_of
from tests.conftest import StartRedis
from tests.gateway.redis.certificates import write_certificate
from tests.gateway.redis.listening import (
    IMPATIENT,
    SILENCE_SECONDS,
    Listener,
    eventually,
    hears,
    subscribe,
)
from tests.toolbox.ports import free_port
from tests.toolbox.redis_cluster import RedisCluster

KEY = b"{bikes}:key"
MEMBERS_KEY = b"{bikes}:members"
OTHER_KEY = b"{scooters}:key"
SCRIPT = Script("gateway.broker.redis", "leave.lua")
# Until the others are sure that a master is gone, have voted, and have told.
FAILOVER_SECONDS = 8.0


@pytest.fixture
def servers(tmp_path: Path) -> Iterator[RedisCluster]:
    """A cluster of the test's own."""
    cluster = RedisCluster(tmp_path)
    try:
        cluster.start()
        yield cluster
    finally:
        cluster.kill()


@pytest.fixture
def listener() -> Listener:
    return Listener()


async def connected(address: RedisAddress, listener: Listener) -> Cluster:
    redis = Cluster(address, [SCRIPT], "beat:me", listener, IMPATIENT)
    await redis.start()
    return redis


@pytest.fixture
async def redis(servers: RedisCluster, listener: Listener) -> AsyncIterator[Cluster]:
    cluster = await connected(address_of(servers.url), listener)
    yield cluster
    await cluster.stop()


@pytest.fixture
async def calm_redis(
    shared_redis_cluster: RedisCluster, listener: Listener
) -> AsyncIterator[Cluster]:
    """Over servers to which nothing is done."""
    cluster = await connected(address_of(shared_redis_cluster.url), listener)
    yield cluster
    await cluster.stop()


def owner_of(redis: Cluster, slot: int) -> Endpoint:
    shard = redis.shard_of(slot)
    assert shard is not None
    host, _, port = shard.name.rpartition(":")
    return Endpoint(host, int(port))


async def test_every_slot_has_its_master_and_every_master_hears_its_own_beat(
    calm_redis: Cluster, shared_redis_cluster: RedisCluster
) -> None:
    redis = calm_redis

    assert len(redis.shards) == 3
    assert {owner_of(redis, slot).port for slot in range(0, SLOTS, 100)} == {
        server.port for server in shared_redis_cluster.servers[:3]
    }
    await asyncio.sleep(2 * SILENCE_SECONDS)
    assert redis.is_healthy


async def test_commands_and_messages_go_to_whoever_serves_the_slot(
    calm_redis: Cluster, listener: Listener
) -> None:
    for number in range(20):
        key = f"test-of-commands:{number}".encode()
        await subscribe(calm_redis, key)
        await call(calm_redis, key, "SET", key, number)
        await call(calm_redis, key, "SPUBLISH", key, number)

        assert await call(calm_redis, key, "GET", key) == b"%d" % number
        await eventually(lambda key=key, data=b"%d" % number: (key, data) in listener.messages)  # type: ignore[misc]
        await call(calm_redis, key, "DEL", key)


async def test_one_seed_of_which_nothing_is_there_is_no_harm(
    shared_redis_cluster: RedisCluster, listener: Listener
) -> None:
    alive = shared_redis_cluster.servers[4].port  # a replica will do
    address = address_of(f"redis+cluster://127.0.0.1:{free_port()},127.0.0.1:{alive}")
    redis = await connected(address, listener)

    assert redis.is_healthy
    await redis.stop()


async def test_a_single_server_is_no_cluster(redis_url: str, listener: Listener) -> None:
    redis = await connected(
        address_of(redis_url.replace("redis://", "redis+cluster://")[:-2]), listener
    )

    assert not redis.is_healthy
    with pytest.raises(RedisAway):
        await call(redis, KEY, "GET", KEY)
    await redis.stop()


async def test_a_slot_that_moves_takes_commands_and_subscribers_along(
    calm_redis: Cluster, shared_redis_cluster: RedisCluster, listener: Listener
) -> None:
    redis, servers = calm_redis, shared_redis_cluster
    slot = slot_of(KEY)
    old = servers.master_of(slot)
    new = next(server for server in servers.servers[:3] if server is not old)
    await subscribe(redis, KEY)
    await call(redis, KEY, "SET", KEY, 1)

    await asyncio.to_thread(servers.move, slot, new)

    assert await call(redis, KEY, "GET", KEY) == b"1"
    assert owner_of(redis, slot).port == new.port
    await eventually(lambda: listener.dropped_channels == [KEY])
    await eventually(lambda: listener.moves >= 2)  # the first map was one
    await subscribe(redis, KEY)
    await call(redis, KEY, "SPUBLISH", KEY, "here")
    await eventually(lambda: (KEY, b"here") in listener.messages)


async def test_a_slot_that_is_on_its_way_is_asked_for_at_both_ends(
    calm_redis: Cluster, shared_redis_cluster: RedisCluster
) -> None:
    redis, servers = calm_redis, shared_redis_cluster
    slot = slot_of(OTHER_KEY)
    old = servers.master_of(slot)
    new = next(server for server in servers.servers[:3] if server is not old)
    new.command("CLUSTER", "SETSLOT", str(slot), "IMPORTING", servers.id_of(old))
    old.command("CLUSTER", "SETSLOT", str(slot), "MIGRATING", servers.id_of(new))

    await call(redis, OTHER_KEY, "SET", OTHER_KEY, 1)  # not there: the new one has it then

    assert owner_of(redis, slot).port == old.port
    assert await call(redis, OTHER_KEY, "GET", OTHER_KEY) == b"1"
    with pytest.raises(RedisAway, match="TRYAGAIN"):
        await call(redis, OTHER_KEY, "MGET", OTHER_KEY, OTHER_KEY + b":2")
    for server in (new, old):
        server.command("CLUSTER", "SETSLOT", str(slot), "NODE", servers.id_of(new))


async def test_the_beat_stays_with_its_master_when_its_slot_does_not(
    calm_redis: Cluster, shared_redis_cluster: RedisCluster, listener: Listener
) -> None:
    redis, servers = calm_redis, shared_redis_cluster
    first = servers.servers[0]
    (channel,) = (each for each in first.channels() if each.startswith("beat:me"))
    ups = listener.ups

    await asyncio.to_thread(servers.move, slot_of(channel.encode()), servers.servers[1])

    await eventually(lambda: bool(first.channels()) and first.channels() != [channel])
    await asyncio.sleep(2 * SILENCE_SECONDS)
    assert redis.is_healthy
    assert listener.ups == ups, "nobody had to connect anew"


async def test_a_forgotten_script_is_loaded_where_it_is_missed(
    calm_redis: Cluster, shared_redis_cluster: RedisCluster
) -> None:
    redis, servers = calm_redis, shared_redis_cluster
    for server in servers.servers[:3]:
        server.command("SCRIPT", "FLUSH")

    assert (
        await call(redis, MEMBERS_KEY, "EVALSHA", SCRIPT.digest, 1, MEMBERS_KEY, "worker", "") == []
    )


@pytest.mark.parametrize("way", ["killed", "paused"])
async def test_the_replica_takes_the_place_of_a_master_that_is_gone(
    redis: Cluster, servers: RedisCluster, listener: Listener, way: str
) -> None:
    slot = slot_of(KEY)
    old = servers.master_of(slot)
    moves = listener.moves

    old.kill() if way == "killed" else old.pause()

    await eventually(lambda: not redis.is_healthy, 4.0)
    took_seconds = await eventually(lambda: redis.is_healthy, FAILOVER_SECONDS)
    await call(redis, KEY, "SET", KEY, 1)
    assert owner_of(redis, slot).port in {server.port for server in servers.servers[3:]}
    assert len(redis.shards) == 3
    assert listener.moves > moves
    assert took_seconds < FAILOVER_SECONDS


async def test_a_cluster_that_comes_later_is_found(
    listener: Listener, start_redis: StartRedis
) -> None:
    server = start_redis("--cluster-enabled", "yes", "--cluster-port", str(free_port()))
    server.stop()
    redis = Cluster(
        address_of(f"redis+cluster://127.0.0.1:{server.port}"), [SCRIPT], "b", listener, IMPATIENT
    )
    await redis.start()
    assert not redis.shards

    await asyncio.to_thread(server.restart)
    server.command("CLUSTER", "ADDSLOTSRANGE", "0", str(SLOTS - 1))

    await eventually(lambda: redis.is_healthy)
    assert [shard.name for shard in redis.shards] == [f"127.0.0.1:{server.port}"]
    await redis.stop()


async def test_every_node_is_spoken_to_in_secret(
    listener: Listener, start_redis: StartRedis, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    certificate, key = write_certificate(tmp_path)
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    tls = (
        *("--tls-cert-file", str(certificate), "--tls-key-file", str(key)),
        *("--tls-ca-cert-file", str(certificate)),
    )
    port = free_port()
    server = start_redis(
        *("--cluster-enabled", "yes", "--cluster-port", str(free_port())),
        *("--tls-port", str(port), "--tls-auth-clients", "no", "--tls-cluster", "yes", *tls),
        *("--requirepass", "secret"),
    )
    with redis_py.Redis(port=server.port, password="secret") as client:
        client.cluster("addslotsrange", 0, SLOTS - 1)
    redis = await connected(address_of(f"rediss+cluster://:secret@127.0.0.1:{port}"), listener)

    await eventually(lambda: redis.is_healthy)
    assert [shard.name for shard in redis.shards] == [f"127.0.0.1:{port}"]
    await subscribe(redis, KEY)
    assert await hears(redis, listener, KEY, b"secret")

    await redis.stop()


async def test_a_cluster_that_is_down_is_not_healthy(
    listener: Listener, start_redis: StartRedis
) -> None:
    """By the setting that the documentation asks for: nodes refuse beats then as well."""
    server = start_redis(
        *("--cluster-enabled", "yes", "--cluster-port", str(free_port())),
        *("--cluster-allow-pubsubshard-when-down", "no"),
    )
    server.command("CLUSTER", "ADDSLOTSRANGE", "0", str(SLOTS - 1))
    redis = await connected(address_of(f"redis+cluster://127.0.0.1:{server.port}"), listener)
    await eventually(lambda: redis.is_healthy)

    server.command("CLUSTER", "DELSLOTS", "0")  # one is enough

    await eventually(lambda: not redis.is_healthy)
    with pytest.raises(RedisAway, match="CLUSTERDOWN"):
        await call(redis, KEY, "GET", KEY)
    server.command("CLUSTER", "ADDSLOTS", "0")
    await eventually(lambda: redis.is_healthy)

    await redis.stop()
