"""This module owns one worker: it builds the gateway from its parts and takes it down in reverse.

Going away: first it says that it is not ready, for as long as balancers take to notice, and goes on
as before. Then it takes nobody in any more, sends off those who are there, a few at a time, and
ends what is left. A worker whose place another one has taken skips the first step, and leaves the
listening socket to the others at once.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
from collections.abc import AsyncIterator, Coroutine
from typing import Any, Final

import structlog

from gateway.backends import (
    between_workers,
    database_of,
    ingest_of,
    shelf_of,
    show_redis,
    stores_of,
)
from gateway.doors import HttpDoor, Parts, SocketsDoor, lanes_of
from gateway.duties import outbox_of, teller_of
from gateway.duties import runner_of as jobs_runner_of
from gateway.hub import Hub
from gateway.lag import LoopLag
from gateway.listening import (
    CannotListen,
    listen,
    malformed_requests_noted,
    numbers_shown,
    runner_of,
)
from gateway.logs import Offences
from gateway.metrics import Metrics
from gateway.operations import Operations
from gateway.peers import PeersByDoor
from gateway.people import People
from gateway.removals import Removals
from gateway.rest.admission import Admission
from gateway.rest.health import HealthResource
from gateway.rest.streams import Streams
from gateway.rooms.pacing import Pacing
from gateway.settings import Settings
from gateway.sockets.departure import in_batches, send_off
from gateway.sockets.handover import HandOver
from gateway.traces.choice import traces_of
from gateway.traces.publishing import traced
from gateway.verdicts import Verdicts
from gateway.workers.berth import Berth
from gateway.workers.folder import RunDirectoryUnusable
from gateway.workers.leaving import LAST_WORDS_SHARE, SPREAD_SHARE, Leaving
from gateway.workers.neighbours import Neighbourhood
from gateway.workers.place import new_worker_id
from gateway.workers.relay import Line
from gateway.workers.settling import settled_among

logger = structlog.get_logger(__name__)

_LOOK_SECONDS: Final = 0.05


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
        self.between = between_workers(settings, self.worker_id)
        self.broker = self.between.broker
        shelf = shelf_of(settings, self.broker)
        stores = stores_of(database, outbox_of(settings))
        self.people = People(settings, database, stores, shelf, self.metrics)
        self._berth = berth
        if berth is not None:
            self.metrics.worker = str(berth.slot)
        self.offences = Offences()
        self.traces = traces_of(os.environ, self.worker_id)
        self.lanes = lanes_of(settings, self.metrics, self.traces)
        self.streams = Streams(settings, self.metrics)
        peers = PeersByDoor(self.lanes, self.streams)
        publish = traced(self.broker.publish, self.traces) if self.traces else None
        self.hub = Hub(settings, self.broker, peers, publish)
        self.lanes.serve(self.hub.membership)
        self.teller = teller_of(settings, stores, self.hub, self.broker, self.metrics)
        self.removals = Removals(self.hub, self.between.intercom)
        self.verdicts = Verdicts(self.hub.membership, peers.dismiss)
        self.people.standings.judge_by(self.verdicts.judge, self.verdicts.subjects)
        self.parts = Parts(
            settings=settings,
            worker_id=self.worker_id,
            metrics=self.metrics,
            offences=self.offences,
            people=self.people,
            between=self.between,
            hub=self.hub,
            lanes=self.lanes,
            streams=self.streams,
            pacing=Pacing(settings),
            removals=self.removals,
            traces=self.traces,
        )
        sockets = SocketsDoor(self.parts)
        self.lobby, self.server = sockets.lobby, sockets.server
        self.health = HealthResource(self.broker, database, self.metrics)
        self.neighbourhood: Neighbourhood | None = None
        self.ingest = ingest_of(settings, self.broker, self.hub, self.metrics, self.worker_id)
        self.metrics.gauge("connections", lambda: len(self.server.engine.sockets))
        self.metrics.gauge("peers", lambda: len(self.hub.membership.peers))
        self.metrics.gauge("streams", lambda: len(self.streams))
        self.metrics.gauge("rooms", lambda: len(self.hub.membership.rooms))
        self.metrics.gauge("account_cache_hits_total", lambda: self.people.standings.hits)
        self.metrics.gauge("account_cache_misses_total", lambda: self.people.standings.misses)
        self.metrics.gauge("tasks", lambda: len(asyncio.all_tasks()))
        show_redis(self.broker, self.metrics)
        self.jobs = jobs_runner_of(settings, stores, self.metrics) if settings.runs_jobs else None
        self.lag = LoopLag()
        self.metrics.gauge("loop_lag_seconds", self.lag.take_seconds)
        self.metrics.gauge("loop_busy_seconds", self.lag.take_busy_seconds)
        self.operations = Operations(
            self.parts,
            self.server,
            self.health,
            late=self.lag.late_reading(),
            slot=0 if berth is None else berth.slot,
            leave=lambda: self.leaving.ask(gives_notice=True),
        )
        watchers = self.operations.watchers
        self.verdicts.include(watchers.present, watchers.dismiss)
        self.removals.end_others = watchers.dismiss_subject

    @property
    def may_have_neighbours(self) -> bool:
        """Whether there may be other workers that share its rooms."""
        return self.settings.workers > 1 or self.settings.redis_url is not None

    @property
    def _metrics_port(self) -> int:
        """A port of its own for each worker; 0: none."""
        first = self.settings.metrics_port
        return first and first + (self._berth.slot if self._berth else 0)

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[int]:
        """Serve while the context is open; gives the port, which the system chose if it was 0."""
        async with contextlib.AsyncExitStack() as stack:
            stack.enter_context(malformed_requests_noted(self.offences))
            if self.traces is not None:
                await stack.enter_async_context(self.traces.running())
            await stack.enter_async_context(self.people.running())
            self.lag.start()
            stack.callback(self.lag.stop)
            if self.teller is not None:  # it ends when everybody has been seen off
                await stack.enter_async_context(_in_background(self.teller.run_forever()))
            await self.hub.start()
            stack.push_async_callback(self.hub.stop)
            self.lobby.start()
            stack.push_async_callback(self.lobby.stop)
            if self.jobs is not None:
                await stack.enter_async_context(_in_background(self.jobs.run_forever()))
            if self.ingest is not None:
                await stack.enter_async_context(_in_background(self.ingest.run_forever()))
            stack.push_async_callback(self.operations.stop)
            http = HttpDoor(self.parts, self.health, self.server, self.operations.workers)
            runner = runner_of(http.application, self.settings)
            await runner.setup()
            stack.push_async_callback(runner.cleanup)
            door = http.admission(runner)
            door.start()
            stack.callback(door.stop)
            listeners = await listen(self.settings, self._berth, door)
            stack.callback(self._stop_listening, listeners)
            port: int = listeners[0].sockets[0].getsockname()[1]
            await stack.enter_async_context(
                numbers_shown(self.settings, self.health, self._metrics_port)
            )
            if self.may_have_neighbours:
                await stack.enter_async_context(self._neighbours_known(door, port))
            for listener in listeners:  # whoever comes now gets a session that others can find
                await listener.start_serving()
            stack.push_async_callback(self._part, listeners)
            yield port

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
                self.operations.know(self.neighbourhood)
                yield
                self.server.engine.handover = None
        except RunDirectoryUnusable as unusable:
            raise CannotListen(f"Workers cannot find each other: {unusable}") from unusable

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
        self.server.engine.is_accepting = self.streams.is_accepting = False
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
            in_batches(self.streams.staying, self.streams.see_off, spread_seconds),
            in_batches(self._carried_lines, Line.end, spread_seconds),
        )
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(limit_seconds * LAST_WORDS_SHARE):
                while self.server.engine.has_last_words:  # noqa: ASYNC110 - looked at rarely
                    await asyncio.sleep(_LOOK_SECONDS)


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
