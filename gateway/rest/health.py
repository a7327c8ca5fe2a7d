"""This module owns what operators and balancers ask: does it live, may traffic come, how much."""

from __future__ import annotations

from aiohttp import web

from gateway.broker.contract import Broker
from gateway.metrics import Metrics, render
from gateway.rest.problems import json_response
from gateway.rest.readiness import Readiness, Store


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
        self._readiness = Readiness(broker, store)
        self.is_draining = False
        metrics.gauge("ready", lambda: self._readiness.is_ready)
        metrics.gauge("check_passed", self._readiness.passed)

    async def ready(self, request: web.Request) -> web.Response:  # noqa: ARG002
        """Each check with its reason; 503 when one fails."""
        await self._readiness.look(is_draining=self.is_draining)
        return json_response(
            {"data": self._readiness.told()}, 200 if self._readiness.is_ready else 503
        )

    async def metrics(self, request: web.Request) -> web.Response:
        """What the worker counts, and whether it is ready, for Prometheus."""
        await self._readiness.look(is_draining=self.is_draining)
        return await super().metrics(request)

    def routes(self) -> list[web.RouteDef]:
        """The URLs that lead here; each worker may also have them on a port of its own."""
        return [*super().routes(), web.get("/readyz", self.ready)]
