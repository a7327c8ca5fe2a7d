"""This module owns the table of URLs."""

from __future__ import annotations

from aiohttp import web

from gateway.rest.events import EventsResource
from gateway.rest.health import HealthResource


def routes_of(events: EventsResource, health: HealthResource) -> list[web.RouteDef]:
    """Every URL but the Socket.IO endpoint."""
    return [
        web.get("/healthz", health.live),
        web.get("/readyz", health.ready),
        web.get("/metrics", health.metrics),
        web.post("/api/rooms/{roomId}/events", events.post),
    ]
