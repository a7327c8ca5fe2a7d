"""This module owns Redis as the gateway sees it: commands by slot, whoever serves it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Any, Final, Protocol

from redis.crc import key_slot

from gateway.redis.connection import CommandConnection, connect
from gateway.redis.errors import RedisAway, RedisRefused, word_of
from gateway.redis.scripts import Script
from gateway.redis.shard import OnReply, Shard, ShardListener
from gateway.settings.redis_url import Endpoint, RedisAddress

slot_of: Callable[[bytes], int] = key_slot

_START_PATIENCE_SECONDS: Final = 3.0
_START_LOOK_SECONDS: Final = 0.02


class Redis(Protocol):
    """One master, or as many as a cluster has. Keys with the same slot live on the same one."""

    shards: Sequence[Shard]

    async def start(self) -> None:
        """Connect; return when connected, or after some seconds without having been."""

    async def stop(self) -> None:
        """Disconnect; a second call does nothing."""

    def shard_of(self, slot: int) -> Shard | None:
        """Who serves a slot; None while nobody is known to."""

    def retry(self, error: Exception, slot: int, command: bytes, on_reply: OnReply) -> bool:
        """Send again what was answered by an error that another attempt can mend; False if none.

        Only errors after which the command is known not to have been executed.
        """

    @property
    def is_healthy(self) -> bool:
        """Whether every master has answered, and could be heard, within the last seconds."""


class OneMaster:
    """A single server, or the master that the Sentinels name."""

    def __init__(
        self, address: RedisAddress, scripts: Sequence[Script], beat: str, listener: ShardListener
    ) -> None:
        self._address = address
        locate = self._ask_sentinels if address.topology == "sentinel" else self._where_it_was
        shard = Shard("master", locate, address, scripts, beat.encode, listener)
        self._shard = shard
        self.shards: Sequence[Shard] = (shard,)

    async def start(self) -> None:
        """Connect; return when connected, or after some seconds without having been."""
        self._shard.start()
        await until_connected(self)

    async def stop(self) -> None:
        """Disconnect."""
        await self._shard.stop()

    def shard_of(self, slot: int) -> Shard:  # noqa: ARG002 - all slots are of the one
        """The master."""
        return self._shard

    def retry(self, error: Exception, slot: int, command: bytes, on_reply: OnReply) -> bool:  # noqa: ARG002
        """Scripts are loaded again when the server has forgotten them."""
        self._shard.distrust(error)
        return may_reload(self._shard, error, command, on_reply)

    @property
    def is_healthy(self) -> bool:
        """Whether the master has answered, and could be heard, within the last seconds."""
        return self._shard.is_healthy

    async def _where_it_was(self) -> Endpoint:
        return self._address.endpoints[0]

    async def _ask_sentinels(self) -> Endpoint:
        """The first Sentinel that answers is believed; each is asked with a short patience."""
        sentinel = RedisAddress(
            "single",
            self._address.endpoints,
            self._address.sentinel_credentials,
            is_secure=self._address.is_secure,
        )
        for endpoint in sentinel.endpoints:
            try:
                found = await _master_by(endpoint, sentinel, self._address.master_name)
            except (RedisAway, RedisRefused):
                continue
            if found is not None:
                return found
        raise RedisAway("no Sentinel names a master")


async def _master_by(endpoint: Endpoint, address: RedisAddress, name: str) -> Endpoint | None:
    connection = await connect(lambda: CommandConnection(1.0), endpoint, address)
    try:
        found = await connection.call("SENTINEL", "GET-MASTER-ADDR-BY-NAME", name)
    finally:
        connection.abort()
    return None if found is None else Endpoint(found[0].decode(), int(found[1]))


def may_reload(shard: Shard, error: Exception, command: bytes, on_reply: OnReply) -> bool:
    """Load the scripts and send the command again, if that was what the error is about."""
    if word_of(error) != "NOSCRIPT":
        return False

    async def reload() -> None:
        try:
            await shard.load_scripts()
        except (RedisAway, RedisRefused) as failed:
            on_reply(failed)
            return
        if not shard.send(command, on_reply):
            on_reply(RedisAway("Redis is not connected"))

    task = asyncio.create_task(reload(), name="redis-reload")
    _reloads.add(task)
    task.add_done_callback(_reloads.discard)
    return True


_reloads: set[asyncio.Task[None]] = set()


async def until_connected(redis: Redis) -> None:
    """Give the connections a moment: whoever starts now should not be refused for nothing."""
    try:
        async with asyncio.timeout(_START_PATIENCE_SECONDS):
            while not is_connected(redis):  # noqa: ASYNC110 - connections come and go
                await asyncio.sleep(_START_LOOK_SECONDS)
    except TimeoutError:
        return


def is_connected(redis: Redis) -> bool:
    """Whether commands can be sent and messages heard, as far as is known."""
    return bool(redis.shards) and all(
        shard.commands is not None and shard.subscriber is not None for shard in redis.shards
    )


async def call(redis: Redis, key: bytes, *words: Any) -> Any:  # noqa: ANN401 - whatever Redis says
    """Send one command about `key` and return its reply. Raises `RedisAway` or `RedisRefused`."""
    shard = redis.shard_of(slot_of(key))
    if shard is None:
        raise RedisAway("no node serves the slot")
    return await shard.call(*words)


def redis_of(
    address: RedisAddress, scripts: Sequence[Script], beat: str, listener: ShardListener
) -> Redis:
    """The Redis that an address means. `beat` begins the name of this worker's own channel."""
    return OneMaster(address, scripts, beat, listener)
