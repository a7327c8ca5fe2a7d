"""This module owns who is let in, and how long one may keep the door open without coming in.

It comes before HTTP, hence before both doors. Nothing is counted to know how many connections there
are: the system gives the lowest free number to a new descriptor, so that a high one says how many
are open, whoever opened them and however they end.
"""

from __future__ import annotations

import asyncio
import resource
from collections.abc import Callable
from pathlib import Path
from typing import Final, Literal, cast

import msgspec
import structlog
from aiohttp import web

from gateway.logs import Offences
from gateway.metrics import Metrics
from protocol.refusals import Refusal, Refused

logger = structlog.get_logger(__name__)

# A balancer keeps connections for 60 seconds or so; who ends one first must not be the gateway.
KEEPALIVE_SECONDS: Final = 75.0
# How long the rest of a body is read after it was refused, so that the client reads the answer.
LINGERING_SECONDS: Final = 3.0
SWEEP_SECONDS: Final = 1.0
_RESERVE_DESCRIPTORS: Final = 64  # for the broker, files, and saying no
_ASKING_LIMIT_SECONDS: Final = 1.0  # for the request of somebody who will get a no
_RETRY_AFTER_SECONDS: Final = 5
# A full gateway is to be watched, and by no means to be restarted for being full.
_ALWAYS_ANSWERED: Final = (b"GET /healthz ", b"GET /readyz ", b"GET /metrics ")

_BODY = msgspec.json.encode({"error": Refused(Refusal.UNAVAILABLE, "The gateway is full.").body()})
_FULL: Final = (
    b"HTTP/1.1 503 Service Unavailable\r\nConnection: close\r\nRetry-After: %d\r\n"
    b"Content-Type: application/json\r\nContent-Length: %d\r\n\r\n%b"
) % (_RETRY_AFTER_SECONDS, len(_BODY), _BODY)

Reason = Literal["late", "stalled"]


class AdmissionLimits(msgspec.Struct, frozen=True, kw_only=True):
    """When it is too much; `descriptors_full` and `descriptors_most` are numbers of descriptors."""

    descriptors_full: int  # from here on callers hear 503
    descriptors_most: int  # from here on they hear nothing: no number is left to be polite with
    request_timeout_seconds: float
    stall_seconds: float


