"""This module owns the connection on which published messages arrive, and who asked for which."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from typing import Any, Final

from gateway.redis.connection import CommandConnection, pack
from gateway.redis.errors import RedisAway, exception_of

Message = tuple[bytes, bytes]  # channel, data
OnMessages = Callable[[Sequence[Message]], None]

_MESSAGE: Final = b"smessage"
_SUBSCRIBED: Final = b"ssubscribe"
_UNSUBSCRIBED: Final = b"sunsubscribe"


class SubscriberConnection(CommandConnection):
    """Sharded channels (SSUBSCRIBE), which every Redis from 7 on has, in a cluster or not.

    Messages that were read together are handed over together. `on_dropped` is told of a channel
    that the server ends by itself, as a cluster does when the slot has moved.
    """

    def __init__(
        self,
        timeout_seconds: float,
        on_messages: OnMessages,
        on_dropped: Callable[[bytes], None],
    ) -> None:
        super().__init__(timeout_seconds)
        self._on_messages = on_messages
        self._on_dropped = on_dropped
        self._messages: list[Message] = []
        # In the order in which they were sent, which is the order of the answers.
        self._asked: deque[tuple[bytes, bytes, asyncio.Future[None]]] = deque()

    def subscribe(self, channel: bytes) -> asyncio.Future[None]:
        """Ask for a channel; done once messages come, or failed with what Redis said against it."""
        return self._ask(_SUBSCRIBED, b"SSUBSCRIBE", channel)

    def unsubscribe(self, channel: bytes) -> None:
        """Ask for no more of a channel."""
        self._ask(_UNSUBSCRIBED, b"SUNSUBSCRIBE", channel)

    def _ask(self, answer: bytes, word: bytes, channel: bytes) -> asyncio.Future[None]:
        done: asyncio.Future[None] = self._loop.create_future()
        done.add_done_callback(_look_at_exception)
        if self.lost.is_set():
            done.set_exception(RedisAway("the connection to Redis is lost"))
        else:
            self._asked.append((answer, channel, done))
            self.write(pack((word, channel)))
        return done

    def receive(self, reply: Any) -> None:  # noqa: ANN401 - whatever Redis says
        """Gather messages; match answers with questions."""
        if type(reply) is list and len(reply) == 3:  # noqa: PLR2004 - every push has three
            kind, channel, last = reply
            if kind == _MESSAGE:
                self._messages.append((channel, last))
                return
            if kind in {_SUBSCRIBED, _UNSUBSCRIBED}:
                self._confirm(kind, channel)
                return
        if isinstance(reply, Exception) and not self.waiting and self._asked:
            self._settle(self._asked.popleft()[2], exception_of(reply))
            return
        super().receive(reply)

    def received(self) -> None:
        """Hand over what came together."""
        super().received()
        if self._messages:
            messages, self._messages = self._messages, []
            self._on_messages(messages)

    def ended(self) -> None:
        """No answer comes any more."""
        super().ended()
        away = RedisAway("the connection to Redis is lost")
        while self._asked:
            self._settle(self._asked.popleft()[2], away)

    def _confirm(self, kind: bytes, channel: bytes) -> None:
        if self._asked and self._asked[0][:2] == (kind, channel):
            self._settle(self._asked.popleft()[2], None)
        elif kind == _UNSUBSCRIBED:
            self._on_dropped(channel)

    @staticmethod
    def _settle(done: asyncio.Future[None], error: Exception | None) -> None:
        if done.done():
            return  # whoever asked has given up waiting
        if error is None:
            done.set_result(None)
        else:
            done.set_exception(error)


def _look_at_exception(done: asyncio.Future[None]) -> None:
    """A question may be given up, or never waited for; then nobody misses the answer."""
    if not done.cancelled():
        done.exception()
