"""What is broken in a run: each fault is inflicted, lasts for a while, and is mended again.

They are for a fleet on one Redis that keeps what it has acknowledged (`RedisServer` with the
append-only file), and may follow each other in any order.
"""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import Awaitable, Callable
from typing import Final, NamedTuple

from tests.journeys.ledger.stage import Stage
from tests.toolbox.fleet import until_ready
from tests.toolbox.gateway_process import GatewayProcess
from tests.toolbox.redis_server import RedisServer

# Whatever a room's channel may be told by a stranger who has its name.
POISON: Final = (
    "",
    "x",
    "\x00\xff",
    "{}",
    '{"epoch":1}',
    '42["bike-updated",{}]',
    "1.2.3",
    "0" * 200_000,
)
KEEP: Final = ("--appendonly", "yes", "--appendfsync", "always")


class Fault(NamedTuple):
    """`may_reset`: members may be told that continuity is lost; nobody may find out alone."""

    inflict: Callable[[Stage, RedisServer], Awaitable[None]]
    may_reset: bool = False


async def kill_a_worker(stage: Stage, redis: RedisServer) -> None:
    worker = stage.a_worker()
    worker.kill()
    await asyncio.sleep(1)
    await _start(worker)


async def restart_all_workers(stage: Stage, redis: RedisServer) -> None:
    """One after the other, politely, as a release does."""
    for worker in stage.fleet.workers:
        status = await asyncio.to_thread(worker.stop)
        assert status == 0, f"exit status {status}:\n{worker.log[-3000:]}"
        await _start(worker)


async def freeze_a_worker(stage: Stage, redis: RedisServer, seconds: float = 10.0) -> None:
    worker = stage.a_worker()
    worker.pause()
    try:
        await asyncio.sleep(seconds)
    finally:
        worker.resume()
    await until_ready(worker)


async def kill_redis(stage: Stage, redis: RedisServer, seconds: float = 3.0) -> None:
    """It comes back with what it has acknowledged."""
    await asyncio.to_thread(redis.kill)
    await asyncio.sleep(seconds)
    await asyncio.to_thread(redis.restart)


async def empty_redis(stage: Stage, redis: RedisServer, seconds: float = 2.0) -> None:
    """It comes back with nothing."""
    await asyncio.to_thread(redis.kill)
    shutil.rmtree(redis.folder / "appendonlydir", ignore_errors=True)
    await asyncio.sleep(seconds)
    await asyncio.to_thread(redis.restart)


async def kill_subscribers(stage: Stage, redis: RedisServer, times: int = 5) -> None:
    for _ in range(times):
        redis.command("CLIENT", "KILL", "TYPE", "pubsub")
        await asyncio.sleep(stage.dice.uniform(0.2, 0.8))


async def kill_connections(stage: Stage, redis: RedisServer, times: int = 5) -> None:
    """Those that commands go over, too: whoever waits for an answer gets none."""
    for _ in range(times):
        redis.command("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")
        redis.command("CLIENT", "KILL", "TYPE", "pubsub")
        await asyncio.sleep(stage.dice.uniform(0.2, 0.8))


async def forget_scripts(stage: Stage, redis: RedisServer, times: int = 5) -> None:
    for _ in range(times):
        redis.command("SCRIPT", "FLUSH")
        await asyncio.sleep(stage.dice.uniform(0.1, 0.5))


async def flush_redis(stage: Stage, redis: RedisServer) -> None:
    """It forgets everything, and no connection ends."""
    redis.command("FLUSHALL")
    await asyncio.sleep(1)


async def evict_keys(stage: Stage, redis: RedisServer) -> None:
    """A room's place or history goes, as with a policy that evicts whatever is old."""
    for room in stage.rooms:
        part = stage.dice.choice(["head", "log"])
        for key in await asyncio.to_thread(redis.keys, f"*{{{room}}}:{part}"):
            redis.command("DEL", key)
        await asyncio.sleep(0.3)


async def pause_redis(stage: Stage, redis: RedisServer, seconds: float = 8.0) -> None:
    """It accepts connections and commands, and answers later."""
    redis.command("CLIENT", "PAUSE", str(round(seconds * 1000)))
    await asyncio.sleep(seconds)


async def freeze_redis(stage: Stage, redis: RedisServer, seconds: float = 6.0) -> None:
    redis.pause()
    try:
        await asyncio.sleep(seconds)
    finally:
        redis.resume()


async def fill_redis(stage: Stage, redis: RedisServer, seconds: float = 3.0) -> None:
    """No memory for anything new."""
    redis.command("CONFIG", "SET", "maxmemory-policy", "noeviction")
    redis.command("CONFIG", "SET", "maxmemory", "1mb")
    try:
        await asyncio.sleep(seconds)
    finally:
        redis.command("CONFIG", "SET", "maxmemory", "0")


async def poison_channels(stage: Stage, redis: RedisServer) -> None:
    """Strangers publish on the rooms' channels."""
    for channel in await asyncio.to_thread(redis.channels):
        for message in POISON:
            redis.command("PUBLISH", channel, message)
            redis.command("SPUBLISH", channel, message)
            await asyncio.sleep(0.01)


async def _start(worker: GatewayProcess) -> None:
    await asyncio.to_thread(worker.start)
    await until_ready(worker)


FAULTS: Final = {
    "a worker is killed": Fault(kill_a_worker),
    "all workers are restarted": Fault(restart_all_workers),
    "a worker is frozen": Fault(freeze_a_worker),
    "Redis is killed": Fault(kill_redis),
    "Redis comes back empty": Fault(empty_redis, may_reset=True),
    "subscribers are killed": Fault(kill_subscribers),
    "connections are killed": Fault(kill_connections),
    "scripts are forgotten": Fault(forget_scripts),
    "Redis is flushed": Fault(flush_redis, may_reset=True),
    "keys are evicted": Fault(evict_keys, may_reset=True),
    "Redis pauses its clients": Fault(pause_redis),
    "Redis is frozen": Fault(freeze_redis),
    "Redis is full": Fault(fill_redis),
    "channels are poisoned": Fault(poison_channels),
}


async def suffer(stage: Stage, redis: RedisServer, name: str) -> None:
    """Inflict a fault, and return when it is over and everybody hears again.

    Raises `TimeoutError` when somebody does not hear within the patience of the cast.
    """
    fault = FAULTS[name]
    async with stage.fault(name, may_reset=fault.may_reset):
        await fault.inflict(stage, redis)
    await stage.until_all_hear()
