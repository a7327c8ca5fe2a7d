"""This module owns the Engine.IO server: HTTP requests in, sessions out (Engine.IO protocol 4)."""

from __future__ import annotations

import asyncio
import math
import secrets
from collections.abc import Callable, Sequence
from typing import Any, Final

import engineio
import msgspec
from aiohttp import web
from aiohttp.http_exceptions import HttpProcessingError

from gateway.addresses import Network
from gateway.rooms.pacing import network_of
from gateway.sockets import answers, polling
from gateway.sockets.connection import TRANSPORT_CLOSED, TRANSPORT_FAILED, Connection
from gateway.sockets.handover import HandOver
from gateway.sockets.handshake import handshake_of, is_origin_allowed
from gateway.sockets.internals import FrameQueue
from gateway.sockets.polling import Pollbox
from gateway.sockets.sink import LibrarySink, Sink
from gateway.sockets.turnstile import Turnstile
from gateway.sockets.websocket import HandshakeInvalid, LinkLimits, WebSocketLink, accept
from gateway.sockets.wheel import TimerWheel

# Three or four milliseconds' worth, so that a crowd that drops does not stop the others.
_PARTINGS_PER_TURN: Final = 64
_CLOSING_LIMIT_SECONDS: Final = 5.0


class EngineLimits(msgspec.Struct, frozen=True, kw_only=True):
    """How much one connection may cost."""

    message_bytes: int = 65_536
    high_water_bytes: int = 65_536
    unread_bytes: int = 4_194_304
    connect_timeout_seconds: float = 10.0
    upgrade_timeout_seconds: float = 10.0
    body_timeout_seconds: float = 10.0
    stall_seconds: float = 90.0
    connections_per_address: int = 0


