"""This module owns Redis as the gateway sees it: commands by slot, whoever serves it."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any, Final, Protocol

from gateway.redis.cluster import Cluster
from gateway.redis.connection import pack
from gateway.redis.errors import RedisAway, exception_of
from gateway.redis.one_master import OneMaster
from gateway.redis.scripts import Script
from gateway.redis.shard import OnReply, Patience, Shard, ShardListener
from gateway.redis.slots import slot_of
from gateway.settings.redis_url import RedisAddress

# One for a slot that has moved, one for scripts that are unknown there, one for the next move.
RETRIES: Final = 3
_PATIENT: Final = Patience()


class Redis(Protocol):
    """One master, or as many as a cluster has. Keys with the same slot live on the same one."""

    @property
    def shards(self) -> Sequence[Shard]:
        """The masters that are known at present."""

    async def start(self) -> None:
        """Connect; return when connected, or after some seconds without having been."""

    async def stop(self) -> None:
        """Disconnect; a second call does nothing."""

    def shard_of(self, slot: int) -> Shard | None:
        """Who serves a slot; None while nobody is known to."""

    def learn(self, error: Exception) -> None:
        """Take from an error reply what it says of where things are now, if anything."""

    def retry(self, error: Exception, slot: int, command: bytes, on_reply: OnReply) -> bool:
        """Send again what was answered by an error that another attempt can mend; False if none.

        Only errors after which the command is known not to have been executed.
        """

    @property
    def is_healthy(self) -> bool:
        """Whether every master has answered, and could be heard, within the last seconds."""


async def call(redis: Redis, key: bytes, *words: Any) -> Any:  # noqa: ANN401 - whatever Redis says
    """Send one command about `key` and return its reply. Raises `RedisAway` or `RedisRefused`."""
    return await call_at(redis, slot_of(key), *words)


async def call_at(redis: Redis, slot: int, *words: Any) -> Any:  # noqa: ANN401
    """Send one command about keys of a slot, to wherever that is; the same otherwise."""
    answered: asyncio.Future[Any] = asyncio.get_running_loop().create_future()

    def take(reply: Any) -> None:  # noqa: ANN401
        if not answered.done():
            answered.set_result(reply)

    if not send_at(redis, slot, pack(words), take):
        raise RedisAway("Redis is not connected")
    reply = await answered
    if isinstance(reply, RedisAway):
        raise reply
    if isinstance(reply, Exception):
        raise exception_of(reply)
    return reply


def send_at(redis: Redis, slot: int, command: bytes, on_reply: OnReply) -> bool:
    """Send a packed command to wherever its slot is; False when it cannot be done now.

    `on_reply` gets the reply once, an exception among them, when no other attempt can mend it.
    """
    attempts = 0

    def take(reply: Any) -> None:  # noqa: ANN401
        nonlocal attempts
        if isinstance(reply, Exception):
            attempts += 1
            if attempts <= RETRIES and redis.retry(reply, slot, command, take):
                return
        on_reply(reply)

    shard = redis.shard_of(slot)
    return shard is not None and shard.send(command, take)


def redis_of(
    address: RedisAddress,
    scripts: Sequence[Script],
    beat: str,
    listener: ShardListener,
    patience: Patience = _PATIENT,
) -> Redis:
    """The Redis that an address means. `beat` begins the name of this worker's own channel."""
    if address.topology == "cluster":
        return Cluster(address, scripts, beat, listener, patience)
    return OneMaster(address, scripts, beat, listener, patience)
