"""This module owns the spans of requests below /api/, whatever their handlers do."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from aiohttp import hdrs, web

from gateway.rest.problems import Handler

if TYPE_CHECKING:
    from gateway.traces.spans import Traces

_TRACED: Final = "/api/"  # not polling, which waits, nor what balancers ask all day


class Tracing:
    """Puts each request into a span of its route, never of its path, which may name anybody."""

    def __init__(self, traces: Traces) -> None:
        self._traces = traces

    @web.middleware
    async def answer(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """What the outermost middleware has to be: it sees what goes out."""
        resource = request.match_info.route.resource
        if resource is None or not resource.canonical.startswith(_TRACED):
            return await handler(request)
        # Strangers choose the word; a span's name is one of few.
        method = request.method if request.method in hdrs.METH_ALL else "_OTHER"
        with self._traces.serving(method, resource.canonical, request.headers) as span:
            response = await handler(request)
            self._traces.note_status(span, response.status)
            return response
