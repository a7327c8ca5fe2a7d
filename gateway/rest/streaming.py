"""This module owns `GET /api/rooms/{roomId}/events`: a room as Server-Sent Events.

A stream is a peer of the hub like a socket. It joins before anything is answered, so that a no is
a plain answer; from then on it is written to by the one task that its request has.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Final

import msgspec
import structlog
from aiohttp import web
from aiohttp.client_exceptions import ClientConnectionResetError

from gateway.addresses import address_of
from gateway.authentication import Authenticator
from gateway.broker.contract import BrokerUnavailable
from gateway.hub import Hub
from gateway.identity import Identity
from gateway.metrics import Metrics
from gateway.rest import origins, problems
from gateway.rest.problems import json_response, not_now
from gateway.rest.requests import identity_of
from gateway.rest.stream import Stream
from gateway.rest.streams import RETURN_MS, Streams, last_words_of
from gateway.rest.tickets import Tickets
from gateway.rooms.pacing import Pacing, too_fast
from gateway.settings import Settings
from protocol import events, streams
from protocol.bodies import parameters_of
from protocol.catalogue import STREAM_JOINED
from protocol.cursor import Cursor
from protocol.refusals import Goodbye, Refusal, Refused
from protocol.rooms import check_room_name
from protocol.streams import StreamQuery

logger = structlog.get_logger(__name__)

EVENT_STREAM: Final = "text/event-stream"
_HEADERS: Final = {
    "Content-Type": EVENT_STREAM,
    "Cache-Control": "no-store",
    "X-Accel-Buffering": "no",  # nginx would keep events until it has enough of them
}
# What may be tried again. A browser's EventSource does so after a stream that has ended, but not
# after any status but 200.
_PASSING: Final = frozenset({Refusal.UNAVAILABLE, Refusal.TOO_FAST})
_LOST: Final = "lost"

_encode = msgspec.json.Encoder().encode


class StreamingResource:
    """Streams and the tickets for them."""

    def __init__(  # noqa: PLR0913, PLR0917 - these are the parts that meet here
        self,
        settings: Settings,
        hub: Hub,
        authenticator: Authenticator,
        streams_: Streams,
        tickets: Tickets,
        pacing: Pacing,
        metrics: Metrics,
    ) -> None:
        self._settings = settings
        self._hub = hub
        self._authenticator = authenticator
        self._streams = streams_
        self._tickets = tickets
        self._pacing = pacing
        self._metrics = metrics

    async def post_ticket(self, request: web.Request) -> web.Response:
        """Trade a token for a ticket."""
        self._pace(request)
        identity = await identity_of(request, self._authenticator)
        return json_response({"data": await self._tickets.issue(identity)}, 201)

    async def get(self, request: web.Request) -> web.StreamResponse:
        """Stream a room for as long as the client stays."""
        try:
            return await self._stream(request)
        except (Refused, BrokerUnavailable) as error:
            refused = not_now(error) if isinstance(error, BrokerUnavailable) else error
            is_browser = EVENT_STREAM in request.headers.get("Accept", "")
            if refused.refusal not in _PASSING or not is_browser:
                raise
            self._metrics.note_refusal(refused.refusal)
            return await self._turn_away(request, refused)

    async def _stream(self, request: web.Request) -> web.StreamResponse:
        self._pace(request)
        identity = await self._identity_of(request)
        room = check_room_name(request.match_info["roomId"])
        query = parameters_of(request.query.items(), StreamQuery)
        since = request.headers.get("Last-Event-ID") or query.since
        if since is not None:
            Cursor.parse(since)
        stream = self._streams.open(identity, self._address_of(request), _abort_of(request))
        # Nothing was awaited since it was known that the identity holds: who is disabled from now
        # on is found among the peers.
        self._hub.welcome(stream)
        response = web.StreamResponse()
        try:
            await self._join(stream, events.JoinRoom(room, since, query.snapshot))
            response = await self._prepared(request)
            stream.begin()
            await self._write(stream, response)
        except ClientConnectionResetError:
            logger.debug("= stream cut off", peer=stream.id)
        finally:
            self._hub.forget(stream)
            self._streams.close(stream)
        return response

    def _pace(self, request: web.Request) -> None:
        """Count as a connection of its address, like the handshake of a socket."""
        wait_seconds = self._pacing.take_handshake(self._address_of(request), time.monotonic())
        if wait_seconds:
            raise too_fast(wait_seconds)

    def _address_of(self, request: web.Request) -> str:
        return address_of(request, self._settings.trusted_networks)

    async def _identity_of(self, request: web.Request) -> Identity:
        """Who is asking comes before what: strangers hear nothing but that they are strangers."""
        ticket = request.query.get("ticket")
        if ticket is not None:
            return await self._tickets.redeem(ticket)
        return await identity_of(request, self._authenticator)

    async def _join(self, stream: Stream, request: events.JoinRoom) -> None:
        def answer(joined: events.Joined) -> None:
            self._metrics.note_joined(joined.recovered)
            if joined.recovered is False:
                reset = events.RoomReset(joined.room_id, _LOST)
                stream.say(streams.event_of("room-reset", _encode(reset)))
            # The cursor of a continued stream is where it will stand after what it has missed.
            place = request.since if joined.recovered is True else joined.cursor
            stream.say(streams.event_of(STREAM_JOINED, _encode(joined), place or ""))

        stream.say(streams.retry_of(RETURN_MS))
        try:
            await self._hub.join(stream, request, answer)
        except (Refused, BrokerUnavailable) as error:
            self._metrics.note_join("refused" if isinstance(error, Refused) else "failed")
            raise

    async def _write(self, stream: Stream, response: web.StreamResponse) -> None:
        """Write what comes until the stream is over, and a comment when nothing does."""
        while True:
            goodbye = self._goodbye_of(stream)
            if goodbye is not None:
                self._streams.dismiss(stream, goodbye)
            data = stream.take()
            if data:
                self._metrics.bytes_sent += len(data)
                await response.write(data)
            elif stream.is_over:
                return
            elif not await stream.wait(self._seconds_until_look(stream)):
                await response.write(streams.HEARTBEAT)

    def _seconds_until_look(self, stream: Stream) -> float:
        left_seconds = self._left_seconds(stream)
        interval_seconds = self._settings.ping_interval_seconds
        if left_seconds is None:
            return interval_seconds
        return max(0.001, min(interval_seconds, left_seconds))

    def _goodbye_of(self, stream: Stream) -> Goodbye | None:
        """Why a stream has to end, however much there is to read in it."""
        left_seconds = self._left_seconds(stream)
        if left_seconds is not None and left_seconds <= 0:
            return Goodbye.TOKEN_EXPIRED
        return None if stream.subscriptions else Goodbye.REMOVED  # it has no other room

    def _left_seconds(self, stream: Stream) -> float | None:
        """How long its token is still good for, with the leeway with which it was let in."""
        expires = stream.identity.expires_at_seconds
        return (
            None if expires is None else expires + self._settings.jwt_leeway_seconds - time.time()
        )

    async def _prepared(self, request: web.Request) -> web.StreamResponse:
        headers = {**problems.HEADERS, **_HEADERS, **request.get(origins.ANSWER_HEADERS, {})}
        response = web.StreamResponse(headers=headers)
        response.force_close()  # whoever comes back is to come by the balancer
        await response.prepare(request)
        return response

    async def _turn_away(self, request: web.Request, refused: Refused) -> web.StreamResponse:
        """Answer a no that will pass by a stream that ends at once, and says when to come back."""
        wait_ms = refused.retry_after_ms or RETURN_MS
        is_late = refused.refusal is Refusal.TOO_FAST
        goodbye = Goodbye.TOO_FAST if is_late else Goodbye.SHUTTING_DOWN
        response = await self._prepared(request)
        await response.write(last_words_of(goodbye, wait_ms))
        return response


def _abort_of(request: web.Request) -> Callable[[], None]:
    def abort() -> None:
        if request.transport is not None:
            request.transport.abort()

    return abort