class Engine(engineio.AsyncServer):  # type: ignore[misc] # python-engineio has no types
    """python-engineio's server with its request handling, sockets and timers replaced.

    Why, and what was measured: `docs/decisions/own-engine.md`.
    """

    def __init__(
        self,
        *,
        limits: EngineLimits | None = None,
        origins: Sequence[str] = (),
        trusted_proxies: Sequence[Network] = (),
        pace_handshake: Callable[[str], float] = lambda _address: 0.0,
        worker_id: str = "",
        **options: Any,  # noqa: ANN401 - python-engineio's own
    ) -> None:
        super().__init__(
            async_mode="aiohttp", monitor_clients=False, cors_allowed_origins=[], **options
        )
        self.limits = limits or EngineLimits()
        self._origins = origins
        self._trusted_proxies = trusted_proxies
        self._pace_handshake = pace_handshake  # how many seconds an address has to wait
        self._link_limits = LinkLimits(self.limits.message_bytes, self.limits.high_water_bytes)
        self._worker_id = worker_id
        self.handover: HandOver | None = None  # when there may be other workers
        self._frames = FrameQueue()
        self._per_network: dict[str, int] = {}
        self._partings = Turnstile(_PARTINGS_PER_TURN, _close)
        self._burials = Turnstile(_PARTINGS_PER_TURN, self._bury)
        self._last_words: dict[str, Pollbox] = {}
        self.sink: Sink = LibrarySink(self._trigger_event)
        self.is_accepting = True
        # A hundredth of the shorter of the two times, so that none is noticed more than 1 % late.
        self.slot_seconds = max(0.001, min(self.ping_interval, self.ping_timeout) / 100)
        self.wheel = TimerWheel(self.slot_seconds)

    # ---- python-engineio's interface

    def attach(self, app: web.Application, engineio_path: str = "engine.io") -> None:
        """Serve `/{engineio_path}/`, whatever the method: a wrong one has an answer of its own."""
        app.router.add_route("*", f"/{engineio_path.strip('/')}/", self.handle_request)

    async def send(self, sid: str, data: str | bytes) -> None:
        """Send a message."""
        connection = self.sockets.get(sid)
        if connection is None:
            return
        if isinstance(data, str):
            connection.send_message(data.encode())
        else:
            connection.send_binary(bytes(data))
        connection.close_if_left_unread()

    async def send_packet(self, sid: str, pkt: Any) -> None:  # noqa: ANN401 - library's packet
        """Send a packet that python-engineio made."""
        await self.send(sid, pkt.data)

    async def disconnect(self, sid: str | None = None) -> None:
        """Close one session, or all."""
        for connection in list(self.sockets.values()) if sid is None else [self.sockets.get(sid)]:
            if connection is not None:
                connection.close()

    async def shutdown(self) -> None:
        """Close everything and stop the timers."""
        await self.disconnect()
        self._partings.finish()
        self._burials.finish()
        self.wheel.stop()

    def generate_id(self) -> str:
        """A session's id: the worker's, and 120 random bits, which are a secret of its client."""
        return self._worker_id + secrets.token_urlsafe(15)

    # ---- what connections need

    def greeting(self, sid: str, *, can_upgrade: bool) -> bytes:
        """The OPEN packet."""
        return b"0" + msgspec.json.encode(
            {
                "sid": sid,
                "upgrades": ["websocket"] if can_upgrade and self.allow_upgrades else [],
                "pingInterval": round(self.ping_interval * 1000),
                "pingTimeout": round(self.ping_timeout * 1000),
                "maxPayload": self.limits.message_bytes,
            }
        )

    def hear_message(self, connection: Connection, message: bytes) -> None:
        """A connection has heard a message."""
        self.sink.heard(connection, message)

    def hear_binary(self, connection: Connection, data: bytes) -> None:
        """A connection has heard a binary message."""
        self.sink.heard_binary(connection, data)

    def hear_pause(self, connection: Connection) -> None:
        """A connection has become slow."""
        self.sink.paused(connection)

    def hear_resume(self, connection: Connection) -> None:
        """A connection has caught up."""
        self.sink.resumed(connection)

    def hear_upgrade(self, connection: Connection) -> None:
        """A connection has moved to a WebSocket."""
        self.sink.upgraded(connection)

    def note_offence(self, connection: Connection, what: str) -> None:
        """A connection broke the protocol."""
        self.sink.offended(connection, what)

    def let_go(self, link: WebSocketLink) -> None:
        """A peer has gone. To close a socket costs: of thousands that go at once, a few a turn."""
        self._partings.take(link)

    def bury(self, connection: Connection, reason: str) -> None:
        """A connection is over. Of thousands at once only a few are seen to in each turn."""
        self._burials.take((connection, reason))

    def _bury(self, grave: tuple[Connection, str]) -> None:
        connection, reason = grave
        if self.sockets.pop(connection.sid, None) is None:
            connection.finish(None)
            return
        network = network_of(connection.handshake.address)
        left = self._per_network.get(network, 0) - 1
        if left > 0:
            self._per_network[network] = left
        else:
            self._per_network.pop(network, None)
        connection.finish(self.sink.closed(connection, reason))

    def keep_last_words(self, sid: str, pollbox: Pollbox) -> None:
        """Keep what a client on polling was told last for its next request, if that comes soon."""
        self._last_words[sid] = pollbox
        due = asyncio.get_running_loop().time() + _CLOSING_LIMIT_SECONDS
        self.wheel.at(due, lambda _: self._forget_last_words(sid))

    @property
    def has_last_words(self) -> bool:
        """Whether a client on polling has yet to fetch what it was told last."""
        return bool(self._last_words)

    def _forget_last_words(self, sid: str) -> None:
        self._last_words.pop(sid, None)

    def see_off(self, link: WebSocketLink) -> None:
        """Give a closing link a moment to send what it has, then cut it."""
        if link.transport.get_write_buffer_size():
            due = asyncio.get_running_loop().time() + _CLOSING_LIMIT_SECONDS
            self.wheel.at(due, lambda _: link.abort())

    # ---- requests

    async def handle_request(self, request: web.Request) -> web.StreamResponse:
        """Answer any request to the endpoint."""
        if not is_origin_allowed(request, self._origins, self._trusted_proxies):
            return answers.refusal(403, answers.FORBIDDEN)
        response = await self._answer(request)
        origin = request.headers.get("Origin")
        if origin is not None and not response.prepared:
            answers.let_read(response, origin)
        return response

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        if request.method == "OPTIONS":
            return answers.preflight()
        transport = request.query.get("transport", "")
        if transport not in self.transports:
            return answers.refusal(400, answers.TRANSPORT_UNKNOWN)
        sid = request.query.get("sid")
        if sid is None:
            return await self._answer_newcomer(request, transport)
        connection = self.sockets.get(sid)
        if connection is None:
            return await self._answer_stranger(request, sid)
        if transport == "websocket":
            return self._probe(request, connection)
        return await self._answer_polling(request, connection)

    async def _answer_polling(self, request: web.Request, connection: Connection) -> web.Response:
        if connection.link is not None or connection.pollbox is None:
            return answers.refusal(400, answers.BAD_REQUEST)
        if request.method == "GET":
            stamp = request.query.get("t")
            return await self._poll(connection, connection.pollbox, stamp)
        if request.method == "POST":
            return await self._push(request, connection, connection.pollbox)
        return answers.refusal(400, answers.BAD_METHOD)

    async def _answer_newcomer(self, request: web.Request, transport: str) -> web.StreamResponse:
        if not self.is_accepting and self.handover is not None:
            response = await self.handover.pass_newcomer_on(request, self._body)
            if response is not None:
                return response
        return self._answer_first(request, transport)

    def _answer_first(self, request: web.Request, transport: str) -> web.StreamResponse:
        """The first request of a session to be."""
        if request.query.get("EIO") != "4":
            return answers.refusal(400, answers.BAD_VERSION)
        if "j" in request.query:  # JSONP, which nothing has needed for a decade
            return answers.refusal(400, answers.BAD_REQUEST)
        if request.method != "GET":
            return answers.refusal(400, answers.BAD_METHOD)
        return self._open(request, transport)

    async def _answer_stranger(self, request: web.Request, sid: str) -> web.StreamResponse:
        """A session that is not here: it is another worker's, or it is no more, or never was."""
        if self.handover is not None and self.handover.is_elsewhere(request, sid):
            response = await self.handover.pass_on(request, sid, self._body)
            if response is not None:
                return response
        return self._last_words_for(request, sid)

    def _last_words_for(self, request: web.Request, sid: str) -> web.Response:
        """What may still be waiting for the client of a session that has ended."""
        pollbox = self._last_words.pop(sid, None) if request.method == "GET" else None
        if pollbox is None:
            return answers.refusal(400, answers.SESSION_UNKNOWN)
        payload = pollbox.fetch()
        if pollbox.has_more:
            self._last_words[sid] = pollbox
        return answers.payload(payload)

    def _open(self, request: web.Request, transport: str) -> web.StreamResponse:
        handshake = handshake_of(request, self._trusted_proxies)
        turned_away = self._turn_away(handshake.address)
        if turned_away is not None:
            return turned_away
        connection = Connection(self, self.generate_id(), handshake)
        if transport == "polling":
            self._begin(connection, None)
            assert connection.pollbox is not None
            return answers.payload(connection.pollbox.fetch())
        try:
            link, response = accept(request, self._frames, connection, self._link_limits)
        except (HandshakeInvalid, ConnectionResetError):
            return answers.refusal(400, answers.BAD_REQUEST)
        self._begin(connection, link)
        link.start()
        return response

    def _turn_away(self, address: str) -> web.Response | None:
        """The answer to one connection too many; None when it may come in."""
        if not self.is_accepting:
            return answers.refusal(503, answers.BAD_REQUEST, retry_after_seconds=1)
        limit = self.limits.connections_per_address
        if limit and self._per_network.get(network_of(address), 0) >= limit:
            return answers.refusal(429, answers.FORBIDDEN, retry_after_seconds=5)
        wait_seconds = self._pace_handshake(address)
        if wait_seconds:
            return answers.refusal(429, answers.FORBIDDEN, math.ceil(wait_seconds))
        return None

    def _begin(self, connection: Connection, link: WebSocketLink | None) -> None:
        network = network_of(connection.handshake.address)
        self._per_network[network] = self._per_network.get(network, 0) + 1
        self.sockets[connection.sid] = connection
        connection.open(link)
        self.sink.opened(connection)

    def _probe(self, request: web.Request, connection: Connection) -> web.StreamResponse:
        """A WebSocket for a session that polls: the first step of an upgrade."""
        if not self.allow_upgrades or request.method != "GET":
            return answers.refusal(400, answers.BAD_REQUEST)
        try:
            link, response = accept(request, self._frames, connection, self._link_limits)
        except (HandshakeInvalid, ConnectionResetError):
            return answers.refusal(400, answers.BAD_REQUEST)
        if connection.probe(link):
            link.start()
        else:
            link.owner = None
            link.hang_up()
        return response

    async def _poll(
        self, connection: Connection, pollbox: Pollbox, stamp: str | None
    ) -> web.Response:
        if pollbox.is_polled:
            connection.close(TRANSPORT_FAILED)  # two at once: the client has lost count
            return answers.refusal(400, answers.BAD_REQUEST)
        try:
            if not pollbox.has_more:  # what is not fetched yet can still be merged
                self.sink.polled(connection)
            return answers.payload(await pollbox.poll_once(stamp))
        except asyncio.CancelledError:
            connection.close(TRANSPORT_CLOSED)
            raise

    async def _push(
        self, request: web.Request, connection: Connection, pollbox: Pollbox
    ) -> web.Response:
        if pollbox.is_pushed:
            connection.fail("overlapping requests")  # their order would be anybody's guess
            return answers.refusal(400, answers.BAD_REQUEST)
        pollbox.is_pushed = True
        try:
            packets = polling.packets_of(await self._body(request))
        except web.HTTPRequestEntityTooLarge:
            connection.fail("payload size")
            return answers.refusal(413, answers.BAD_REQUEST)
        except (polling.PayloadInvalid, TimeoutError, HttpProcessingError):
            connection.fail("payload")
            return answers.refusal(400, answers.BAD_REQUEST)
        finally:
            pollbox.is_pushed = False
        for packet, is_binary in packets:
            if connection.closed:
                break
            if is_binary:
                self.hear_binary(connection, packet)
            else:
                connection.hear_packet(packet)
        if connection.is_at_fault:
            return answers.refusal(400, answers.BAD_REQUEST)
        return answers.taken()

    async def _body(self, request: web.Request) -> bytes:
        """Read the body, of bounded size and in bounded time."""
        limit = self.limits.message_bytes
        if (request.content_length or 0) > limit:
            raise web.HTTPRequestEntityTooLarge(limit, request.content_length or 0)
        if request.content_type == "application/octet-stream" and "Content-Type" in request.headers:
            raise polling.PayloadInvalid
        body = bytearray()
        async with asyncio.timeout(self.limits.body_timeout_seconds):
            async for chunk in request.content.iter_any():
                body += chunk
                if len(body) > limit:
                    raise web.HTTPRequestEntityTooLarge(limit, len(body))
        return bytes(body)


def _close(link: WebSocketLink) -> None:
    link.transport.close()  # what was written before still goes out
