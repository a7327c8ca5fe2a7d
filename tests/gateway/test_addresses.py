"""Where a request comes from."""

from __future__ import annotations

import ipaddress

import pytest
from aiohttp import web
from aiohttp.test_utils import make_mocked_request
from multidict import CIMultiDict

from gateway.addresses import address_of, is_in

PROXIES = [ipaddress.ip_network("10.0.0.0/8"), ipaddress.ip_network("fd00::/8")]


def request_of(remote: str = "192.0.2.1", *headers: tuple[str, str]) -> web.Request:
    request = make_mocked_request("GET", "/socket.io/", CIMultiDict(headers))
    return request.clone(remote=remote)


@pytest.mark.parametrize(
    ("remote", "forwarded", "address"),
    [
        ("192.0.2.1", (), "192.0.2.1"),
        # whoever is no proxy of ours may write what it likes
        ("192.0.2.1", ("203.0.113.9",), "192.0.2.1"),
        ("10.0.0.1", (), "10.0.0.1"),
        ("10.0.0.1", ("203.0.113.9",), "203.0.113.9"),
        # the client wrote the first one itself
        ("10.0.0.1", ("198.51.100.1, 203.0.113.9",), "203.0.113.9"),
        ("10.0.0.1", ("198.51.100.1", "203.0.113.9, 10.0.0.2"), "203.0.113.9"),
        ("10.0.0.1", ("203.0.113.9, 10.0.0.3, 10.0.0.2",), "203.0.113.9"),
        ("10.0.0.1", ("10.9.9.9, 10.0.0.2",), "10.9.9.9"),
        ("fd00::1", ("2001:db8::7",), "2001:db8::7"),
        # a proxy that listens for both families at once tells of another one so
        ("10.0.0.1", ("203.0.113.9, ::ffff:10.0.0.2",), "203.0.113.9"),
        ("::ffff:10.0.0.1", ("203.0.113.9",), "203.0.113.9"),
        ("10.0.0.1", ("198.51.100.1, ::ffff:203.0.113.9",), "::ffff:203.0.113.9"),
        # no address: not taken over into limits and logs
        ("10.0.0.1", ("nonsense",), "10.0.0.1"),
        ("10.0.0.1", ("203.0.113.9, <script>",), "10.0.0.1"),
        ("10.0.0.1", ("203.0.113.9, nonsense, 10.0.0.2",), "10.0.0.2"),
        ("10.0.0.1", (" , ,203.0.113.9,",), "203.0.113.9"),
    ],
)
def test_the_address_is_the_last_one_that_no_proxy_of_ours_owns(
    remote: str, forwarded: tuple[str, ...], address: str
) -> None:
    headers = [("X-Forwarded-For", hops) for hops in forwarded]

    assert address_of(request_of(remote, *headers), PROXIES) == address


@pytest.mark.parametrize(
    ("address", "inside"),
    [("10.1.2.3", True), ("::ffff:10.1.2.3", True), ("192.0.2.1", False), ("x", False)],
)
def test_an_address_is_in_the_networks_that_own_it(address: str, *, inside: bool) -> None:
    assert is_in(address, PROXIES) is inside
