"""This module owns HTTP long-polling: the payloads, and what waits for the next poll."""

from __future__ import annotations

import asyncio
import base64
import binascii
from typing import Final

SEPARATOR: Final = b"\x1e"
# What may wait for a client that does not poll, before it is given up as gone.
WAITING_LIMIT_BYTES: Final = 4 * 1024 * 1024
# python-engineio's clients drop the connection over a payload of more.
PAYLOAD_LIMIT_PACKETS: Final = 16


class PayloadInvalid(ValueError):
    """The body of a POST is not a sequence of Engine.IO packets."""


def packets_of(payload: bytes) -> list[tuple[bytes, bool]]:
    """Take a payload apart: `(packet, whether it is binary)`, in order. Raises `PayloadInvalid`."""
    _check_text(payload)
    packets: list[tuple[bytes, bool]] = []
    for part in payload.split(SEPARATOR):
        if part[:1] == b"b":
            packets.append((_binary_of(part[1:]), True))
        elif part:
            packets.append((part, False))
        else:
            raise PayloadInvalid
    return packets


def _check_text(payload: bytes) -> None:
    try:
        payload.decode()
    except UnicodeDecodeError as error:
        raise PayloadInvalid from error


def _binary_of(text: bytes) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except binascii.Error as error:
        raise PayloadInvalid from error


def payload_of(packets: list[tuple[bytes, bool]]) -> bytes:
    """Put a payload together."""
    return SEPARATOR.join(
        b"b" + base64.b64encode(packet) if is_binary else packet for packet, is_binary in packets
    )


class Pollbox:
    """What waits for the client's next GET, and the GET that waits for something to send."""

    __slots__ = ("_is_closed", "_last", "_pause", "_poll", "_size_bytes", "_waiting", "is_pushed")

    def __init__(self) -> None:
        self._waiting: list[tuple[bytes, bool]] = []
        self._size_bytes = 0
        self._poll: asyncio.Future[bytes] | None = None
        self._pause: bytes | None = None
        self._is_closed = False
        self._last: tuple[str, bytes] | None = None
        self.is_pushed = False  # whether a POST is under way

    @property
    def is_full(self) -> bool:
        """Whether more is waiting than a live client would ever leave; one packet may be large."""
        return self._size_bytes > WAITING_LIMIT_BYTES and len(self._waiting) > 1

    @property
    def is_polled(self) -> bool:
        """Whether a GET is under way."""
        return self._poll is not None

    @property
    def has_more(self) -> bool:
        """Whether the next GET will be answered at once."""
        return bool(self._waiting)

    def put(self, packet: bytes) -> None:
        """Add a text packet."""
        self._add(packet, is_binary=False)

    def put_binary(self, data: bytes) -> None:
        """Add a binary packet."""
        self._add(data, is_binary=True)

    def fetch(self) -> bytes:
        """Take what is waiting, as a payload: as much as any client takes in one."""
        waiting = self._waiting[:PAYLOAD_LIMIT_PACKETS]
        del self._waiting[:PAYLOAD_LIMIT_PACKETS]
        self._size_bytes -= sum(len(packet) for packet, _ in waiting)
        if not waiting and self._pause is not None:
            return self._pause
        return payload_of(waiting)

    async def poll(self) -> bytes:
        """Wait for something to send; at most one call at a time."""
        if self._waiting or self._pause is not None or self._is_closed:
            return self.fetch()
        self._poll = asyncio.get_running_loop().create_future()
        try:
            await self._poll
        finally:
            self._poll = None
        return self.fetch()

    async def poll_once(self, stamp: str | None) -> bytes:
        """Wait for something to send; the same again when the request was made before.

        HTTP clients, browsers too, and proxies repeat a GET by themselves when its connection is
        reset. Then the answer was lost, and what it held is nowhere else any more. Clients stamp
        each request, to go past caches; so a repeated one has the stamp of the last one.
        """
        if self._last is not None and self._last[0] == stamp:
            return self._last[1]
        payload = await self.poll()
        self._last = (stamp, payload) if stamp else None
        return payload

    def pause(self, noop: bytes) -> None:
        """An upgrade is being probed: answer this GET and any further one at once."""
        self._pause = noop
        self._wake()

    def resume(self) -> None:
        """The upgrade came to nothing."""
        self._pause = None

    def hand_over(self, noop: bytes) -> list[tuple[bytes, bool]]:
        """The upgrade is done: end the last GET, and give away what is still waiting."""
        waiting, self._waiting = self._waiting, []
        self._pause = noop
        self._wake()
        return waiting

    def close(self, packet: bytes) -> None:
        """Say `packet` to a GET that is waiting; there will be no other."""
        if not self._is_closed:
            self._is_closed = True
            self._add(packet, is_binary=False)

    def _add(self, packet: bytes, *, is_binary: bool) -> None:
        self._waiting.append((packet, is_binary))
        self._size_bytes += len(packet)
        self._wake()

    def _wake(self) -> None:
        # The GET is answered in the next turn of the loop, together with what else this one sends.
        if self._poll is not None and not self._poll.done():
            self._poll.set_result(b"")
