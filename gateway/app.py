"""This module owns the process: it builds the gateway from its parts and takes it down in reverse.

The only module that names a broker's backend.
"""

from __future__ import annotations

import asyncio
import contextlib
import signal
from collections.abc import AsyncIterator, Callable
from typing import Final

import structlog
from aiohttp import web

from gateway.authentication import Authenticator
from gateway.broker.contract import Broker
from gateway.broker.memory import MemoryBroker, MemoryRooms
from gateway.hub import Hub
from gateway.logs import Offences
from gateway.metrics import Metrics
from gateway.rest.events import EventsResource
from gateway.rest.health import HealthResource
from gateway.rest.problems import answer_problems
from gateway.rest.routes import routes_of
from gateway.settings import Settings
from gateway.sockets.engine import EngineLimits
from gateway.sockets.lanes import Lanes
from gateway.sockets.namespace import Namespace
from gateway.sockets.server import Server

logger = structlog.get_logger(__name__)

_BACKLOG: Final = 4096  # connections that may wait to be accepted, in a reconnect storm


class Gateway:
    """One worker: the parts, wired. `running` starts and stops them."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.metrics = Metrics()
        self.authenticator = Authenticator(settings)
        self.broker = _broker_of(settings)
        self.lanes = Lanes(
            settings.outbox_limit_bytes, settings.write_high_water_bytes, self.metrics
        )
        self.hub = Hub(settings, self.broker, self.lanes)
        self.lanes.serve(self.hub.membership)
        self.namespace = Namespace(
            settings, self.hub, self.lanes, self.authenticator, self.metrics, Offences()
        )
        self.server = _server_of(settings, self.namespace)
        self.health = HealthResource(self.broker, self.metrics)
        self.metrics.gauge("connections", lambda: len(self.server.engine.sockets))
        self.metrics.gauge("peers", lambda: len(self.hub.membership.peers))
        self.metrics.gauge("rooms", lambda: len(self.hub.membership.rooms))

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[int]:
        """Serve while the context is open; gives the port, which the system chose if it was 0."""
        async with contextlib.AsyncExitStack() as stack:
            await self.authenticator.start()
            stack.push_async_callback(self.authenticator.stop)
            await self.hub.start()
            stack.push_async_callback(self.hub.stop)
            runner = web.AppRunner(
                self._application(),
                handler_cancellation=True,  # a poll that was given up must be noticed
                access_log=None,
                shutdown_timeout=self.settings.drain_seconds,
            )
            await runner.setup()
            stack.push_async_callback(runner.cleanup)
            site = web.TCPSite(
                runner, self.settings.host, self.settings.port, backlog=_BACKLOG
            )
            await site.start()
            stack.push_async_callback(self._part)
            yield runner.addresses[0][1]

    def _application(self) -> web.Application:
        app = web.Application(
            middlewares=[answer_problems], client_max_size=self.settings.body_limit_bytes
        )
        events = EventsResource(self.hub, self.authenticator, self.metrics)
        app.add_routes(routes_of(events, self.health))
        self.server.attach(app)
        return app

    async def _part(self) -> None:
        """Take nobody in any more and send everybody off."""
        self.health.is_draining = True
        self.server.engine.is_accepting = False
        self.namespace.send_off()
        await self.server.shutdown()


async def serve(settings: Settings, announce: Callable[[int], None]) -> None:
    """Run a gateway until SIGINT or SIGTERM; `announce` is told the port once it listens."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    async with Gateway(settings).running() as port:
        announce(port)
        await stop.wait()
        logger.info("= stopping")


def _broker_of(settings: Settings) -> Broker:
    return MemoryBroker(MemoryRooms(settings.kind_of))


def _server_of(settings: Settings, namespace: Namespace) -> Server:
    limits = EngineLimits(
        message_bytes=settings.message_limit_bytes,
        high_water_bytes=settings.write_high_water_bytes,
        connect_timeout_seconds=settings.connect_timeout_seconds,
        upgrade_timeout_seconds=settings.upgrade_timeout_seconds,
        connections_per_address=settings.connections_per_address_limit,
    )
    return Server(
        namespace,
        ping_interval=settings.ping_interval_seconds,
        ping_timeout=settings.ping_timeout_seconds,
        limits=limits,
        origins=settings.allowed_origins,
        trusted_proxies=settings.trusted_networks,
    )
