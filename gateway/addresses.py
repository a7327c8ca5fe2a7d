"""This module owns where a request comes from, with proxies of ours in between."""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from aiohttp import web

Network = ipaddress.IPv4Network | ipaddress.IPv6Network


def address_of(request: web.Request, trusted_proxies: Sequence[Network]) -> str:
    """The client's address: the last one in X-Forwarded-For that no trusted proxy of ours owns.

    Each proxy appends whom it heard from, so only the part that trusted ones wrote is believed.
    """
    address = request.remote or ""
    if not trusted_proxies or not is_in(address, trusted_proxies):
        return address
    forwarded = ",".join(request.headers.getall("X-Forwarded-For", ()))
    for hop in reversed([hop.strip() for hop in forwarded.split(",") if hop.strip()]):
        if not _is_address(hop):
            return address
        address = hop
        if not is_in(hop, trusted_proxies):
            return address
    return address


def _is_address(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True


def is_in(address: str, networks: Sequence[Network]) -> bool:
    """Whether one of the networks owns the address; what is no address is in none."""
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return False
    mapped = parsed.ipv4_mapped if isinstance(parsed, ipaddress.IPv6Address) else None
    # A socket for both tells of an IPv4 peer as ::ffff:192.0.2.1.
    return any(each in network for network in networks for each in (parsed, mapped) if each)
