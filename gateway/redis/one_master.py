"""This module owns Redis as one master: a single server, or the one that the Sentinels name."""

from __future__ import annotations

from collections.abc import Sequence

from gateway.redis.errors import word_of
from gateway.redis.scripts import Script
from gateway.redis.sentinel import Sentinels
from gateway.redis.shard import OnReply, Patience, Shard, ShardListener, until_connected
from gateway.settings.redis_url import Endpoint, RedisAddress


class OneMaster:
    """A single server, or the master that the Sentinels name. Fulfils `Redis`."""

    def __init__(
        self,
        address: RedisAddress,
        scripts: Sequence[Script],
        beat: str,
        listener: ShardListener,
        patience: Patience,
    ) -> None:
        self._patience = patience
        self._endpoint = address.endpoints[0]
        locate = Sentinels(address).locate if address.topology == "sentinel" else self._where_it_was
        self._shard = Shard(
            "master", locate, address, scripts, beat.encode, listener, self.learn, patience
        )
        self.shards: Sequence[Shard] = (self._shard,)

    async def start(self) -> None:
        """Connect; return when connected, or after some seconds without having been."""
        self._shard.start()
        await until_connected(lambda: self.shards, self._patience.start_seconds)

    async def stop(self) -> None:
        """Disconnect."""
        await self._shard.stop()

    def shard_of(self, slot: int) -> Shard:  # noqa: ARG002 - all slots are of the one
        """The master."""
        return self._shard

    def learn(self, error: Exception) -> None:
        """Look for the master anew when this is not it any more."""
        self._shard.distrust(error)

    def retry(self, error: Exception, slot: int, command: bytes, on_reply: OnReply) -> bool:  # noqa: ARG002
        """Scripts are loaded again when the server has forgotten them."""
        self.learn(error)
        return word_of(error) == "NOSCRIPT" and self._shard.send_with_scripts(command, on_reply)

    @property
    def is_healthy(self) -> bool:
        """Whether the master has answered, and could be heard, within the last seconds."""
        return self._shard.is_healthy

    async def _where_it_was(self) -> Endpoint:
        return self._endpoint
