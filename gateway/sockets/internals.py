"""This module owns everything that we know of the insides of aiohttp and python-engineio.

Versions are pinned exactly in `pyproject.toml`, and each name has a test in
`tests/gateway/sockets/test_internals.py` that fails loudly when it moves.

aiohttp 3.14
    _websocket.reader.WebSocketReader, WebSocketDataQueue   the compiled frame reader
    web_protocol.RequestHandler._task_handler, ._message_tail, ._messages, ._request_count,
    ._upgraded, ._drain_helper, .connection_lost, .handle_error, .finish_response
    web_response.StreamResponse._keep_alive, ._eof_sent, ._cookies
    http_writer._serialize_headers   the compiled writer of headers
    web_server.Server._loop, ._kwargs
python-engineio 4.15
    base_socket.BaseSocket, async_server.AsyncServer._trigger_event
python-socketio 5.18
    AsyncServer._engineio_server_class, ._handle_connect, ._handle_disconnect, ._handle_event,
    ._handle_ack, ._handle_eio_connect, ._handle_eio_disconnect, ._send_packet, ._binary_packet
    base_manager.BaseManager.rooms, .pending_connect, .pending_disconnect, .callbacks
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, Protocol, cast

from aiohttp import HttpVersion11, WSMsgType, hdrs, web
from aiohttp._websocket.reader import WebSocketDataQueue, WebSocketReader
from aiohttp.helpers import must_be_empty_body, rfc822_formatted_time
from aiohttp.http_writer import _serialize_headers
from aiohttp.web_protocol import RequestHandler


class Message(Protocol):
    """What the frame reader makes: `data` is bytes for text too, and the code of a close."""

    type: WSMsgType
    data: Any


class FrameQueue(WebSocketDataQueue):
    """Where the frame reader puts what it has read: one list, emptied after every read.

    One queue serves all connections of a loop, because reading is synchronous; aiohttp's own keeps
    a deque and a waiter for each.
    """

    def __init__(self) -> None:
        super().__init__(
            cast("Any", _NeverPaused()), 2**16, loop=cast("asyncio.AbstractEventLoop", None)
        )
        self.messages: list[Message] = []
        self.fault: BaseException | None = None

    def feed_data(self, data: Any, size: int) -> None:  # noqa: ANN401, ARG002 - aiohttp's signature
        """Called by the reader for every message."""
        self.messages.append(data)

    def set_exception(self, exc: BaseException, exc_cause: object = None) -> None:  # noqa: ARG002
        """Called by the reader when the peer breaks the protocol."""
        self.fault = exc

    def add_fault(self, fault: Exception) -> None:
        """What the peer did wrong behind all that was fed; of two faults the first one counts."""
        self.fault = self.fault or fault

    def feed_eof(self) -> None:
        """There is nothing to release."""

    def take(self) -> tuple[list[Message], BaseException | None]:
        """Return what was read since the last time."""
        taken = self.messages, self.fault
        self.messages, self.fault = [], None
        return taken


class _NeverPaused:
    _reading_paused = False


def frame_reader(queue: FrameQueue, limit_bytes: int) -> WebSocketReader:
    """A reader for one connection; text comes as bytes and has not been checked to be UTF-8."""
    # aiohttp refuses what is as long as its limit already
    return WebSocketReader(queue, limit_bytes + 1, compress=False, decode_text=False)


class TakenOver(web.Response):
    """What a handler returns when the connection is no longer aiohttp's: nothing is sent."""

    async def prepare(self, request: web.BaseRequest) -> None:
        """Nothing to prepare."""

    async def write_eof(self, data: bytes = b"") -> None:
        """Nothing to write."""


class _Handler(RequestHandler):
    """Sends in one piece what is there as a whole, and answers what cannot be read in our own way.

    aiohttp has a coroutine for each part that an answer may come in, and its no is plain text.
    """

    __slots__ = ("_unreadable",)

    def __init__(self, server: web.Server, unreadable: Callable[[int], web.Response]) -> None:
        super().__init__(server, loop=server._loop, **server._kwargs)  # noqa: SLF001 - this module's purpose
        self._unreadable = unreadable

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,
    ) -> web.StreamResponse:
        """Answer in our own way; that it is noted, and the connection closed, is aiohttp's."""
        super().handle_error(request, status, exc, message)
        response = self._unreadable(status)
        response.force_close()
        return response

    async def finish_response(
        self, request: web.BaseRequest, resp: web.StreamResponse, start_time: float | None
    ) -> tuple[web.StreamResponse, bool]:
        """Send an answer; gives it, and whether the client has gone before.

        Nobody is asked what to change before (`on_response_prepare`).
        """
        body = None if self._upgraded else _whole_body_of(request, resp)
        if body is None:
            return await super().finish_response(request, resp, start_time)
        transport = self.transport
        if transport is None or transport.is_closing():
            return resp, True
        headers = resp.headers
        headers[hdrs.CONTENT_LENGTH] = str(len(body))
        headers[hdrs.DATE] = rfc822_formatted_time()
        head = _serialize_headers(f"HTTP/1.1 {resp.status} {resp.reason}", headers)
        transport.write(head + body)
        resp._keep_alive = resp._eof_sent = True  # noqa: SLF001 - this module's purpose
        if self.writing_paused:
            await self._drain_helper()
        return resp, False


def _whole_body_of(request: web.BaseRequest, response: web.StreamResponse) -> bytes | None:
    """The body of an answer that can be sent at once, on a connection that goes on after it."""
    if (
        type(response) is not web.Response
        or request.version != HttpVersion11
        or not request.keep_alive
        or response.keep_alive is not None
        or must_be_empty_body(request.method, response.status)
        or response._cookies is not None  # noqa: SLF001 - this module's purpose
        or (response.prepared or response.chunked or response.compression)
    ):
        return None
    body = response.body
    return body if type(body) is bytes else None


def handler_of(server: web.Server, unreadable: Callable[[int], web.Response]) -> RequestHandler:
    """What the server makes for a new connection, but that `unreadable` answers for each status."""
    return _Handler(server, unreadable)


def take_over(request: web.Request) -> tuple[asyncio.Transport, bytes]:
    """Take the connection of a request away from aiohttp, which forgets it.

    Returns the transport, and the bytes that came after the request. The handler must then return
    `TakenOver()` without awaiting anything. Raises `ConnectionResetError` when it is closed.
    """
    handler: RequestHandler = request.protocol
    transport = request.transport
    if transport is None or transport.is_closing():
        raise ConnectionResetError
    tail = handler._message_tail  # noqa: SLF001 - this module's purpose
    handler._message_tail = b""  # noqa: SLF001
    handler._task_handler = None  # noqa: SLF001 - so that connection_lost does not cancel us
    handler.transport = None
    handler.connection_lost(None)
    return transport, tail


def is_alone(request: web.Request) -> bool:
    """Whether nothing is on the connection but this request: no answer unsent, no request behind.

    Half a request behind it cannot be seen. Nothing that speaks Engine.IO sends one, nor does a
    proxy, before it has its answer.
    """
    transport, handler = request.transport, request.protocol
    is_sent = transport is not None and transport.get_write_buffer_size() == 0
    return is_sent and not handler._messages  # noqa: SLF001 - this module's purpose


def tail_of(request: web.Request) -> bytes:
    """What has come behind a request that asks for another protocol."""
    return request.protocol._message_tail  # noqa: SLF001 - this module's purpose


def has_asked(handler: RequestHandler) -> bool:
    """Whether the head of a request has come on this connection, ever."""
    return handler._request_count > 0  # noqa: SLF001 - this module's purpose
