"""This module owns messages from worker to worker: each has a channel, and all have one."""

from __future__ import annotations

from typing import Any

import structlog

from gateway.broker.contract import BrokerUnavailable
from gateway.broker.sessions import Hear
from gateway.redis.client import Redis, slot_of
from gateway.redis.connection import pack
from gateway.redis.shard import Shard

logger = structlog.get_logger(__name__)


class RedisIntercom:
    """One worker's way to all others. The broker tells it of the connections that it shares."""

    def __init__(self, redis: Redis, worker_id: str, prefix: str) -> None:
        self._redis = redis
        self._worker_id = worker_id
        self._prefix = prefix
        self._everyone = f"{prefix}:everyone".encode()
        # Where each of the channels is subscribed.
        self._shards: dict[bytes, Shard | None] = {
            self._channel_of(worker_id): None,
            self._everyone: None,
        }
        self._hear: dict[bytes, Hear] = {}

    @property
    def worker_id(self) -> str:
        """By which name others reach this worker."""
        return self._worker_id

    def hear(self, topic: str, hear: Hear) -> None:
        """Say who is told of a topic."""
        self._hear[topic.encode()] = hear

    def tell(self, worker_id: str, topic: str, message: bytes) -> None:
        """Send a message; when Redis is away it is lost."""
        self._send(self._channel_of(worker_id), topic, message)

    def tell_all(self, topic: str, message: bytes) -> None:
        """Send a message to everybody."""
        if not self._send(self._everyone, topic, message):
            raise BrokerUnavailable

    def _send(self, channel: bytes, topic: str, message: bytes) -> bool:
        shard = self._redis.shard_of(slot_of(channel))
        words = (b"SPUBLISH", channel, topic.encode() + b" " + message)
        return shard is not None and shard.send(pack(words), _unanswered)

    # ---- from the connections

    def heard(self, channel: bytes, data: bytes) -> None:
        """Take a message of a channel that is no room's."""
        if channel not in self._shards:
            return  # the beat, or a room that has just been left
        topic, _, message = data.partition(b" ")
        hear = self._hear.get(topic)
        if hear is None:
            logger.warning("! nobody hears of that", topic=topic[:40])
            return
        try:
            hear(message)
        except Exception:  # the messages behind it are not to suffer for it
            logger.exception("! message not understood", topic=topic)

    def listen(self) -> None:
        """Subscribe where the channels are now, unless that is done."""
        for channel, present in self._shards.items():
            shard = self._redis.shard_of(slot_of(channel))
            if shard is not present and shard is not None and shard.subscriber is not None:
                shard.subscriber.subscribe(channel)
                self._shards[channel] = shard

    def subscriber_down(self, shard: Shard) -> None:
        """What was subscribed there is not any more."""
        for channel, present in self._shards.items():
            if shard is present:
                self._shards[channel] = None

    def dropped(self, channel: bytes) -> None:
        """The slot of a channel has moved to another node."""
        if channel in self._shards:
            self._shards[channel] = None
            self.listen()

    def _channel_of(self, worker_id: str) -> bytes:
        return f"{self._prefix}:worker:{worker_id}".encode()


def _unanswered(reply: Any) -> None:  # noqa: ANN401 - whatever Redis says
    """Whether anybody has heard it is not known, nor needed."""
    if isinstance(reply, Exception):
        logger.debug("! message to a worker lost", why=str(reply))
