import ipaddress

import pytest
from aiohttp import web
from aiohttp.test_utils import make_mocked_request
from multidict import CIMultiDict

from gateway.sockets.handshake import Handshake, handshake_of, is_origin_allowed

PROXIES = [ipaddress.ip_network("10.0.0.0/8"), ipaddress.ip_network("fd00::/8")]
ALLOWED = ["https://app.example", "https://ops.example:8443"]


def request_of(remote: str = "192.0.2.1", *headers: tuple[str, str]) -> web.Request:
    request = make_mocked_request("GET", "/socket.io/", CIMultiDict(headers))
    return request.clone(remote=remote)


@pytest.mark.parametrize(
    ("origin", "is_allowed"),
    [
        (None, True),  # no browser page
        ("https://app.example", True),
        ("https://ops.example:8443", True),
        ("https://evil.example", False),
        ("null", False),
        ("", False),
        ("*", False),
        ("http://app.example", False),
        ("https://app.example.", False),
        ("https://APP.example", False),
        ("https://app.example:443", False),
        ("https://app.example/", False),
        ("https://app.example.evil.example", False),
        ("https://evil.example?https://app.example", False),
        ("https://ops.example", False),
        ("http://gateway.example", False),  # the list replaces the own host
    ],
)
def test_an_origin_is_compared_to_the_letter(origin: str | None, *, is_allowed: bool) -> None:
    headers = [("Host", "gateway.example")] + ([("Origin", origin)] if origin is not None else [])

    assert is_origin_allowed(request_of("192.0.2.1", *headers), ALLOWED, []) is is_allowed


@pytest.mark.parametrize(
    ("origin", "is_allowed"),
    [
        ("http://gateway.example", True),
        ("https://gateway.example", True),
        ("https://gateway.example:8443", False),
        ("https://evil.example", False),
        ("null", False),
    ],
)
def test_without_a_list_pages_of_the_own_host_may(origin: str, *, is_allowed: bool) -> None:
    request = request_of("192.0.2.1", ("Host", "gateway.example"), ("Origin", origin))

    assert is_origin_allowed(request, [], []) is is_allowed


def test_the_host_that_a_proxy_was_asked_for_counts_only_from_a_trusted_proxy() -> None:
    headers = [
        ("Host", "10.0.0.5:8080"),
        ("X-Forwarded-Host", "evil.example"),
        ("Origin", "https://evil.example"),
    ]

    assert not is_origin_allowed(request_of("192.0.2.1", *headers), [], PROXIES)
    assert not is_origin_allowed(request_of("10.0.0.1", *headers), [], [])
    assert is_origin_allowed(request_of("10.0.0.1", *headers), [], PROXIES)


def test_the_star_lets_every_page_in() -> None:
    request = request_of("192.0.2.1", ("Host", "g"), ("Origin", "https://anywhere.example"))

    assert is_origin_allowed(request, ["*"], [])


def test_of_the_request_only_the_address_and_the_credentials_are_kept() -> None:
    request = request_of("192.0.2.1", ("Authorization", "Bearer abc"), ("Cookie", "session=1"))

    assert handshake_of(request, []) == Handshake("192.0.2.1", "Bearer abc")
