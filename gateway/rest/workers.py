"""This module owns `/api/workers`: who there is, and how an operator has one of them leave."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence

from aiohttp import web

from gateway.authentication import Authenticator
from gateway.drains import Drain, Drains
from gateway.rest.problems import json_response
from gateway.rest.requests import check_operator
from gateway.users.trail import Trail
from protocol.refusals import Refusal, Refused
from protocol.workers import Draining, WorkerView

Everyone = Callable[[], Awaitable[Sequence[WorkerView]]]


class WorkersResource:
    """Workers, as the registries know them right now."""

    def __init__(
        self, everyone: Everyone, drains: Drains, authenticator: Authenticator, trail: Trail
    ) -> None:
        self._everyone = everyone
        self._drains = drains
        self._authenticator = authenticator
        self._trail = trail

    async def list(self, request: web.Request) -> web.Response:
        """Every live worker, the oldest first."""
        await check_operator(request, self._authenticator)
        workers = sorted(await self._everyone(), key=lambda worker: worker.started_at_ms)
        return json_response({"data": workers, "meta": {"total": len(workers)}})

    async def drain(self, request: web.Request) -> web.Response:
        """Have a worker leave; asked again while it does, the answer is the same."""
        operator = await check_operator(request, self._authenticator)
        worker_id = request.match_info["workerId"]
        if all(worker.worker_id != worker_id for worker in await self._everyone()):
            raise Refused(Refusal.NOT_FOUND, "There is no such worker.")
        self._drains.order(Drain(worker_id, operator.subject))
        await self._trail.note("worker.drained", worker_id)
        return json_response({"data": Draining(worker_id)}, 202)
