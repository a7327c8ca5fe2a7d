"""What a provider says that is not true, or not to be used, opens nothing."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import jwt
import pytest
from aiohttp import web

from tests.gateway.openid.hostile import (
    CLIENT_ID,
    CLIENT_SECRET,
    HostileProvider,
    unsigned,
)
from tests.gateway.rest.conftest import Door
from tests.gateway.rest.sign_in.browser import PATH, Browser, claims, everybody, signs
from tests.toolbox.forgery import RSA_PEM, another_key, forged

HS256 = {"alg": "HS256", "typ": "JWT", "kid": "one"}
LIES: dict[str, Callable[[HostileProvider], None]] = {
    "another nonce": claims(nonce="n" * 43),
    "no nonce": claims(nonce=...),
    "another audience": claims(aud="somebody else"),
    "no audience": claims(aud=...),
    "several audiences without azp": claims(aud=[CLIENT_ID, "somebody else"]),
    "made for another party": claims(azp="somebody else"),
    "another issuer": claims(iss="https://issuer.example"),
    "expired": claims(exp=int(time.time()) - 60),
    "from the future": claims(iat=int(time.time()) + 3600),
    "not valid yet": claims(nbf=int(time.time()) + 3600),
    "without an end": claims(exp=...),
    "an end that never comes": claims(exp=1e300),
    "an end that is no time": claims(exp="tomorrow"),
    "another access token": claims(at_hash="AAAAAAAAAAAAAAAAAAAAAA"),
    "nobody": claims(sub=...),
    "nobody with a name": claims(sub=""),
    "a subject that cannot be printed": claims(sub="ada\x00"),
    "an endless subject": claims(sub="a" * 256),
    "a subject that is a number": claims(sub=5),
    "no signature": signs(unsigned),
    "the public key as a secret": signs(lambda it: forged(HS256, it, RSA_PEM.encode())),
    "the client's secret as a key": signs(lambda it: forged(HS256, it, CLIENT_SECRET.encode())),
    "an unknown key": signs(
        lambda it: jwt.encode(it, another_key("RS256"), "RS256", headers={"kid": "two"})
    ),
    "a known name for another key": signs(
        lambda it: jwt.encode(it, another_key("RS256"), "RS256", headers={"kid": "one"})
    ),
    "an algorithm of another family": signs(
        lambda it: jwt.encode(it, another_key("ES256"), "ES256", headers={"kid": "one"})
    ),
    "no token at all": signs(lambda _: "not.a.token"),
    "an endless token": signs(lambda _: "e" * 70_000),
}


@pytest.mark.parametrize("lie", LIES)
async def test_what_a_provider_makes_up_opens_nothing(
    door: Door, provider: HostileProvider, browser: Browser, lie: str
) -> None:
    LIES[lie](provider)
    refused = await browser.come_back()

    assert (refused.status, refused.code) == (401, "SIGN_IN_FAILED")
    assert await everybody(door) == []
    assert "paceline-session" not in browser.cookies


async def test_small_differences_of_clocks_are_none(
    provider: HostileProvider, browser: Browser
) -> None:
    provider.claims |= {"iat": int(time.time()) + 5, "exp": int(time.time()) - 5}

    assert (await browser.come_back()).status == 302


AWAY: dict[str, Callable[[], web.Response]] = {
    "an error": lambda: web.Response(status=500),
    "a refusal": lambda: web.json_response({"error": "invalid_client"}, status=400),
    "nothing to read": lambda: web.Response(text="<html>"),
    "a list": lambda: web.json_response([]),
    "a deep list": lambda: web.Response(text="[" * 100_000),
    "no ID token": lambda: web.json_response({"access_token": "a", "token_type": "bearer"}),
    "a huge answer": lambda: web.Response(body=b"a" * 300_000),
    "a redirect": lambda: web.Response(status=302, headers={"Location": "/jwks"}),
    "another type": lambda: web.json_response(
        {"access_token": "a", "id_token": "b", "token_type": "mac"}
    ),
}


@pytest.mark.parametrize("answer", AWAY)
async def test_a_provider_that_cannot_be_used_is_not_now(
    door: Door, provider: HostileProvider, browser: Browser, answer: str
) -> None:
    provider.token_response = AWAY[answer]
    refused = await browser.come_back()

    assert (refused.status, refused.code) == (503, "UNAVAILABLE")
    assert refused.headers["Retry-After"] == "2"
    assert await everybody(door) == []


@pytest.mark.parametrize(
    "metadata",
    [
        {"issuer": "https://issuer.example"},
        {"token_endpoint": "http://issuer.example/token"},
        {"authorization_endpoint": "javascript:alert(1)"},
        {"jwks_uri": None},
        {"authorization_endpoint": "https://issuer.example:99999999/"},
        {"authorization_endpoint": "https://issuer.example/\x00"},
    ],
)
async def test_a_provider_that_says_something_odd_of_itself_is_not_used(
    provider: HostileProvider, browser: Browser, metadata: dict[str, Any]
) -> None:
    provider.metadata = metadata

    assert (await browser.ask("GET", PATH)).code == "UNAVAILABLE"
    provider.metadata = {}
    assert (await browser.come_back()).status == 302  # once it is right it is used


async def test_a_provider_whose_keys_cannot_be_read_is_not_now(
    door: Door, provider: HostileProvider, browser: Browser
) -> None:
    provider.keys_are_away = True

    assert (await browser.come_back()).code == "UNAVAILABLE"
    assert await everybody(door) == []


async def test_a_code_that_is_refused_is_a_sign_in_that_failed(
    provider: HostileProvider, browser: Browser
) -> None:
    provider.token_response = lambda: web.json_response({"error": "invalid_grant"}, status=400)

    assert (await browser.come_back()).code == "SIGN_IN_FAILED"


async def test_an_answer_counts_once_even_for_a_provider_that_takes_a_code_twice(
    provider: HostileProvider, browser: Browser
) -> None:
    answer = provider.approve(await browser.begin())
    carried = dict(browser.cookies)
    assert (await browser.ask("GET", f"{PATH}/callback?{answer}")).status == 302
    browser.cookies = carried
    again = await browser.ask("GET", f"{PATH}/callback?{answer}")

    assert (again.status, again.code) == (401, "SIGN_IN_FAILED")
    assert provider.asked.count("token") == 1


async def test_an_answer_is_for_the_browser_that_has_asked(
    door: Door, provider: HostileProvider, browser: Browser
) -> None:
    somebody = Browser(door, provider)
    answer = provider.approve(await somebody.begin())
    without = await browser.ask("GET", f"{PATH}/callback?{answer}")
    await browser.begin()
    with_another = await browser.ask("GET", f"{PATH}/callback?{answer}")
    browser.cookies["paceline-sign-in"] += "x"
    with_a_forged_one = await browser.ask("GET", f"{PATH}/callback?{answer}")

    refused = [without, with_another, with_a_forged_one]
    assert [each.code for each in refused] == ["SIGN_IN_FAILED"] * 3
    assert "token" not in provider.asked


async def test_an_answer_of_one_provider_is_none_of_another(
    provider: HostileProvider, browser: Browser
) -> None:
    answer = provider.approve(await browser.begin())

    mixed = await browser.ask("GET", f"/api/sign-in/there/callback?{answer}")
    assert mixed.code == "SIGN_IN_FAILED"
    assert "token" not in provider.asked


@pytest.mark.parametrize(
    ("is_promised", "issuer", "status"),
    [
        (False, None, 302),
        (True, None, 401),
        (True, "https://issuer.example", 401),
        (False, "https://issuer.example", 401),
        (True, "its own", 302),
        (False, "its own", 302),
    ],
)
async def test_an_answer_says_whose_it_is(
    provider: HostileProvider,
    browser: Browser,
    is_promised: object,
    issuer: str | None,
    status: int,
) -> None:
    provider.metadata = {"authorization_response_iss_parameter_supported": is_promised}
    arrived = await browser.come_back(iss=provider.issuer if issuer == "its own" else issuer)

    assert arrived.status == status
