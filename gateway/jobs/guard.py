"""This module owns which addresses a URL that somebody configured may lead to.

Checked where it counts: on the addresses that a name was resolved to, which are then the ones that
are connected to. A name that is resolved to another address the second time wins nothing.
"""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Sequence
from typing import Final

from aiohttp.abc import AbstractResolver, ResolveResult
from aiohttp.resolver import ThreadedResolver

from gateway.addresses import Network

# IANA gives out nothing else of IPv6; and of it, newer than this Python knows, one for documents.
_GIVEN_OUT: Final = ipaddress.IPv6Network("2000::/3")
_DOCUMENTATION: Final = ipaddress.IPv6Network("3fff::/20")  # RFC 9637
_NAT64: Final = ipaddress.IPv6Network("64:ff9b::/96")  # RFC 6052: an IPv4 address within


class AddressForbidden(OSError):
    """The address is one of our own networks, or of nobody's."""


def check_address(text: str, allowed: Sequence[Network]) -> None:
    """Raise `AddressForbidden` unless it is on the open network, or in an allowed one of ours."""
    address = _meant_by(ipaddress.ip_address(text.partition("%")[0]))
    if any(address in network for network in allowed):
        return
    if not address.is_global or address.is_multicast or address.is_reserved or _is_odd(address):
        raise AddressForbidden("its address is private, or of no use")


def _is_odd(address: ipaddress.IPv4Address | ipaddress.IPv6Address) -> bool:
    return address.version == 6 and (address not in _GIVEN_OUT or address in _DOCUMENTATION)  # noqa: PLR2004


def _meant_by(
    address: ipaddress.IPv4Address | ipaddress.IPv6Address,
) -> ipaddress.IPv4Address | ipaddress.IPv6Address:
    """The IPv4 address within an IPv6 one, in each of the ways there are to write one."""
    if isinstance(address, ipaddress.IPv4Address):
        return address
    if address.ipv4_mapped is not None:
        return address.ipv4_mapped
    if address.sixtofour is not None:
        return address.sixtofour
    if address.teredo is not None:
        return address.teredo[1]
    if address in _NAT64:
        return ipaddress.IPv4Address(int(address) & 0xFFFF_FFFF)
    return address


class GuardedResolver(AbstractResolver):
    """Resolves names, and refuses those that lead into our own networks."""

    def __init__(self, allowed: Sequence[Network]) -> None:
        self._allowed = allowed
        self._resolver = ThreadedResolver()

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        found = await self._resolver.resolve(host, port, family)
        for each in found:
            check_address(each["host"], self._allowed)
        return found

    async def close(self) -> None:
        await self._resolver.close()
