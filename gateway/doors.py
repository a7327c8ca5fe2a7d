"""This module owns the two doors of one worker, Socket.IO and HTTP, built over its parts."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import msgspec
from aiohttp import web

from gateway.backends import BetweenWorkers, limiter_of
from gateway.hub import Hub
from gateway.logs import Offences
from gateway.metrics import Metrics
from gateway.people import People
from gateway.quotas.policies import policies_of
from gateway.removals import Removals
from gateway.rest import admission
from gateway.rest.access_log import AccessLog
from gateway.rest.acting import Acting
from gateway.rest.admission import Admission
from gateway.rest.audit import AuditResource
from gateway.rest.compression import compress, may_be_compressed
from gateway.rest.development import DevelopmentSignIn
from gateway.rest.documents import DocumentsResource
from gateway.rest.events import EventsResource
from gateway.rest.health import HealthResource
from gateway.rest.histories import HistoriesResource
from gateway.rest.keys import KeysResource
from gateway.rest.limits import Limits
from gateway.rest.me import MeResource
from gateway.rest.members import MembersResource
from gateway.rest.origins import Origins
from gateway.rest.problems import Handler, Problems, unreadable_response
from gateway.rest.proofs import ProofsResource
from gateway.rest.routes import Resources, routes_of
from gateway.rest.sessions import SessionsResource
from gateway.rest.sign_in import SignInResource
from gateway.rest.snapshots import SnapshotsResource
from gateway.rest.streaming import StreamingResource
from gateway.rest.streams import Streams
from gateway.rest.tickets import Tickets
from gateway.rest.tracing import Tracing
from gateway.rest.trackers import TrackersResource
from gateway.rest.users import UsersResource
from gateway.rest.vehicles import PublicVehicles
from gateway.rest.workers import WorkersResource
from gateway.rooms.pacing import Pacing
from gateway.settings import Settings
from gateway.sockets.engine import EngineLimits
from gateway.sockets.internals import handler_of, has_asked
from gateway.sockets.lanes import Lanes
from gateway.sockets.lobby import Lobby
from gateway.sockets.namespace import Namespace
from gateway.sockets.recovery import Recovery
from gateway.sockets.server import Server
from gateway.sockets.traced_lanes import TracedLanes
from gateway.web.routes import page_routes_of

if TYPE_CHECKING:
    from gateway.traces.spans import Traces


class Parts(msgspec.Struct, frozen=True, kw_only=True):
    """What stands behind the doors."""

    settings: Settings
    worker_id: str
    metrics: Metrics
    offences: Offences
    people: People
    between: BetweenWorkers
    hub: Hub
    lanes: Lanes
    streams: Streams
    pacing: Pacing
    removals: Removals
    traces: Traces | None


def lanes_of(settings: Settings, metrics: Metrics, traces: Traces | None) -> Lanes:
    """The lanes to the peers."""
    limits = (settings.outbox_limit_bytes, settings.write_high_water_bytes)
    return Lanes(*limits, metrics) if traces is None else TracedLanes(*limits, metrics, traces)


class SocketsDoor:
    """Where sockets come in: who may stay, and what their packets do."""

    def __init__(self, parts: Parts) -> None:
        settings, authenticator = parts.settings, parts.people.authenticator
        pacing = parts.pacing
        recovery = Recovery(
            settings.recovery_seconds, parts.between.sessions, parts.between.intercom, parts.metrics
        )
        self.lobby = Lobby(
            settings,
            parts.hub,
            parts.lanes,
            authenticator,
            recovery,
            pacing,
            parts.metrics,
            parts.offences,
        )
        namespace = Namespace(
            settings,
            parts.hub,
            parts.lanes,
            authenticator,
            self.lobby,
            parts.metrics,
            parts.offences,
        )
        self.server = Server(
            namespace,
            ping_interval=settings.ping_interval_seconds,
            ping_timeout=settings.ping_timeout_seconds,
            limits=_engine_limits_of(settings),
            origins=settings.allowed_origins,
            trusted_proxies=settings.trusted_networks,
            pace_handshake=lambda address: pacing.take_handshake(address, time.monotonic()),
            worker_id=parts.worker_id,
        )


class HttpDoor:
    """Where requests come in: every resource, the pages, and Socket.IO's endpoint among them."""

    def __init__(
        self, parts: Parts, health: HealthResource, server: Server, workers: WorkersResource
    ) -> None:
        self._parts = parts
        self._server = server
        settings = parts.settings
        limits = _limits_of(parts)
        access_log = AccessLog(settings.trusted_networks) if settings.access_log else None
        problems = Problems(
            parts.metrics, parts.offences, limits.tell, access_log, settings.trusted_networks
        )
        tracing = [] if parts.traces is None else [Tracing(parts.traces).answer]
        acting = Acting(settings.trusted_networks)
        origins = [Origins(settings.allowed_origins).answer] if settings.allowed_origins else []
        self.application = web.Application(
            middlewares=[
                *tracing,
                self._finish,
                *origins,
                problems.answer,
                acting.note,
                limits.check,
            ],
            client_max_size=settings.body_limit_bytes,
        )
        self.application.add_routes(routes_of(_resources_of(parts, health, workers)))
        self.application.add_routes(page_routes_of(settings))
        sign_in = DevelopmentSignIn(settings, parts.people.authenticator)
        self.application.add_routes(sign_in.routes())
        server.attach(self.application)

    def admission(self, runner: web.AppRunner) -> Admission:
        """Who may connect at all, and for how long without a word."""
        server = runner.server
        assert server is not None
        settings = self._parts.settings
        limits = admission.limits_of(
            settings.connections_limit, settings.request_timeout_seconds, settings.stall_seconds
        )
        return Admission(
            server,
            lambda: handler_of(server, unreadable_response),
            has_asked,
            limits,
            self._parts.metrics,
            self._parts.offences,
        )

    @web.middleware
    async def _finish(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """Compress an answer; end its connection when the worker is about to end.

        A kept connection would bring its next request here.
        """
        response = await handler(request)
        if may_be_compressed(request, response):
            await compress(request, response)
        if not self._server.engine.is_accepting and not response.prepared:
            response.force_close()
        return response


def _limits_of(parts: Parts) -> Limits:
    settings = parts.settings
    return Limits(
        limiter_of(settings, parts.between.broker, parts.metrics),
        policies_of(settings),
        parts.people.authenticator,
        settings.trusted_networks,
        parts.metrics,
    )


def _resources_of(parts: Parts, health: HealthResource, workers: WorkersResource) -> Resources:
    people = parts.people
    authenticator = people.authenticator
    return Resources(
        health=health,
        events=EventsResource(parts.hub, authenticator, parts.metrics),
        snapshots=SnapshotsResource(
            parts.hub,
            authenticator,
            PublicVehicles(parts.settings, parts.between.broker, parts.between.lockers),
        ),
        histories=HistoriesResource(parts.between.broker, authenticator),
        streaming=StreamingResource(
            parts.settings,
            parts.hub,
            authenticator,
            parts.streams,
            Tickets(parts.between.lockers, authenticator),
            parts.pacing,
            parts.metrics,
        ),
        trackers=TrackersResource(
            parts.hub,
            authenticator,
            parts.pacing,
            parts.metrics,
            parts.offences,
            parts.settings.trusted_networks,
        ),
        members=MembersResource(parts.hub, authenticator, parts.removals, people.trail),
        users=UsersResource(people.accounts, authenticator),
        me=MeResource(
            people.accounts, people.sessions, authenticator, parts.settings.trusted_networks
        ),
        sessions=SessionsResource(
            people.sessions, people.accounts, authenticator, parts.settings.trusted_networks
        ),
        proofs=ProofsResource(
            people.proving, people.accounts, authenticator, parts.settings.trusted_networks
        ),
        sign_in=SignInResource(
            people.sign_ins,
            people.sessions,
            parts.settings.trusted_networks,
            parts.metrics,
            is_secure=parts.settings.is_seen_over_https,
        ),
        keys=KeysResource(people.keys, authenticator),
        workers=workers,
        audit=AuditResource(people.audit, authenticator),
        documents=DocumentsResource(),
    )


def _engine_limits_of(settings: Settings) -> EngineLimits:
    return EngineLimits(
        message_bytes=settings.message_limit_bytes,
        high_water_bytes=settings.write_high_water_bytes,
        unread_bytes=settings.outbox_limit_bytes,
        connect_timeout_seconds=settings.connect_timeout_seconds,
        upgrade_timeout_seconds=settings.upgrade_timeout_seconds,
        stall_seconds=settings.stall_seconds,
        connections_per_address=settings.connections_per_address_limit,
    )
