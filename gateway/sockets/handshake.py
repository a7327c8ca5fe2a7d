"""This module owns the first request of a connection: where it comes from, what is kept of it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

import msgspec

from gateway.addresses import Network, address_of, is_in

if TYPE_CHECKING:
    from aiohttp import web

ANY_ORIGIN: Final = "*"


class Handshake(msgspec.Struct, frozen=True):
    """What is remembered of the request that opened a connection."""

    address: str
    authorization: str | None


def handshake_of(request: web.Request, trusted_proxies: Sequence[Network]) -> Handshake:
    """Keep what is needed; the request itself can then be forgotten."""
    return Handshake(address_of(request, trusted_proxies), request.headers.get("Authorization"))


def is_origin_allowed(
    request: web.Request, allowed: Sequence[str], trusted_proxies: Sequence[Network]
) -> bool:
    """Whether a page of the request's Origin may talk to the gateway.

    No Origin means no browser page, and nothing here is authenticated by a cookie. Without a list
    only pages of the gateway's own host may; else the origin must be in the list, to the letter.
    """
    origin = request.headers.get("Origin")
    if origin is None or ANY_ORIGIN in allowed:
        return True
    if allowed:
        return origin in allowed
    host = request.headers.get("Host", "")
    if trusted_proxies and is_in(request.remote or "", trusted_proxies):
        host = request.headers.get("X-Forwarded-Host", host)
    return origin in {f"http://{host}", f"https://{host}"}
