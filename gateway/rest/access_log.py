"""This module owns the access log: a line for each request over HTTP, where one is wanted.

A line says which resource was asked for by the template of its URL. What stands in the URL itself
is a stranger's text, and may hold what is to be told to nobody.
"""

from __future__ import annotations

from collections.abc import Sequence

import structlog
from aiohttp import web

from gateway.addresses import Network, address_of

logger = structlog.get_logger(__name__)

GONE: int = 499  # the client did not wait for its answer; nginx' word for it


class AccessLog:
    """Writes at INFO. The request's id is in the context of the log already."""

    def __init__(self, trusted_proxies: Sequence[Network]) -> None:
        self._trusted_proxies = trusted_proxies

    def note(self, request: web.Request, status: int, seconds: float) -> None:
        """Write what became of a request, and how long it took."""
        resource = request.match_info.route.resource
        logger.info(
            "= answered",
            method=request.method,
            route=None if resource is None else resource.canonical,
            status=status,
            duration_ms=round(seconds * 1000, 2),
            address=address_of(request, self._trusted_proxies),
        )
