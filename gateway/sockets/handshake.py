"""This module owns the first request of a connection: where it comes from, what is kept of it."""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

import msgspec

if TYPE_CHECKING:
    from aiohttp import web

Network = ipaddress.IPv4Network | ipaddress.IPv6Network
ANY_ORIGIN: Final = "*"


class Handshake(msgspec.Struct, frozen=True):
    """What is remembered of the request that opened a connection."""

    address: str
    authorization: str | None


def handshake_of(request: web.Request, trusted_proxies: Sequence[Network]) -> Handshake:
    """Keep what is needed; the request itself can then be forgotten."""
    return Handshake(address_of(request, trusted_proxies), request.headers.get("Authorization"))


def address_of(request: web.Request, trusted_proxies: Sequence[Network]) -> str:
    """The client's address: the last one in X-Forwarded-For that no trusted proxy of ours owns.

    Each proxy appends whom it heard from, so only the part that trusted ones wrote is believed.
    """
    address = request.remote or ""
    if not trusted_proxies or not _is_in(address, trusted_proxies):
        return address
    forwarded = ",".join(request.headers.getall("X-Forwarded-For", ()))
    for hop in reversed([hop.strip() for hop in forwarded.split(",") if hop.strip()]):
        if not _is_address(hop):
            return address
        address = hop
        if not _is_in(hop, trusted_proxies):
            return address
    return address


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
    if trusted_proxies and _is_in(request.remote or "", trusted_proxies):
        host = request.headers.get("X-Forwarded-Host", host)
    return origin in {f"http://{host}", f"https://{host}"}


def _is_address(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True


def _is_in(address: str, networks: Sequence[Network]) -> bool:
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return False
    return any(parsed in network for network in networks)