def raise_descriptor_limit() -> None:
    """Have as many descriptors as the system lets this process have."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    except (OSError, ValueError) as error:  # macOS calls its limit infinite, and refuses that
        logger.warning("! the limit of open files stays", limit=soft, why=str(error))


def limits_of(
    connections_limit: int, request_timeout_seconds: float, stall_seconds: float
) -> AdmissionLimits:
    """What is allowed from now on; 0 connections: as many as there are descriptors for."""
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    reserve = min(_RESERVE_DESCRIPTORS, soft // 4)
    full = soft - reserve
    if connections_limit:
        wanted = _open_descriptors() + connections_limit
        if wanted > full:
            logger.warning("! fewer connections than set", open_files_limit=soft, reserve=reserve)
        full = min(full, wanted)
    return AdmissionLimits(
        descriptors_full=full,
        descriptors_most=full + reserve // 2,
        request_timeout_seconds=request_timeout_seconds,
        stall_seconds=stall_seconds,
    )


def _open_descriptors() -> int:
    return len(list(Path("/dev/fd").iterdir())) - 1  # to look is to open one


class Admission:
    """Makes the protocol of every new connection; ends those that keep it waiting."""

    def __init__(  # noqa: PLR0913, PLR0917 - these are the parts that meet here
        self,
        server: web.Server,
        new_handler: Callable[[], web.RequestHandler],
        has_asked: Callable[[web.RequestHandler], bool],
        limits: AdmissionLimits,
        metrics: Metrics,
        offences: Offences,
    ) -> None:
        self.limits = limits
        self._server = server
        self._new_handler = new_handler
        self._has_asked = has_asked
        self._metrics = metrics
        self._offences = offences
        self._waits: dict[tuple[web.RequestHandler, Reason], float] = {}
        self._timer: asyncio.TimerHandle | None = None

    def __call__(self) -> asyncio.Protocol:
        """What the event loop asks for each connection."""
        return _Caller(self)

    def resuming(self, request: bytes) -> asyncio.Protocol:
        """The protocol of a connection on which another worker has heard `request` already."""
        return _Resumed(self, request)

    def start(self) -> None:
        """Begin to look after those who were let in."""
        self._timer = asyncio.get_running_loop().call_later(SWEEP_SECONDS, self._sweep)

    def stop(self) -> None:
        if self._timer is not None:
            self._timer.cancel()

    def let_in(self, transport: asyncio.Transport) -> web.RequestHandler:
        """Hand a connection to aiohttp."""
        handler = self._new_handler()
        transport.set_protocol(handler)
        handler.connection_made(transport)
        self._waits[handler, "late"] = asyncio.get_running_loop().time()
        return handler

    def note_turned_away(self, transport: asyncio.Transport, reason: str) -> None:
        """Count somebody who was not let in, or not for longer; a flood of them is a few lines."""
        self._metrics.turned_away.add(reason)
        peer = transport.get_extra_info("peername")
        self._offences.note("turned away", str(peer[0]) if peer else "", why=reason)

    def _sweep(self) -> None:
        """WebSockets are not among these connections: aiohttp does not know them any more."""
        loop = asyncio.get_running_loop()
        now_seconds = loop.time()
        waits: dict[tuple[web.RequestHandler, Reason], float] = {}
        for handler in self._server.connections:
            reason = self._wait_for(handler)
            if reason is not None:
                since_seconds = self._waits.get((handler, reason), now_seconds)
                waits[handler, reason] = since_seconds
                if now_seconds - since_seconds >= self._patience_seconds(reason):
                    self._end(handler, reason)
        self._waits = waits
        self._timer = loop.call_later(SWEEP_SECONDS, self._sweep)

    def _wait_for(self, handler: web.RequestHandler) -> Reason | None:
        """What keeps us waiting: a first request that has not come, an answer that is not read."""
        if not self._has_asked(handler):
            return "late"
        # What is closing, and still here, has not been read to its end.
        is_closing = handler.transport is not None and handler.transport.is_closing()
        return "stalled" if handler.writing_paused or is_closing else None

    def _patience_seconds(self, reason: Reason) -> float:
        limits = self.limits
        return limits.request_timeout_seconds if reason == "late" else limits.stall_seconds

    def _end(self, handler: web.RequestHandler, reason: Reason) -> None:
        transport = handler.transport
        if transport is not None:
            self.note_turned_away(transport, reason)
            transport.abort()  # to close would be to wait for what the peer does not read


class _Caller(asyncio.Protocol):
    """Somebody who has connected, until it is clear whether there is a place."""

    __slots__ = ("_admission", "_timer", "_transport")

    def __init__(self, admission: Admission) -> None:
        self._admission = admission
        self._transport: asyncio.Transport | None = None
        self._timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Let in whoever there is a place for; others are heard first, or would not hear us."""
        caller = cast("asyncio.Transport", transport)
        limits = self._admission.limits
        descriptor = caller.get_extra_info("socket").fileno()
        if descriptor < limits.descriptors_full:
            self._admission.let_in(caller)
        elif descriptor < limits.descriptors_most:
            self._transport = caller
            loop = asyncio.get_running_loop()
            self._timer = loop.call_later(_ASKING_LIMIT_SECONDS, caller.abort)
        else:
            self._admission.note_turned_away(caller, "overfull")
            caller.abort()

    def data_received(self, data: bytes) -> None:
        """A request, and an answer to it; to close unasked would lose the answer on its way."""
        transport, self._transport = self._transport, None
        if transport is None:
            return
        self._stop_waiting()
        if data.startswith(_ALWAYS_ANSWERED):
            self._admission.let_in(transport).data_received(data)
            return
        self._admission.note_turned_away(transport, "full")
        transport.write(_FULL)
        transport.close()

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - asyncio's signature
        """It is over."""
        self._stop_waiting()

    def _stop_waiting(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None


class _Resumed(_Caller):
    """Somebody who has connected to another worker, and asked something that is for this one."""

    __slots__ = ("_request",)

    def __init__(self, admission: Admission, request: bytes) -> None:
        super().__init__(admission)
        self._request = request

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Go on where the other worker has stopped, before anything else is read."""
        super().connection_made(transport)
        protocol = cast("asyncio.Transport", transport).get_protocol()
        cast("asyncio.Protocol", protocol).data_received(self._request)
