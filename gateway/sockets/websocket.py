"""This module owns a connection that speaks WebSocket, from the handshake to the last frame.

Once the handshake is done the transport is ours: no request, no handler, no task stays behind.
"""

from __future__ import annotations

import asyncio
import base64
import binascii
import hashlib
from typing import TYPE_CHECKING, Final, Protocol

from aiohttp import WSMsgType, web
from aiohttp.http_websocket import WebSocketError

from gateway.sockets import frames
from gateway.sockets.internals import FrameQueue, Message, TakenOver, frame_reader, take_over
from gateway.sockets.masking import BOUNDARY, FrameUnmasked, Rest, walk

if TYPE_CHECKING:
    from collections.abc import Mapping

_GUID: Final = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"  # RFC 6455, section 1.3
_TEXT: Final = WSMsgType.TEXT
_KEY_BYTES: Final = 16
_PROTOCOL_ERROR: Final = 1002
_BAD_TEXT: Final = 1007
_FAULT_LIMIT_PINGS: Final = 64  # WebSocket pings in one read; Socket.IO clients send none


class Owner(Protocol):
    """Whom a link tells what it hears. All calls are synchronous."""

    def hear_text(self, link: WebSocketLink, text: bytes) -> None:
        """A text message; valid UTF-8."""

    def hear_binary(self, link: WebSocketLink, data: bytes) -> None:
        """A binary message."""

    def hear_noise(self, link: WebSocketLink, size_bytes: int) -> None:
        """A control frame, or a read that brought no more than a part of a message."""

    def hear_fault(self, link: WebSocketLink, code: int) -> None:
        """The peer broke the rules of WebSocket, and is being closed with `code` for it."""

    def hear_end(self, link: WebSocketLink, *, is_clean: bool) -> None:
        """Nothing more will come; called once."""

    def hear_eof(self, link: WebSocketLink) -> None:
        """The peer will say no more; whoever hears this closes the transport, now or soon."""

    def hear_pause(self, link: WebSocketLink) -> None:
        """The peer does not read as fast as it is written to."""

    def hear_resume(self, link: WebSocketLink) -> None:
        """It has caught up."""


class HandshakeInvalid(ValueError):
    """The request does not open a WebSocket."""


def accept(
    request: web.Request, queue: FrameQueue, owner: Owner, limits: LinkLimits
) -> tuple[WebSocketLink, web.Response]:
    """Open the WebSocket that a request asks for, and hand what it hears to `owner`.

    The handler must call `link.start()` when `owner` is ready, and return the response, without
    awaiting anything. Raises `HandshakeInvalid`, and
    `ConnectionResetError` when the client is gone.
    """
    key = _checked_key(request.headers)
    transport, tail = take_over(request)
    accepted = base64.b64encode(hashlib.sha1(key + _GUID).digest())  # noqa: S324 - the RFC's choice
    transport.write(
        b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        b"Sec-WebSocket-Accept: %b\r\n\r\n" % accepted
    )
    link = WebSocketLink(transport, queue, owner, limits, tail)
    transport.set_protocol(link)
    return link, TakenOver()


def _checked_key(headers: Mapping[str, str]) -> bytes:
    if headers.get("Upgrade", "").lower() != "websocket":
        raise HandshakeInvalid
    if "upgrade" not in headers.get("Connection", "").lower():
        raise HandshakeInvalid
    if headers.get("Sec-WebSocket-Version") != "13":
        raise HandshakeInvalid
    key = headers.get("Sec-WebSocket-Key", "").encode("ascii", "replace")  # by "?", no base64
    try:
        if len(base64.b64decode(key, validate=True)) != _KEY_BYTES:
            raise HandshakeInvalid
    except binascii.Error as error:
        raise HandshakeInvalid from error
    return key


class LinkLimits:
    """What one link may read at once, and how much may wait to be written before it is slow."""

    __slots__ = ("high_water_bytes", "message_bytes")

    def __init__(self, message_bytes: int, high_water_bytes: int) -> None:
        self.message_bytes = message_bytes
        self.high_water_bytes = high_water_bytes


