"""This module owns one stream of Server-Sent Events: a peer, and what it has still to be sent.

While the reader keeps up, finished events are gathered for one turn of the loop and written
together. One that does not has an outbox like a slow socket: bounded, the newest of each bike.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from gateway.rooms.membership import Peer
from gateway.rooms.outbox import Outbox
from protocol import attachments, codec, streams

if TYPE_CHECKING:
    from gateway.identity import Identity
    from gateway.rooms.publication import Publication

# For whoever does not read, to be told why it is cut off.
_LAST_WORDS_SECONDS: Final = 0.5


def event_of(publication: Publication) -> bytes:
    """A publication as a stream has it; a notice has no place, hence no id."""
    cursor = str(publication.cursor).encode() if publication.epoch else b""
    return _written(publication.packet, cursor, publication.attachments)


class Stream(Peer):
    """A peer that reads one room over HTTP; `abort` cuts its connection."""

    __slots__ = (
        "_abort",
        "_gathered",
        "_gathered_bytes",
        "_high_water_bytes",
        "_is_begun",
        "_last_words",
        "_outbox",
        "_outbox_limit_bytes",
        "_timer",
        "_waiting",
        "address",
        "is_over",
    )

    def __init__(  # noqa: PLR0913, PLR0917 - who it is, and the limits of what waits for it
        self,
        peer_id: str,
        identity: Identity,
        address: str,
        outbox_limit_bytes: int,
        high_water_bytes: int,
        abort: Callable[[], None],
    ) -> None:
        super().__init__(peer_id, identity)
        self.stays_apart = True
        self.address = address
        self.is_over = False
        self._outbox_limit_bytes = outbox_limit_bytes
        self._high_water_bytes = high_water_bytes
        self._abort = abort
        self._gathered: list[bytes] = []
        self._gathered_bytes = 0
        self._is_begun = False
        self._outbox: Outbox | None = None
        self._last_words = b""
        self._timer: asyncio.TimerHandle | None = None
        self._waiting: asyncio.Future[None] | None = None

    def put(self, publication: Publication, event: bytes) -> bool:
        """Take a publication, which is written as `event`; False when too much is waiting.

        What it missed before it came is no sign of slowness: that waits for it whatever its size,
        as a room's history is bounded.
        """
        if self.is_over:
            return True
        is_slow = self._is_begun and self._gathered_bytes > self._high_water_bytes
        if is_slow and self._outbox is None:
            self._outbox = Outbox(self._outbox_limit_bytes)
        if self._outbox is None:
            self.say(event)
            return True
        cursor = str(publication.cursor).encode() if publication.epoch else b""
        return self._outbox.put(publication, cursor)

    def say(self, event: bytes) -> None:
        """Have something written after all that is gathered."""
        self._gathered.append(event)
        self._gathered_bytes += len(event)
        self._wake()

    def begin(self) -> None:
        """From now on it has to keep up."""
        self._is_begun = True

    def end(self, last_words: bytes) -> None:
        """Write no more than what is gathered and these; who does not read them is cut off."""
        if self.is_over:
            return
        self.is_over = True
        self._outbox = None
        self._last_words = last_words
        self._timer = asyncio.get_running_loop().call_later(_LAST_WORDS_SECONDS, self._abort)
        self._wake()

    def close(self) -> None:
        """Nothing will be written any more."""
        self.is_over = True
        self._outbox = None
        if self._timer is not None:
            self._timer.cancel()

    def take(self) -> bytes:
        """Remove and return what is to be written next; empty when there is nothing."""
        if self._gathered:
            data = b"".join(self._gathered)
            self._gathered.clear()
            self._gathered_bytes = 0
            return data
        if self._outbox:
            waiting = self._outbox.take_apart(self._high_water_bytes)
            return b"".join(
                [_written(packet, trail, attached) for packet, trail, attached, _ in waiting]
            )
        self._outbox = None
        last_words, self._last_words = self._last_words, b""
        return last_words

    async def wait(self, limit_seconds: float) -> bool:
        """Return when there may be something to write; False when nothing came for so long."""
        self._waiting = asyncio.get_running_loop().create_future()
        try:
            async with asyncio.timeout(limit_seconds):
                await self._waiting
        except TimeoutError:
            return False
        finally:
            self._waiting = None
        return True

    def _wake(self) -> None:
        if self._waiting is not None and not self._waiting.done():
            self._waiting.set_result(None)


def _written(packet: bytes, cursor: bytes, attached: tuple[bytes, ...]) -> bytes:
    name, payload = codec.parts_of(packet)
    return streams.event_of(name, attachments.in_text(payload, attached), cursor.decode())
