"""This module owns how requests get to workers of other hosts: asked for a client, or carried."""

from __future__ import annotations

import asyncio
from typing import Final, NamedTuple, cast

import aiohttp
from yarl import URL

_CONNECT_LIMIT_SECONDS: Final = 2.0
# Between two workers a connection is kept for less long than a worker keeps one open.
_KEEPALIVE_SECONDS: Final = 15.0
_UNWRITTEN_LIMIT_BYTES: Final = 65_536
_AGREE_LIMIT_SECONDS: Final = 10.0
_AGREED: Final = b"HTTP/1.1 101 "
_LAST_WORDS_LIMIT_SECONDS: Final = 5.0
# Longer than the worker with the session bears it, of whose end nothing is heard meanwhile.
_STALL_LIMIT_SECONDS: Final = 120.0


class Answer(NamedTuple):
    """What a worker has answered."""

    status: int
    content_type: str
    body: bytes


class Relay:
    """Connections to workers of other hosts. Whatever goes wrong with one is an `OSError`."""

    def __init__(self, answer_limit_seconds: float) -> None:
        self._answer_limit_seconds = answer_limit_seconds  # a poll may last as long as a heartbeat
        self._session: aiohttp.ClientSession | None = None
        self._lines: set[Line] = set()

    @property
    def lines(self) -> list[Line]:
        """The connections that are being carried, and not about to end."""
        return [line for line in self._lines if not line.is_ending]

    async def ask(
        self, url: str, method: str, target: str, headers: list[tuple[str, str]], body: bytes
    ) -> Answer:
        """Send a request and wait for the answer."""
        session = self._session = self._session or self._new_session()
        address = URL(url.rstrip("/") + target, encoded=True)
        try:
            async with session.request(
                method, address, headers=headers, data=body or None, allow_redirects=False
            ) as response:
                content_type = response.headers.get("Content-Type", "text/plain")
                return Answer(response.status, content_type, await response.read())
        except (aiohttp.ClientError, ValueError) as error:
            raise ConnectionError(str(error)) from error

    async def dial(self, url: str) -> Line:
        """Open a connection that bytes can be carried over."""
        address = URL(url)
        if address.host is None or address.port is None:
            raise ConnectionError(f"{url} leads nowhere")
        line = Line(self)
        async with asyncio.timeout(_CONNECT_LIMIT_SECONDS):
            await asyncio.get_running_loop().create_connection(
                lambda: line,
                address.host,
                address.port,
                ssl=True if address.scheme == "https" else None,
            )
        if line.is_ending:  # before anybody could say what for
            raise ConnectionResetError(f"{url} has hung up")
        self._lines.add(line)
        return line

    async def stop(self) -> None:
        """End all of it."""
        for line in list(self._lines):
            line.hang_up()
        session, self._session = self._session, None
        if session is not None:
            await session.close()

    def forget(self, line: Line) -> None:
        """A line has ended."""
        self._lines.discard(line)

    def _new_session(self) -> aiohttp.ClientSession:
        return aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=0, keepalive_timeout=_KEEPALIVE_SECONDS),
            timeout=aiohttp.ClientTimeout(
                total=self._answer_limit_seconds, sock_connect=_CONNECT_LIMIT_SECONDS
            ),
            cookie_jar=aiohttp.DummyCookieJar(),
            skip_auto_headers=("User-Agent", "Accept", "Accept-Encoding", "Content-Type"),
            auto_decompress=False,
        )


class _End(asyncio.Protocol):
    """One of two connections of which each is sent what the other hears.

    Who is written to faster than it reads has the other one not read from: nothing piles up.
    """

    def __init__(self) -> None:
        self.other: _End | None = None
        self.transport: asyncio.Transport | None = None
        self._stall: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Ready."""
        # Not by isinstance: uvloop's transports are none of asyncio's classes.
        self.transport = cast("asyncio.Transport", transport)
        self.transport.set_write_buffer_limits(_UNWRITTEN_LIMIT_BYTES)

    def data_received(self, data: bytes) -> None:
        """Pass it on."""
        if self.other is not None and self.other.transport is not None:
            self.other.transport.write(data)

    def pause_writing(self) -> None:
        """Enough."""
        assert self.transport is not None
        loop = asyncio.get_running_loop()
        self._stall = loop.call_later(_STALL_LIMIT_SECONDS, self.transport.abort)
        if self.other is not None and self.other.transport is not None:
            self.other.transport.pause_reading()

    def resume_writing(self) -> None:
        """More."""
        self._stop_waiting()
        transport = None if self.other is None else self.other.transport
        if transport is not None and not transport.is_closing():
            transport.resume_reading()

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - asyncio's signature
        """What was written to the other still goes out, then it ends too."""
        self._stop_waiting()
        other, self.other = self.other, None
        if other is not None and other.transport is not None:
            other.transport.close()

    def _stop_waiting(self) -> None:
        if self._stall is not None:
            self._stall.cancel()


class Line(_End):
    """The far end: the connection to the worker that has the session.

    Nothing that the client says behind its request goes over it until the worker has agreed to a
    WebSocket. Else it would be a request of its own, and the worker would take it for one of ours:
    with a forged address, if it trusts what we say of addresses.
    """

    def __init__(self, relay: Relay) -> None:
        super().__init__()
        self._relay = relay
        self._held = b""
        self._answer = b""  # how it begins, as far as it has come
        self._timer: asyncio.TimerHandle | None = None
        self._is_agreed = False

    def carry(self, client: asyncio.Transport, request: bytes, behind: bytes) -> None:
        """Send the request; once it is agreed to, pass bytes both ways until either side ends.

        `behind` is what the client has said behind its request.
        """
        near = _End()
        near.other, self.other = self, near
        client.pause_reading()
        near.connection_made(client)
        client.set_protocol(near)
        self._held = behind
        loop = asyncio.get_running_loop()
        self._timer = loop.call_later(_AGREE_LIMIT_SECONDS, self.hang_up)
        assert self.transport is not None
        self.transport.write(request)
        if self.transport.is_closing():
            client.close()

    def data_received(self, data: bytes) -> None:
        """Pass it on; the first of it is the answer to the request."""
        super().data_received(data)
        if not self._is_agreed:
            self._hear_answer(data)

    def _hear_answer(self, data: bytes) -> None:
        client = None if self.other is None else self.other.transport
        self._answer = (self._answer + data)[: len(_AGREED)]
        if client is None or self.transport is None or not _AGREED.startswith(self._answer):
            self.end()
            return
        if self._answer != _AGREED:
            return  # the rest of it is still to come
        self._is_agreed = True
        if self._timer is not None:
            self._timer.cancel()
        held, self._held = self._held, b""
        if held:
            self.transport.write(held)
        if not client.is_closing():
            client.resume_reading()

    @property
    def is_ending(self) -> bool:
        """Whether nothing more is taken from the client."""
        return self.transport is None or self.transport.is_closing()

    def end(self) -> None:
        """End it; what is under way still arrives."""
        if self.transport is not None:
            self.transport.close()

    def hang_up(self) -> None:
        """Let go of it."""
        if self.transport is not None:
            self.transport.abort()

    def connection_lost(self, exc: Exception | None) -> None:
        """Nothing more to carry."""
        if self._timer is not None:
            self._timer.cancel()
        self._relay.forget(self)
        near = None if self.other is None else self.other.transport
        super().connection_lost(exc)
        if near is not None and near.get_write_buffer_size():  # a client that does not read
            asyncio.get_running_loop().call_later(_LAST_WORDS_LIMIT_SECONDS, near.abort)
