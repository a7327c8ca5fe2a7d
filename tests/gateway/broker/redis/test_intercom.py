"""What only Redis can do to messages between workers; the rest is in test_sessions.py."""

from __future__ import annotations

import asyncio
import secrets

from gateway.broker.redis.broker import RedisBroker
from gateway.redis.slots import slot_of
from gateway.settings import RoomKind
from gateway.settings.redis_url import address_of
from tests.gateway.broker.worker import eventually
from tests.toolbox.redis_cluster import RedisCluster


async def test_a_worker_is_told_also_when_the_slot_of_its_channel_has_moved(
    shared_redis_cluster: RedisCluster,
) -> None:
    cluster, prefix = shared_redis_cluster, secrets.token_hex(4)
    address = address_of(cluster.url)
    here, there = (
        RedisBroker(address, lambda _: RoomKind(), prefix=prefix, worker_id=name)
        for name in ("here", "there")
    )
    for broker in (here, there):
        await broker.start(lambda _: None)
    heard: list[bytes] = []
    there.intercom.hear("topic", heard.append)
    slot = slot_of(f"{prefix}:worker:there".encode())

    for number in range(3):
        old = cluster.master_of(slot)
        new = next(server for server in cluster.servers[:3] if server is not old)
        await asyncio.to_thread(cluster.move, slot, new)
        message = b"%d" % number
        async with asyncio.timeout(5.0):
            while message not in heard:  # it may be lost, and is not for long
                here.intercom.tell("there", "topic", message)
                await asyncio.sleep(0.02)

    await eventually(lambda: {b"0", b"1", b"2"} == set(heard))
    for broker in (here, there):
        await broker.stop()
