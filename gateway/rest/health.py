"""This module owns what operators and balancers ask: does it live, may traffic come, how much."""

from __future__ import annotations

import asyncio
from typing import Final, Protocol

from aiohttp import web

from gateway.broker.contract import Broker, BrokerUnavailable
from gateway.metrics import Metrics, render
from gateway.rest.problems import json_response
from gateway.users.store import StoreUnavailable

_PING_TIMEOUT_SECONDS: Final = 1.0


class Store(Protocol):
    """What is asked of the user store here."""

    async def ping(self) -> None:
        """Return when it answers; raise `StoreUnavailable` when it does not."""


class Numbers:
    """`/healthz` and `/metrics`, of any process."""

    def __init__(self, metrics: Metrics) -> None:
        self._metrics = metrics

    async def live(self, request: web.Request) -> web.Response:  # noqa: ARG002 - aiohttp's signature
        """The process answers."""
        return json_response({"data": {"status": "ok"}})

    async def metrics(self, request: web.Request) -> web.Response:  # noqa: ARG002
        """What the process counts, for Prometheus."""
        return web.Response(
            text=render(self._metrics),
            headers={"Content-Type": "text/plain; version=0.0.4; charset=utf-8"},
        )

    def routes(self) -> list[web.RouteDef]:
        """The URLs that lead here."""
        return [web.get("/healthz", self.live), web.get("/metrics", self.metrics)]


class HealthResource(Numbers):
    """`/healthz`, `/readyz` and `/metrics`, of a worker."""

    def __init__(self, broker: Broker, store: Store, metrics: Metrics) -> None:
        super().__init__(metrics)
        self._broker = broker
        self._store = store
        self.is_draining = False

    async def ready(self, request: web.Request) -> web.Response:  # noqa: ARG002
        """Each check with its reason; 503 when one fails."""
        checks = {
            "accepting": "draining" if self.is_draining else "ok",
            "broker": await self._broker_state(),
        }
        is_ready = all(state == "ok" for state in checks.values())
        # Sockets do without it, so a balancer has no reason to send them elsewhere.
        checks["store"] = await self._store_state()
        status = "ready" if is_ready else "not ready"
        return json_response(
            {"data": {"status": status, "checks": checks}}, 200 if is_ready else 503
        )

    def routes(self) -> list[web.RouteDef]:
        """The URLs that lead here; each worker may also have them on a port of its own."""
        return [*super().routes(), web.get("/readyz", self.ready)]

    async def _broker_state(self) -> str:
        try:
            async with asyncio.timeout(_PING_TIMEOUT_SECONDS):
                await self._broker.ping()
        except (BrokerUnavailable, TimeoutError):
            return "unavailable"
        return "ok"

    async def _store_state(self) -> str:
        try:
            async with asyncio.timeout(_PING_TIMEOUT_SECONDS):
                await self._store.ping()
        except (StoreUnavailable, TimeoutError):
            return "unavailable"
        return "ok"
