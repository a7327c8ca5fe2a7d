"""This module owns the table of URLs."""

from __future__ import annotations

from aiohttp import web

from gateway.rest.events import EventsResource
from gateway.rest.health import HealthResource
from gateway.rest.members import MembersResource


def routes_of(
    events: EventsResource, members: MembersResource, health: HealthResource
) -> list[web.RouteDef]:
    """Every URL but the Socket.IO endpoint."""
    return [
        *health_routes_of(health),
        web.post("/api/rooms/{roomId}/events", events.post),
        web.get("/api/rooms/{roomId}/members", members.list),
        web.delete("/api/rooms/{roomId}/members/{peerId}", members.remove),
        web.delete("/api/peers", members.dismiss),
    ]


def health_routes_of(health: HealthResource) -> list[web.RouteDef]:
    """The URLs for operators and balancers; each worker may also have them on a port of its own."""
    return [
        web.get("/healthz", health.live),
        web.get("/readyz", health.ready),
        web.get("/metrics", health.metrics),
    ]
