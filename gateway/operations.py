"""This module owns what operators see and do, built over the parts of one worker."""

from __future__ import annotations

from collections.abc import Callable
from importlib.metadata import version

from gateway.doors import Parts
from gateway.drains import Drains
from gateway.lag import LagReading
from gateway.reports.gathering import Gathering
from gateway.reports.looking import Looking
from gateway.reports.reporter import Reporter, Self, Sources
from gateway.rest.health import HealthResource
from gateway.rest.workers import WorkersResource
from gateway.sockets.server import Server
from gateway.sockets.watchers import Watchers
from gateway.workers.neighbours import Neighbourhood
from gateway.workers.place import WorkerPlace
from protocol.workers import WorkerView


class Operations:
    """The namespace `/ops`, and `/api/workers`."""

    def __init__(  # noqa: PLR0913 - what a worker says of itself, and how it leaves
        self,
        parts: Parts,
        server: Server,
        health: HealthResource,
        *,
        late: LagReading,
        slot: int,
        leave: Callable[[], None],
    ) -> None:
        self._own = Self(worker_id=parts.worker_id, slot=slot, version=version("paceline"))
        self._health = health
        self._neighbourhood: Neighbourhood | None = None
        standings, authenticator = parts.people.standings, parts.people.authenticator
        sources = Sources(
            metrics=parts.metrics,
            membership=parts.hub.membership,
            goodbyes=parts.lanes.goodbyes,
            connections=lambda: len(server.engine.sockets),
            is_draining=lambda: health.is_draining,
            is_store_well=lambda: standings.are_up_to_date,
            pulse=parts.between.pulse,
            late=late,
        )
        self.watchers = Watchers(
            server,
            authenticator,
            Gathering(Reporter(self._own, sources), parts.between.intercom),
            Looking(parts.between.broker),
            parts.metrics,
            parts.offences,
            parts.settings.jwt_leeway_seconds,
        )
        drains = Drains(parts.worker_id, parts.between.intercom, leave)
        self.workers = WorkersResource(self._everyone, drains, authenticator, parts.people.trail)

    def know(self, neighbourhood: Neighbourhood) -> None:
        """There are others."""
        self._neighbourhood = neighbourhood

    async def stop(self) -> None:
        """End; a second call does nothing."""
        await self.watchers.stop()

    async def _everyone(self) -> list[WorkerView]:
        if self._neighbourhood is not None:
            return [_view_of(place) for place in await self._neighbourhood.everyone()]
        own = WorkerView(
            worker_id=self._own.worker_id,
            host_id="",
            process_id=self._own.process_id,
            started_at_ms=self._own.started_at_ms,
            version=self._own.version,
            is_leaving=self._health.is_draining,
        )
        return [own]


def _view_of(place: WorkerPlace) -> WorkerView:
    return WorkerView(
        worker_id=place.worker_id,
        host_id=place.host_id,
        process_id=place.process_id,
        started_at_ms=place.started_at_ms,
        version=place.version,
        is_leaving=place.is_leaving,
    )
