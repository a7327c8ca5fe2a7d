"""This module owns which pages may read answers (CORS): those of the allowed origins.

The one cookie that is worth anything is for pages of our own site, so no other page is ever given
credentials.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import Final

from aiohttp import hdrs, web

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

_ANY: Final = "*"
_ENDPOINT: Final = "/socket.io/"  # Engine.IO has answers of its own
_NO_CONTENT: Final = 204
_PREFLIGHT: Final = {
    hdrs.ACCESS_CONTROL_ALLOW_METHODS: "GET, HEAD, POST, PUT, PATCH, DELETE",
    hdrs.ACCESS_CONTROL_ALLOW_HEADERS: (
        "Authorization, Content-Type, Idempotency-Key, If-Match, If-None-Match, Last-Event-ID"
    ),
    hdrs.ACCESS_CONTROL_MAX_AGE: "600",
}
# Under this name a request has what a handler has to add that begins to answer by itself.
ANSWER_HEADERS: Final = web.RequestKey("answer_headers", dict[str, str])
_EXPOSED: Final = "ETag, Location, Retry-After, X-Request-Id"


class Origins:
    """Answers preflights, and lets the pages of allowed origins read."""

    def __init__(self, allowed: Sequence[str]) -> None:
        self._allowed = frozenset(allowed)

    @web.middleware
    async def answer(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """Add what a browser asks for; without allowed origins there is nothing to add."""
        if not self._allowed or request.path == _ENDPOINT:
            return await handler(request)
        origin = request.headers.get(hdrs.ORIGIN)
        is_allowed = origin is not None and (origin in self._allowed or _ANY in self._allowed)
        is_preflight = request.method == hdrs.METH_OPTIONS and (
            hdrs.ACCESS_CONTROL_REQUEST_METHOD in request.headers
        )
        response: web.StreamResponse
        if is_preflight and is_allowed:
            response = web.Response(status=_NO_CONTENT, headers=_PREFLIGHT)
        else:
            allowed_origin = origin if is_allowed else None
            request[ANSWER_HEADERS] = {hdrs.VARY: "Origin", **_headers_for(allowed_origin)}
            response = await handler(request)
        if response.prepared:
            return response
        # A cache must not give one origin the answer to another.
        response.headers.add(hdrs.VARY, "Origin")
        response.headers.update(_headers_for(origin if is_allowed else None))
        return response


def _headers_for(allowed_origin: str | None) -> dict[str, str]:
    if allowed_origin is None:
        return {}
    return {
        hdrs.ACCESS_CONTROL_ALLOW_ORIGIN: allowed_origin,
        hdrs.ACCESS_CONTROL_EXPOSE_HEADERS: _EXPOSED,
    }
