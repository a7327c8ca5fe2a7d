"""This module owns a request that belongs to a session of another worker: how it gets there.

A worker of the same host is given the connection itself, with the request that came on it, and
from then on it is as if the client had connected there. A worker of another host is asked the
request in the client's stead; a WebSocket is carried there and back for as long as it is open.

What is handed on carries a header, so that nothing goes in circles: what came to a host stays
there, and what was given to a worker stays with it. Whoever writes that header himself gains
nothing but the answer that the session is unknown.
"""

from __future__ import annotations

import socket
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Final, Literal, Protocol

from aiohttp import web
from aiohttp.http_exceptions import HttpProcessingError

from gateway.sockets import answers
from gateway.sockets.internals import TakenOver, is_alone, tail_of, take_over
from gateway.sockets.polling import PayloadInvalid

if TYPE_CHECKING:
    import asyncio

HANDED_ON: Final = "X-Paceline-Handed-On"
# The workers of one port have one URL, so what was meant for a worker may come to its neighbour.
_TO_HOST: Final = "host"
_TO_WORKER: Final = "worker"
# They speak of the connection or of how the body came, and the body has been read by now.
_LEFT_OUT: Final = frozenset(
    {"content-encoding", "content-length", "expect", "transfer-encoding", HANDED_ON.lower()}
)
# The origin was checked here. The other worker would see this one's address in place of a trusted
# proxy's, and judge wrongly; nor is it to believe of us what a client has written of addresses.
_LEFT_OUT_AFAR: Final = _LEFT_OUT | {
    "connection",
    "forwarded",
    "keep-alive",
    "origin",
    "x-forwarded-for",
    "x-forwarded-host",
}
_LEFT_OUT_OF_UPGRADE: Final = _LEFT_OUT_AFAR - {"connection"}
_BUSY_RETRY_SECONDS: Final = 1


class Line(Protocol):
    """An open connection to a worker of another host."""

    def carry(self, client: asyncio.Transport, request: bytes, behind: bytes) -> None:
        """Send the request; once it is agreed to, pass bytes both ways until either side ends.

        `behind` is what the client has said behind its request.
        """

    def hang_up(self) -> None:
        """Let go of it."""


class Answer(Protocol):
    """What a worker of another host has answered."""

    @property
    def status(self) -> int: ...

    @property
    def content_type(self) -> str: ...

    @property
    def body(self) -> bytes: ...


class Near(Protocol):
    """Another worker of this host."""

    is_near: Literal[True]

    def give(self, connection: socket.socket, request: bytes) -> None:
        """Give it a connection, and the request that has come on it. Does not wait.

        Raises `BlockingIOError` when it has no time now, another `OSError` when it is gone.
        """


class Far(Protocol):
    """A worker of another host. Each call raises `OSError` when it is not to be reached."""

    is_near: Literal[False]

    async def ask(
        self, method: str, target: str, headers: list[tuple[str, str]], body: bytes
    ) -> Answer:
        """Send it a request, wait for the answer."""

    async def dial(self) -> Line:
        """Open a connection to it."""


class Neighbours(Protocol):
    """Who else there is."""

    async def find(self, worker_id: str) -> Near | Far | None:
        """The worker of that id, dead or alive as far as is known; None when there is none."""

    async def find_successor(self) -> Near | None:
        """A worker of this host that takes in new sessions."""


ReadBody = Callable[[web.Request], Awaitable[bytes]]


