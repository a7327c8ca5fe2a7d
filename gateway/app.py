"""This module owns the process: it builds the gateway from its parts and takes it down in reverse.

The only module that names a broker's backend.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import gc
import logging
import signal
import time
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Final

import structlog
from aiohttp import web
from aiohttp.http_exceptions import HttpProcessingError

from gateway.authentication import Authenticator
from gateway.broker.contract import Broker
from gateway.broker.memory import MemoryBroker, MemoryRooms
from gateway.hub import Hub
from gateway.logs import Offences
from gateway.metrics import Metrics
from gateway.rest import admission
from gateway.rest.admission import Admission
from gateway.rest.events import EventsResource
from gateway.rest.health import HealthResource
from gateway.rest.problems import Problems
from gateway.rest.routes import routes_of
from gateway.rooms.pacing import Pacing
from gateway.settings import Settings
from gateway.sockets.engine import EngineLimits
from gateway.sockets.internals import has_asked
from gateway.sockets.lanes import Lanes
from gateway.sockets.namespace import Namespace
from gateway.sockets.server import Server
from gateway.web.pages import PageConfig, Pages

logger = structlog.get_logger(__name__)

_COLLECT_AFTER_ALLOCATIONS: Final = 20_000
_ROOM_OF_DEVELOPMENT: Final = "city:demo"  # where the demo fleet rides
_BACKLOG: Final = 4096  # connections that may wait to be accepted, in a reconnect storm

_REASONS_NOT_TO_LISTEN: Final = {
    errno.EADDRINUSE: "another program listens there already. Choose a port with --port or PORT.",
    errno.EADDRNOTAVAIL: "that is no address of this machine. Choose one with --host or HOST.",
    errno.EACCES: "this user may not listen there. Choose a port above 1023 with --port or PORT.",
}


class CannotListen(Exception):
    """The address or port is not to be had; the message says why, and what to do."""


class Gateway:
    """One worker: the parts, wired. `running` starts and stops them."""

    def __init__(self, settings: Settings, metrics: Metrics | None = None) -> None:
        self.settings = settings
        self.metrics = metrics or Metrics()
        self.authenticator = Authenticator(settings)
        self.broker = _broker_of(settings)
        self.offences = Offences()
        self.lanes = Lanes(
            settings.outbox_limit_bytes, settings.write_high_water_bytes, self.metrics
        )
        self.hub = Hub(settings, self.broker, self.lanes)
        self.lanes.serve(self.hub.membership)
        pacing = Pacing(settings)
        self.namespace = Namespace(
            settings, self.hub, self.lanes, self.authenticator, pacing, self.metrics, self.offences
        )
        self.server = _server_of(settings, self.namespace, pacing)
        self.health = HealthResource(self.broker, self.metrics)
        self.metrics.gauge("connections", lambda: len(self.server.engine.sockets))
        self.metrics.gauge("peers", lambda: len(self.hub.membership.peers))
        self.metrics.gauge("rooms", lambda: len(self.hub.membership.rooms))

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[int]:
        """Serve while the context is open; gives the port, which the system chose if it was 0."""
        async with contextlib.AsyncExitStack() as stack:
            stack.enter_context(_malformed_requests_noted(self.offences))
            await self.authenticator.start()
            stack.push_async_callback(self.authenticator.stop)
            await self.hub.start()
            stack.push_async_callback(self.hub.stop)
            runner = web.AppRunner(
                self._application(),
                handler_cancellation=True,  # a poll that was given up must be noticed
                access_log=None,
                keepalive_timeout=admission.KEEPALIVE_SECONDS,
                lingering_time=admission.LINGERING_SECONDS,
                shutdown_timeout=self.settings.drain_seconds,
            )
            await runner.setup()
            stack.push_async_callback(runner.cleanup)
            door = self._admission(runner)
            listener = await self._listen(door)
            stack.callback(listener.close)
            door.start()
            stack.callback(door.stop)
            stack.push_async_callback(self._part)
            yield listener.sockets[0].getsockname()[1]

    def _admission(self, runner: web.AppRunner) -> Admission:
        assert runner.server is not None
        limits = admission.limits_of(
            self.settings.connections_limit,
            self.settings.request_timeout_seconds,
            self.settings.stall_seconds,
        )
        return Admission(runner.server, has_asked, limits, self.metrics, self.offences)

    async def _listen(self, door: Admission) -> asyncio.Server:
        host, port = self.settings.host, self.settings.port
        try:
            loop = asyncio.get_running_loop()
            return await loop.create_server(door, host, port, backlog=_BACKLOG)
        except OSError as error:
            reason = _REASONS_NOT_TO_LISTEN.get(error.errno or 0, f"{error.strerror or error}.")
            raise CannotListen(f"Cannot listen on {host}, port {port}: {reason}") from error

    def _application(self) -> web.Application:
        problems = Problems(self.metrics, self.offences)
        app = web.Application(
            middlewares=[problems.answer], client_max_size=self.settings.body_limit_bytes
        )
        events = EventsResource(self.hub, self.authenticator, self.metrics)
        app.add_routes(routes_of(events, self.health))
        app.add_routes(Pages(_page_config_of(self.settings)).routes())
        self.server.attach(app)
        return app

    async def _part(self) -> None:
        """Take nobody in any more and send everybody off."""
        self.health.is_draining = True
        self.server.engine.is_accepting = False
        self.namespace.send_off()
        await self.server.shutdown()


async def serve(
    settings: Settings, announce: Callable[[int], None], metrics: Metrics | None = None
) -> None:
    """Run a gateway until SIGINT or SIGTERM; `announce` is told the port once it listens.

    Raises `CannotListen`.
    """
    admission.raise_descriptor_limit()
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    async with Gateway(settings, metrics).running() as port:
        # What is there now stays; short-lived objects should not have it looked through each time.
        gc.freeze()
        gc.set_threshold(_COLLECT_AFTER_ALLOCATIONS, 20, 50)
        announce(port)
        await stop.wait()
        logger.info("= stopping")


@contextlib.contextmanager
def _malformed_requests_noted(offences: Offences) -> Iterator[None]:
    """What is not HTTP costs one sampled line; aiohttp would write a traceback for each."""

    def is_for_the_log(record: logging.LogRecord) -> bool:
        error = record.exc_info[1] if record.exc_info else None
        if not isinstance(error, (HttpProcessingError, web.RequestPayloadError)):
            return True
        address = str(record.args[0]) if isinstance(record.args, tuple) and record.args else ""
        offences.note("not HTTP", address, why=type(error).__name__)
        return False

    server_logger = logging.getLogger("aiohttp.server")
    server_logger.addFilter(is_for_the_log)
    try:
        yield
    finally:
        server_logger.removeFilter(is_for_the_log)


def _broker_of(settings: Settings) -> Broker:
    return MemoryBroker(MemoryRooms(settings.kind_of))


def _page_config_of(settings: Settings) -> PageConfig:
    room = settings.map_room or (_ROOM_OF_DEVELOPMENT if settings.is_development else None)
    return PageConfig(
        room=room, tiles_url=settings.map_tiles_url, attribution=settings.map_attribution
    )


def _server_of(settings: Settings, namespace: Namespace, pacing: Pacing) -> Server:
    limits = EngineLimits(
        message_bytes=settings.message_limit_bytes,
        high_water_bytes=settings.write_high_water_bytes,
        connect_timeout_seconds=settings.connect_timeout_seconds,
        upgrade_timeout_seconds=settings.upgrade_timeout_seconds,
        stall_seconds=settings.stall_seconds,
        connections_per_address=settings.connections_per_address_limit,
    )
    return Server(
        namespace,
        ping_interval=settings.ping_interval_seconds,
        ping_timeout=settings.ping_timeout_seconds,
        limits=limits,
        origins=settings.allowed_origins,
        trusted_proxies=settings.trusted_networks,
        pace_handshake=lambda address: pacing.take_handshake(address, time.monotonic()),
    )
