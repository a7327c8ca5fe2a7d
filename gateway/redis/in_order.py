"""This module owns commands that keep their order, whatever becomes of the slot they are about.

One that Redis has answered with where to go, or with not yet, is sent again. Meanwhile all that
comes after it in its slot waits behind it: first for the answers to what is under way, which may
be such ones too, then for the first of all, which goes alone. Once it was taken the rest follows.
"""

from __future__ import annotations

import asyncio
from collections import deque
from typing import Any, Final

import msgspec
import structlog

from gateway.redis.client import Redis
from gateway.redis.connection import pack
from gateway.redis.errors import RedisAway, word_of
from gateway.redis.shard import OnReply, Shard
from gateway.redis.slots import SLOTS

logger = structlog.get_logger(__name__)

# Longer than it takes to move a slot with its keys, and not longer than a silent server may take.
LIMIT_SECONDS: Final = 1.0
LIMIT_BYTES: Final = 8_388_608  # of all that waits, in all slots
_PAUSES_SECONDS: Final = (0.005, 0.01, 0.02, 0.05)
# Answers after which the command is known not to have been executed, and will be before long.
_PASSING: Final = frozenset({"ASK", "MOVED", "NOSCRIPT", "TRYAGAIN"})
_FENCE: Final = pack(("PING",))
_UNREACHED: Final = "the master of the slot is not reached"


class _Command(msgspec.Struct):
    packed: bytes
    on_reply: OnReply
    until_seconds: float


class _Queue:
    """What waits in one slot: what was answered already goes before what was never sent."""

    __slots__ = ("answered", "attempts", "commands", "error")

    def __init__(self) -> None:
        self.commands: deque[_Command] = deque()
        self.answered = 0
        self.attempts = 0
        self.error: Exception | None = None  # what the first of them was answered last


class InOrder:
    """Sends commands such that those of one slot are executed in the order of sending."""

    def __init__(self, redis: Redis) -> None:
        self._redis = redis
        self._queues: dict[int, _Queue] = {}
        self._waiting_bytes = 0
        # Where all commands of a slot that are not answered yet were sent to.
        self._shards: list[Shard | None] = [None] * SLOTS

    def send(self, slot: int, command: bytes, on_reply: OnReply) -> bool:
        """Send a packed command now, or once it is its turn; False when neither can be done.

        `on_reply` gets the reply once; it asks `again` what to do about an error.
        """
        shard = self._redis.shard_of(slot)
        if shard is None:
            return False
        if shard is not self._shards[slot] or slot in self._queues:
            return self._send_elsewhere(slot, shard, command, on_reply)
        return shard.send(command, on_reply)

    def again(self, error: Exception, slot: int, command: bytes, on_reply: OnReply) -> bool:
        """Send again what was answered by an error that passes; False when it is the last word."""
        self._redis.learn(error)
        if not _passes(error):
            return False
        queue = self._queues.get(slot) or self._open(slot)
        if not self._wait(queue, queue.answered, command, on_reply):
            return False
        if not queue.answered:
            queue.error = error
        queue.answered += 1
        return True

    def _send_elsewhere(self, slot: int, shard: Shard, command: bytes, on_reply: OnReply) -> bool:
        queue = self._queues.get(slot)
        if queue is None:
            before = self._shards[slot]
            if before is None or not before.waiting:
                self._shards[slot] = shard
                return shard.send(command, on_reply)
            queue = self._open(slot)
        return self._wait(queue, len(queue.commands), command, on_reply)

    def _wait(self, queue: _Queue, index: int, command: bytes, on_reply: OnReply) -> bool:
        if self._waiting_bytes + len(command) > LIMIT_BYTES:
            return False
        self._waiting_bytes += len(command)
        until_seconds = asyncio.get_running_loop().time() + LIMIT_SECONDS
        queue.commands.insert(index, _Command(command, on_reply, until_seconds))
        return True

    def _open(self, slot: int) -> _Queue:
        """Begin to wait."""
        queue = self._queues[slot] = _Queue()
        # not at once: what is to wait is put into it first
        asyncio.get_running_loop().call_soon(self._await_answers, slot)
        return queue

    def _await_answers(self, slot: int) -> None:
        """Let everything be answered that is under way: replies come in the order of commands."""
        shard = self._shards[slot]
        if shard is None or not shard.waiting:
            self._try_first(slot)
        elif not shard.send(_FENCE, lambda _: self._try_first(slot)):
            # it has been given more than it takes: it will take it, or be lost
            asyncio.get_running_loop().call_later(_PAUSES_SECONDS[0], self._await_answers, slot)

    def _try_first(self, slot: int) -> None:
        """Send the first that may still be sent; with nothing left, the slot is as any other."""
        queue = self._queues[slot]
        now_seconds = asyncio.get_running_loop().time()
        while queue.commands and queue.commands[0].until_seconds <= now_seconds:
            why = queue.error or _UNREACHED
            self._answer(self._pop(queue), RedisAway(str(why)))
        if not queue.commands:
            self._follow(slot, queue)
        elif not self._send_first(slot, queue):
            self._pause(slot, queue)

    def _send_first(self, slot: int, queue: _Queue) -> bool:
        command, error = queue.commands[0].packed, queue.error

        def take(reply: Any) -> None:  # noqa: ANN401 - whatever Redis says
            if isinstance(reply, Exception) and _passes(reply):
                self._redis.learn(reply)
                queue.error = reply
                self._pause(slot, queue)
                return
            self._answer(self._pop(queue), reply)
            self._follow(slot, queue)

        if error is not None and word_of(error) in {"ASK", "NOSCRIPT"}:
            queue.error = None
            return self._redis.retry(error, slot, command, take)
        shard = self._redis.shard_of(slot)
        return shard is not None and shard.send(command, take)

    def _pause(self, slot: int, queue: _Queue) -> None:
        pause_seconds = _PAUSES_SECONDS[min(queue.attempts, len(_PAUSES_SECONDS) - 1)]
        queue.attempts += 1
        asyncio.get_running_loop().call_later(pause_seconds, self._try_first, slot)

    def _follow(self, slot: int, queue: _Queue) -> None:
        """Send all others: the first was taken, or refused in a way that says nothing of them."""
        del self._queues[slot]
        shard = self._shards[slot] = self._redis.shard_of(slot)
        while queue.commands:
            command = self._pop(queue)
            if shard is None or not shard.send(command.packed, command.on_reply):
                self._answer(command, RedisAway(_UNREACHED))

    def _pop(self, queue: _Queue) -> _Command:
        command = queue.commands.popleft()
        self._waiting_bytes -= len(command.packed)
        return command

    @staticmethod
    def _answer(command: _Command, reply: Any) -> None:  # noqa: ANN401 - whatever Redis says
        try:
            command.on_reply(reply)
        except Exception:
            logger.exception("! a reply could not be used")  # others wait behind it


def _passes(error: Exception) -> bool:
    return not isinstance(error, RedisAway) and word_of(error) in _PASSING