class WebSocketLink(asyncio.Protocol):
    """One open WebSocket: frames in, frames out, nothing in between."""

    __slots__ = (
        "_corked",
        "_is_paused",
        "_queue",
        "_reader",
        "_rest",
        "_tail",
        "owner",
        "transport",
    )

    def __init__(
        self,
        transport: asyncio.Transport,
        queue: FrameQueue,
        owner: Owner,
        limits: LinkLimits,
        tail: bytes = b"",
    ) -> None:
        self.transport = transport
        self.owner: Owner | None = owner
        self._queue = queue
        self._reader = frame_reader(queue, limits.message_bytes)
        self._corked: list[bytes] | None = None
        self._is_paused = False
        self._rest: Rest = BOUNDARY
        self._tail = tail
        transport.set_write_buffer_limits(limits.high_water_bytes)

    @property
    def is_paused(self) -> bool:
        """Whether more is waiting to be written than there should be."""
        return self._is_paused

    def start(self) -> None:
        """Handle what came together with the request."""
        tail, self._tail = self._tail, b""
        if tail:
            self.data_received(tail)

    def write(self, frame: bytes) -> None:
        """Send a frame; what is sent while a read is handled leaves in one system call."""
        if self._corked is None:
            self.transport.write(frame)
        else:
            self._corked.append(frame)

    def close(self, code: int = 1000) -> None:
        """Send the close frame and end; what was written before still goes out."""
        if not self.transport.is_closing():
            self.write(frames.close_frame(code))
            self._uncork()
            self.transport.close()

    def hang_up(self) -> None:
        """End without a close frame; what was written before still goes out.

        For an upgrade that is not finished: python-engineio's client takes the close frame for the
        answer to its probe, and is lost over it for good; without one it goes on polling.
        """
        if not self.transport.is_closing():
            self._uncork()
            self.transport.close()

    def abort(self) -> None:
        """End at once; what is waiting to be written is dropped."""
        self.transport.abort()

    # ---- asyncio.Protocol

    def data_received(self, data: bytes) -> None:
        """Handle every message of one read, then send all answers together."""
        try:
            self._rest = walk(data, self._rest)
        except FrameUnmasked as unmasked:
            self._reader.feed_data(data[: unmasked.place])
            self._queue.add_fault(unmasked)
        else:
            self._reader.feed_data(data)
        messages, fault = self._queue.take()
        self._corked = []
        if not messages and self.owner is not None:
            self.owner.hear_noise(self, len(data))
        for message in messages:
            owner = self.owner
            if owner is None:
                break
            # Nearly every message is ASCII text; it goes on without another call in between.
            if message.type is _TEXT and (text := message.data).isascii():
                owner.hear_text(self, text)
            else:
                self._hear(message)
        if fault is not None and self.owner is not None:
            self._break_off(fault.code if isinstance(fault, WebSocketError) else _PROTOCOL_ERROR)
        self._uncork()

    def eof_received(self) -> bool:
        """The peer has ended without a close frame; we end as well, when the owner gets to it."""
        if self.owner is None:
            return False
        self.owner.hear_eof(self)
        return True

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - asyncio's signature
        """The transport is gone."""
        self._end(is_clean=False)

    def pause_writing(self) -> None:
        """More than the high-water mark is waiting: read no more requests of a peer that lags."""
        self._is_paused = True
        self.transport.pause_reading()
        if self.owner is not None:
            self.owner.hear_pause(self)

    def resume_writing(self) -> None:
        """Most of it has gone out."""
        self._is_paused = False
        if not self.transport.is_closing():
            self.transport.resume_reading()
        if self.owner is not None:
            self.owner.hear_resume(self)

    def _hear(self, message: Message) -> None:
        assert self.owner is not None
        kind = message.type
        if kind is WSMsgType.TEXT:
            text: bytes = message.data
            if not _is_utf8(text):
                self._break_off(_BAD_TEXT)
            else:
                self.owner.hear_text(self, text)
        elif kind is WSMsgType.BINARY:
            self.owner.hear_binary(self, bytes(message.data))
        elif kind is WSMsgType.CLOSE:
            self.close(message.data if isinstance(message.data, int) and message.data else 1000)
            self._end(is_clean=True)
        else:
            self.owner.hear_noise(self, len(message.data))
            if kind is WSMsgType.PING:
                self._answer_ping(message.data)

    def _answer_ping(self, payload: bytes) -> None:
        # A message before it, in the same read, may have been the end.
        if self._corked is not None and len(self._corked) < _FAULT_LIMIT_PINGS:
            self.write(frames.pong_frame(payload))

    def _break_off(self, code: int) -> None:
        if self.owner is not None:
            self.owner.hear_fault(self, code)
        self.close(code)
        self._end(is_clean=False)

    def _end(self, *, is_clean: bool) -> None:
        owner, self.owner = self.owner, None
        if owner is not None:
            owner.hear_end(self, is_clean=is_clean)

    def _uncork(self) -> None:
        corked, self._corked = self._corked, None
        if corked:
            self.transport.write(b"".join(corked))


def _is_utf8(text: bytes) -> bool:
    try:
        text.decode()
    except UnicodeDecodeError:
        return False
    return True