class HandOver:
    """Hands requests on to the workers whose sessions they are for."""

    def __init__(self, worker_id: str, neighbours: Neighbours) -> None:
        self._worker_id = worker_id
        self._neighbours = neighbours

    def is_elsewhere(self, request: web.Request, sid: str) -> bool:
        """Whether another worker has given this id, and it may be asked."""
        is_ours = sid.startswith(self._worker_id)
        return not is_ours and request.headers.get(HANDED_ON, _TO_HOST) == _TO_HOST

    async def pass_on(
        self, request: web.Request, sid: str, read_body: ReadBody
    ) -> web.StreamResponse | None:
        """The answer of the worker that has the session; None when there is no such worker."""
        neighbour = await self._neighbours.find(sid[: len(self._worker_id)])
        if neighbour is None or (HANDED_ON in request.headers and not neighbour.is_near):
            return None
        return await self._hand(request, neighbour, read_body)

    async def pass_newcomer_on(
        self, request: web.Request, read_body: ReadBody
    ) -> web.StreamResponse | None:
        """Have a first request answered by a worker that stays; None when there is none."""
        if HANDED_ON in request.headers:
            return None
        neighbour = await self._neighbours.find_successor()
        return None if neighbour is None else await self._hand(request, neighbour, read_body)

    async def _hand(
        self, request: web.Request, neighbour: Near | Far, read_body: ReadBody
    ) -> web.StreamResponse | None:
        try:
            body = await read_body(request) if request.can_read_body else b""
            return await self._hand_with(body, request, neighbour)
        except web.HTTPRequestEntityTooLarge:
            return answers.refusal(413, answers.BAD_REQUEST)
        except (PayloadInvalid, TimeoutError, HttpProcessingError):
            return answers.refusal(400, answers.BAD_REQUEST)

    async def _hand_with(
        self, body: bytes, request: web.Request, neighbour: Near | Far
    ) -> web.StreamResponse | None:
        try:
            if neighbour.is_near:
                return self._give(request, neighbour, body)
            if request.query.get("transport") == "websocket":
                return await self._carry(request, neighbour)
            return await self._ask(request, neighbour, body)
        except BlockingIOError:
            return answers.refusal(503, answers.BAD_REQUEST, _BUSY_RETRY_SECONDS)
        except OSError:
            return None

    def _give(self, request: web.Request, neighbour: Near, body: bytes) -> web.StreamResponse:
        transport = request.transport
        if transport is None or transport.is_closing():
            raise ConnectionResetError
        if not is_alone(request):
            return answers.refusal(400, answers.BAD_REQUEST)
        transport.pause_reading()  # what comes from now on is the other worker's to read
        try:
            head = _head_of(request, _LEFT_OUT, body, _TO_WORKER)
            neighbour.give(
                transport.get_extra_info("socket"), b"".join((head, body, tail_of(request)))
            )
        except OSError:
            transport.resume_reading()
            raise
        take_over(request)[0].abort()  # this end of it; the other worker holds the connection open
        return TakenOver()

    async def _carry(self, request: web.Request, neighbour: Far) -> web.StreamResponse:
        line = await neighbour.dial()
        try:
            transport, tail = take_over(request)
        except ConnectionResetError:
            line.hang_up()
            raise
        head = _head_of(request, _LEFT_OUT_OF_UPGRADE, b"", _TO_HOST)
        line.carry(transport, head, tail)
        return TakenOver()

    async def _ask(self, request: web.Request, neighbour: Far, body: bytes) -> web.StreamResponse:
        headers = [
            (name.decode("latin-1"), value.decode("latin-1"))
            for name, value in request.raw_headers
            if name.lower().decode("latin-1") not in _LEFT_OUT_AFAR
        ]
        answer = await neighbour.ask(
            request.method, request.rel_url.raw_path_qs, [*headers, (HANDED_ON, _TO_HOST)], body
        )
        return web.Response(
            status=answer.status,
            body=answer.body,
            headers={"Content-Type": answer.content_type, "Cache-Control": "no-store"},
        )


def _head_of(request: web.Request, left_out: frozenset[str], body: bytes, handed_on: str) -> bytes:
    """The request's head as it came, but for what is left out, and with where it was handed."""
    target = request.raw_path.encode("utf-8", "surrogateescape")
    version = b"%d.%d" % request.version
    lines = [b"%b %b HTTP/%b" % (request.method.encode(), target, version)]
    lines += [
        b"%b: %b" % header
        for header in request.raw_headers
        if header[0].lower().decode("latin-1") not in left_out
    ]
    lines.append(f"{HANDED_ON}: {handed_on}".encode())
    if body:
        lines.append(b"Content-Length: %d" % len(body))
    return b"\r\n".join(lines) + b"\r\n\r\n"
