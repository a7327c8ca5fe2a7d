"""What the connections to Redis are listened to by: it writes down what it is told."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Final

from gateway.redis.client import Redis, call
from gateway.redis.shard import Patience, Shard
from gateway.redis.slots import slot_of
from gateway.redis.subscriber import Message

PATIENCE_SECONDS: Final = 10.0
# What lasts longer than this is a silence.
IMPATIENT: Final = Patience(
    beat_seconds=0.2, silence_seconds=1.0, command_seconds=0.8, start_seconds=1.5
)
SILENCE_SECONDS: Final = 1.3


class Listener:
    def __init__(self) -> None:
        self.messages: list[Message] = []
        self.dropped_channels: list[bytes] = []
        self.ups = 0
        self.downs = 0
        self.command_ups = 0
        self.moves = 0

    def heard(self, messages: Sequence[Message]) -> None:
        self.messages.extend(messages)

    def dropped(self, _shard: Shard, channel: bytes) -> None:
        self.dropped_channels.append(channel)

    def subscriber_up(self, _shard: Shard) -> None:
        self.ups += 1

    def subscriber_down(self, _shard: Shard) -> None:
        self.downs += 1

    def commands_up(self, _shard: Shard) -> None:
        self.command_ups += 1

    def moved(self) -> None:
        self.moves += 1


def ignore(_error: Exception) -> None:
    """Learn nothing."""


async def eventually(condition: Callable[[], bool], seconds: float = PATIENCE_SECONDS) -> float:
    """Return, with how long it took, as soon as the condition holds; fail when it does not."""
    loop = asyncio.get_running_loop()
    began_at = loop.time()
    async with asyncio.timeout(seconds):
        while not condition():  # noqa: ASYNC110 - what it waits for tells nobody
            await asyncio.sleep(0.01)
    return loop.time() - began_at


async def subscribe(redis: Redis, channel: bytes) -> None:
    """Hear a channel from now on."""
    shard = redis.shard_of(slot_of(channel))
    assert shard is not None
    assert shard.subscriber is not None
    await shard.subscriber.subscribe(channel)


async def hears(redis: Redis, listener: Listener, channel: bytes, data: bytes) -> bool:
    """Whether what is published to a channel arrives, once it is subscribed to."""
    await call(redis, channel, "SPUBLISH", channel, data)
    try:
        await eventually(lambda: (channel, data) in listener.messages, 2.0)
    except TimeoutError:
        return False
    return True
