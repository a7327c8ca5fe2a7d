"""This module owns one worker: it builds the gateway from its parts and takes it down in reverse.

Going away: first it says that it is not ready, for as long as balancers take to notice, and goes on
as before. Then it takes nobody in any more, sends off those who are there, a few at a time, and
ends what is left. A worker whose place another one has taken skips the first step, and leaves the
listening socket to the others at once.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import logging
import time
from collections.abc import AsyncIterator, Coroutine, Iterator
from typing import Any, Final

import structlog
from aiohttp import web
from aiohttp.http_exceptions import HttpProcessingError

from gateway.backends import between_workers, database_of, ingest_of, stores_of
from gateway.hub import Hub
from gateway.lag import LoopLag
from gateway.logs import Offences
from gateway.metrics import Metrics
from gateway.people import People
from gateway.removals import Removals
from gateway.rest import admission
from gateway.rest.admission import Admission
from gateway.rest.documents import DocumentsResource
from gateway.rest.events import EventsResource
from gateway.rest.health import HealthResource
from gateway.rest.keys import KeysResource
from gateway.rest.me import MeResource
from gateway.rest.members import MembersResource
from gateway.rest.origins import Origins
from gateway.rest.problems import Handler, Problems
from gateway.rest.routes import Resources, health_routes_of, routes_of
from gateway.rest.sessions import SessionsResource
from gateway.rest.users import UsersResource
from gateway.rooms.pacing import Pacing
from gateway.settings import Settings
from gateway.sockets.departure import in_batches, send_off
from gateway.sockets.engine import EngineLimits
from gateway.sockets.handover import HandOver
from gateway.sockets.internals import has_asked
from gateway.sockets.lanes import Lanes
from gateway.sockets.lobby import Lobby
from gateway.sockets.namespace import Namespace
from gateway.sockets.recovery import Recovery
from gateway.sockets.server import Server
from gateway.verdicts import Verdicts
from gateway.web.pages import PageConfig, Pages
from gateway.workers.berth import Berth
from gateway.workers.folder import RunDirectoryUnusable
from gateway.workers.leaving import LAST_WORDS_SHARE, REQUESTS_SHARE, SPREAD_SHARE, Leaving
from gateway.workers.listening import BACKLOG
from gateway.workers.neighbours import Neighbourhood
from gateway.workers.place import new_worker_id
from gateway.workers.relay import Line
from gateway.workers.settling import settled_among

logger = structlog.get_logger(__name__)

_LOOK_SECONDS: Final = 0.05
_ROOM_OF_DEVELOPMENT: Final = "city:demo"  # where the demo fleet rides

_REASONS_NOT_TO_LISTEN: Final = {
    errno.EADDRINUSE: "another program listens there already. Choose a port with --port or PORT.",
    errno.EADDRNOTAVAIL: "that is no address of this machine. Choose one with --host or HOST.",
    errno.EACCES: "this user may not listen there. Choose a port above 1023 with --port or PORT.",
}


class CannotListen(Exception):
    """The address or port is not to be had; the message says why, and what to do."""


def cannot_listen(host: str, port: int, error: OSError) -> CannotListen:
    """What to raise when the system says no."""
    reason = _REASONS_NOT_TO_LISTEN.get(error.errno or 0, f"{error.strerror or error}.")
    return CannotListen(f"Cannot listen on {host}, port {port}: {reason}")


class Gateway:
    """One worker: the parts, wired. `running` starts and stops them."""

    def __init__(
        self, settings: Settings, metrics: Metrics | None = None, berth: Berth | None = None
    ) -> None:
        self.settings = settings
        self.worker_id = new_worker_id()
        self.metrics = metrics or Metrics()
        self.leaving = Leaving()
        database = database_of(settings)
        self.people = People(settings, database, stores_of(database))
        self.between = between_workers(settings, self.worker_id)
        self.broker = self.between.broker
        self._berth = berth
        if berth is not None:
            self.metrics.worker = str(berth.slot)
        self.offences = Offences()
        self.lanes = Lanes(
            settings.outbox_limit_bytes, settings.write_high_water_bytes, self.metrics
        )
        self.hub = Hub(settings, self.broker, self.lanes)
        self.lanes.serve(self.hub.membership)
        self.removals = Removals(self.hub, self.between.intercom)
        verdicts = Verdicts(self.hub.membership, self.lanes.dismiss)
        self.people.standings.judge_by(verdicts.judge, verdicts.subjects)
        pacing = Pacing(settings)
        self.lobby = Lobby(
            settings,
            self.hub,
            self.lanes,
            self.people.authenticator,
            Recovery(
                settings.recovery_seconds,
                self.between.sessions,
                self.between.intercom,
                self.metrics,
            ),
            pacing,
            self.metrics,
            self.offences,
        )
        namespace = Namespace(
            settings,
            self.hub,
            self.lanes,
            self.people.authenticator,
            self.lobby,
            self.metrics,
            self.offences,
        )
        self.server = _server_of(settings, namespace, pacing, self.worker_id)
        self.health = HealthResource(self.broker, database, self.metrics)
        self.neighbourhood: Neighbourhood | None = None
        self.ingest = ingest_of(settings, self.broker, self.hub, self.metrics, self.worker_id)
        self.metrics.gauge("connections", lambda: len(self.server.engine.sockets))
        self.metrics.gauge("peers", lambda: len(self.hub.membership.peers))
        self.metrics.gauge("rooms", lambda: len(self.hub.membership.rooms))
        self.metrics.gauge("account_cache_hits", lambda: self.people.standings.hits)
        self.metrics.gauge("account_cache_misses", lambda: self.people.standings.misses)
        self.metrics.gauge("tasks", lambda: len(asyncio.all_tasks()))
        self.lag = LoopLag()
        self.metrics.gauge("loop_lag_seconds", self.lag.take_seconds)
        self.metrics.gauge("loop_busy_seconds", self.lag.take_busy_seconds)

    @property
    def may_have_neighbours(self) -> bool:
        """Whether there may be other workers that share its rooms."""
        return self.settings.workers > 1 or self.settings.redis_url is not None

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[int]:
        """Serve while the context is open; gives the port, which the system chose if it was 0."""
        async with contextlib.AsyncExitStack() as stack:
            stack.enter_context(_malformed_requests_noted(self.offences))
            await stack.enter_async_context(self.people.running())
            self.lag.start()
            stack.callback(self.lag.stop)
            await self.hub.start()
            stack.push_async_callback(self.hub.stop)
            self.lobby.start()
            stack.push_async_callback(self.lobby.stop)
            if self.ingest is not None:
                await stack.enter_async_context(_in_background(self.ingest.run_forever()))
            runner = self._runner(self._application())
            await runner.setup()
            stack.push_async_callback(runner.cleanup)
            door = self._admission(runner)
            door.start()
            stack.callback(door.stop)
            listeners = await self._listen(door)
            stack.callback(self._stop_listening, listeners)
            port: int = listeners[0].sockets[0].getsockname()[1]
            await stack.enter_async_context(self._numbers_shown())
            if self.may_have_neighbours:
                await stack.enter_async_context(self._neighbours_known(door, port))
            for listener in listeners:  # whoever comes now gets a session that others can find
                await listener.start_serving()
            stack.push_async_callback(self._part, listeners)
            yield port

    def _runner(self, app: web.Application) -> web.AppRunner:
        return web.AppRunner(
            app,
            handler_cancellation=True,  # a poll that was given up must be noticed
            access_log=None,
            keepalive_timeout=admission.KEEPALIVE_SECONDS,
            lingering_time=admission.LINGERING_SECONDS,
            shutdown_timeout=self.settings.drain_seconds * REQUESTS_SHARE,
        )

    @contextlib.asynccontextmanager
    async def _numbers_shown(self) -> AsyncIterator[None]:
        """A port of this worker's own for its metrics and health, if there is to be one."""
        if not self.settings.metrics_port:
            yield
            return
        app = web.Application()
        app.add_routes(health_routes_of(self.health))
        runner = self._runner(app)
        await runner.setup()
        port = self.settings.metrics_port + (self._berth.slot if self._berth else 0)
        # Shared for as long as a worker that is being replaced goes on beside its successor.
        site = web.TCPSite(runner, self.settings.host, port, reuse_port=True)
        try:
            try:
                await site.start()
            except OSError as error:
                raise cannot_listen(self.settings.host, port, error) from error
            yield
        finally:
            await runner.cleanup()

    @contextlib.asynccontextmanager
    async def _neighbours_known(self, door: Admission, port: int) -> AsyncIterator[None]:
        """Be found by other workers, and find them."""
        try:
            settled = settled_among(
                self.settings,
                self.worker_id,
                port,
                self.between.hosts,
                door.resuming,
                self.metrics.handovers.add,
            )
            async with settled as self.neighbourhood:
                self.server.engine.handover = HandOver(self.worker_id, self.neighbourhood)
                yield
                self.server.engine.handover = None
        except RunDirectoryUnusable as unusable:
            raise CannotListen(f"Workers cannot find each other: {unusable}") from unusable

    def _resources(self) -> Resources:
        people = self.people
        authenticator = people.authenticator
        return Resources(
            health=self.health,
            events=EventsResource(self.hub, authenticator, self.metrics),
            members=MembersResource(self.hub, authenticator, self.removals),
            users=UsersResource(people.accounts, authenticator),
            me=MeResource(people.accounts, authenticator),
            sessions=SessionsResource(
                people.sessions, people.accounts, authenticator, self.settings.trusted_networks
            ),
            keys=KeysResource(people.keys, authenticator),
            documents=DocumentsResource(),
        )

    def _admission(self, runner: web.AppRunner) -> Admission:
        assert runner.server is not None
        limits = admission.limits_of(
            self.settings.connections_limit,
            self.settings.request_timeout_seconds,
            self.settings.stall_seconds,
        )
        return Admission(runner.server, has_asked, limits, self.metrics, self.offences)

    async def _listen(self, door: Admission) -> list[asyncio.Server]:
        loop = asyncio.get_running_loop()
        if self._berth is not None:
            return [
                await loop.create_server(door, sock=listener, backlog=BACKLOG, start_serving=False)
                for listener in self._berth.listeners
            ]
        host, port = self.settings.host, self.settings.port
        try:
            return [
                await loop.create_server(door, host, port, backlog=BACKLOG, start_serving=False)
            ]
        except OSError as error:
            raise cannot_listen(host, port, error) from error

    def _application(self) -> web.Application:
        problems = Problems(self.metrics, self.offences)
        origins = Origins(self.settings.allowed_origins)
        app = web.Application(
            middlewares=[self._close_when_leaving, origins.answer, problems.answer],
            client_max_size=self.settings.body_limit_bytes,
        )
        app.add_routes(routes_of(self._resources()))
        app.add_routes(Pages(_page_config_of(self.settings)).routes())
        self.server.attach(app)
        return app

    @web.middleware
    async def _close_when_leaving(
        self, request: web.Request, handler: Handler
    ) -> web.StreamResponse:
        """A kept connection would bring its next request to a worker that is about to end."""
        response = await handler(request)
        if not self.server.engine.is_accepting and not response.prepared:
            response.force_close()
        return response

    async def give_notice(self) -> None:
        """Say that nobody should come, and wait until those who send them have noticed."""
        self.health.is_draining = True
        if self.neighbourhood is not None:
            await self.neighbourhood.leave()
        if self.leaving.gives_notice:
            await self.leaving.unless_hurried(asyncio.sleep(self.settings.drain_notice_seconds))

    async def _part(self, listeners: list[asyncio.Server]) -> None:
        """Take nobody in any more and send everybody off."""
        self.health.is_draining = True
        self.server.engine.is_accepting = False
        if self.leaving.is_replaced:
            self._stop_listening(listeners)
        await self.leaving.unless_hurried(self._send_off())
        await self.server.shutdown()

    def _stop_listening(self, listeners: list[asyncio.Server]) -> None:
        for listener in listeners:
            listener.close()
        if self._berth is not None:
            self._berth.report_closed()

    def _carried_lines(self) -> list[Line]:
        return [] if self.neighbourhood is None else self.neighbourhood.lines

    async def _send_off(self) -> None:
        limit_seconds = self.settings.drain_seconds
        spread_seconds = limit_seconds * SPREAD_SHARE
        await asyncio.gather(
            send_off(self.hub.membership.peers, self.lanes, spread_seconds),
            in_batches(self._carried_lines, Line.end, spread_seconds),
        )
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(limit_seconds * LAST_WORDS_SHARE):
                while self.server.engine.has_last_words:  # noqa: ASYNC110 - looked at rarely
                    await asyncio.sleep(_LOOK_SECONDS)


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


@contextlib.asynccontextmanager
async def _in_background(work: Coroutine[Any, Any, None]) -> AsyncIterator[None]:
    """Let work that never ends go on while the context is open."""
    task = asyncio.create_task(work)
    try:
        yield
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


def _page_config_of(settings: Settings) -> PageConfig:
    room = settings.map_room or (_ROOM_OF_DEVELOPMENT if settings.is_development else None)
    return PageConfig(
        room=room, tiles_url=settings.map_tiles_url, attribution=settings.map_attribution
    )


def _server_of(settings: Settings, namespace: Namespace, pacing: Pacing, worker_id: str) -> Server:
    limits = EngineLimits(
        message_bytes=settings.message_limit_bytes,
        high_water_bytes=settings.write_high_water_bytes,
        unread_bytes=settings.outbox_limit_bytes,
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
        worker_id=worker_id,
    )
