"""`/api/sign-in` and `/api/sessions/exchange`, with a provider that is honest."""

from __future__ import annotations

import asyncio
from urllib.parse import parse_qs, urlsplit

import pytest

from gateway.identity import Role
from gateway.metrics import render
from tests.gateway.openid.hostile import (
    CLIENT_ID,
    HostileProvider,
)
from tests.gateway.rest.conftest import Answer, Door
from tests.gateway.rest.sign_in.browser import PATH, Browser, OpenWith


async def test_one_signs_in_and_the_page_gets_the_tokens_once(door: Door, browser: Browser) -> None:
    tokens = await browser.sign_in()

    assert tokens["user"]["email"] == "ada@example.org"
    assert (tokens["user"]["name"], tokens["user"]["role"]) == ("Ada", "viewer")
    headers = {"Authorization": f"Bearer {tokens['accessToken']}"}
    assert (await door.ask("GET", "/api/users/me", headers=headers)).data == tokens["user"]
    refresh = {"refreshToken": tokens["refreshToken"]}
    assert (await door.ask("POST", "/api/sessions/refresh", refresh, role=None)).status == 200
    assert browser.cookies == {}
    assert (await browser.ask("POST", "/api/sessions/exchange", {})).status == 401


async def test_who_comes_back_is_the_same_user(browser: Browser) -> None:
    first, second = await browser.sign_in(), await browser.sign_in()

    assert first["user"] == second["user"]
    assert first["session"]["id"] != second["session"]["id"]


async def test_no_token_stands_in_a_url_and_no_script_reads_a_cookie(browser: Browser) -> None:
    location = await browser.begin("?return_to=/map%3Fcity%3Dparis")
    query = parse_qs(urlsplit(location).query)
    answer = browser._provider.approve(location)  # noqa: SLF001 - of this module
    arrived = await browser.ask("GET", f"{PATH}/callback?{answer}")

    assert query["code_challenge_method"] == ["S256"]
    assert query["scope"] == ["openid email profile"]
    assert query["redirect_uri"] == [f"http://127.0.0.1:8080{PATH}/callback"]
    assert query["state"] != query["nonce"]
    assert arrived.headers["Location"] == "/map?city=paris"
    assert set(browser.attributes) == {"paceline-sign-in", "paceline-session"}
    assert all("HttpOnly" in each for each in browser.attributes.values())
    assert "SameSite=Strict" in browser.attributes["paceline-session"]


async def test_over_https_cookies_are_of_this_host_alone(
    open_with: OpenWith, provider: HostileProvider
) -> None:
    door = await open_with(PACELINE_PUBLIC_URL="https://maps.example")
    browser = Browser(door, provider)
    await browser.begin()

    (attributes,) = (browser.attributes["__Host-paceline-sign-in"],)
    assert {"Secure", "HttpOnly", "Path=/", "SameSite=Lax"} < set(attributes.split("; "))


@pytest.mark.parametrize(
    "elsewhere",
    [
        "https://evil.example",
        "//evil.example",
        "/\\evil.example",
        "/%09/evil.example",
        "/a%0d%0aSet-Cookie:%20a=b",
        "evil",
        "",
        "javascript:alert(1)",
    ],
)
async def test_one_is_led_nowhere_else(door: Door, elsewhere: str) -> None:
    refused = await door.ask("GET", f"{PATH}?return_to={elsewhere}", role=None)

    assert (refused.status, set(refused.bad_fields)) == (422, {"return_to"})


async def test_to_give_up_at_the_provider_is_a_sign_in_that_failed(
    provider: HostileProvider, browser: Browser
) -> None:
    refused = await browser.come_back(code=None, error="access_denied")

    assert (refused.status, refused.code) == (401, "SIGN_IN_FAILED")
    assert "token" not in provider.asked


async def test_people_in_front_of_a_browser_see_their_page_again(
    door: Door, provider: HostileProvider, browser: Browser
) -> None:
    answer = provider.approve(await browser.begin("?return_to=/map%23here"), error="access_denied")
    cookie = f"paceline-sign-in={browser.cookies['paceline-sign-in']}"
    path = f"{PATH}/callback?{answer}"
    headers = {"Accept": "text/html,*/*;q=0.8"}
    led_back = await door.ask("GET", path, headers=headers | {"Cookie": cookie}, role=None)
    nowhere = await door.ask("GET", path, headers=headers, role=None)

    assert led_back.status == 302
    assert led_back.headers["Location"] == "/map#sign-in-refused=SIGN_IN_FAILED"
    assert nowhere.code == "SIGN_IN_FAILED"  # who has begun nothing here is led nowhere
    text = render(door.metrics)
    assert 'paceline_refusals_total{code="SIGN_IN_FAILED"} 2.0' in text


async def test_providers_are_listed(door: Door) -> None:
    answer = await door.ask("GET", "/api/sign-in", role=None)

    assert answer.data == [
        {"name": name, "label": name, "path": f"/api/sign-in/{name}"} for name in ("here", "there")
    ]


async def test_there_is_no_other_provider(door: Door) -> None:
    for path in ("/api/sign-in/nowhere", "/api/sign-in/nowhere/callback?state=a"):
        assert (await door.ask("GET", path, role=None)).status == 404


async def test_one_signs_out_at_the_provider_too(browser: Browser) -> None:
    away = await browser.ask("GET", f"{PATH}/sign-out?return_to=/bye")
    url = urlsplit(away.headers["Location"])

    assert url.path == "/end"
    assert parse_qs(url.query) == {
        "a": ["b"],
        "client_id": [CLIENT_ID],
        "post_logout_redirect_uri": ["http://127.0.0.1:8080/bye"],
    }


async def test_a_provider_without_such_a_place_is_said_to_have_none(
    provider: HostileProvider, browser: Browser
) -> None:
    provider.metadata = {"end_session_endpoint": None}

    assert (await browser.ask("GET", f"{PATH}/sign-out")).code == "NOT_FOUND"


async def test_an_address_begins_only_so_often(door: Door) -> None:
    answers = [await door.ask("GET", PATH, role=None) for _ in range(240)]

    assert answers[0].status == 302
    assert answers[-1].status == 429


async def test_a_provider_that_takes_its_time_holds_only_so_many(
    door: Door, provider: HostileProvider
) -> None:
    provider.may_answer.clear()
    asked = [asyncio.create_task(door.ask("GET", PATH, role=None)) for _ in range(70)]
    refused: set[asyncio.Task[Answer]] = set()
    while len(refused) < 6:
        refused, _ = await asyncio.wait(asked, timeout=0.05)
    provider.may_answer.set()
    answers = await asyncio.gather(*asked)

    assert [task.result().code for task in refused] == ["UNAVAILABLE"] * 6
    assert [answer.status for answer in answers].count(302) == 64


async def test_a_form_of_another_page_exchanges_nothing(browser: Browser) -> None:
    await browser.come_back()
    headers = {"Content-Type": "text/plain", "Cookie": f"paceline-session={browser.cookies}"}
    door = browser._door  # noqa: SLF001 - of this module
    refused = await door.ask("POST", "/api/sessions/exchange", {}, headers, role=None)

    assert refused.code == "UNSUPPORTED_MEDIA_TYPE"


async def test_a_provider_speaks_up_for_nobody_with_a_role_of_its_own(
    door: Door, browser: Browser, provider: HostileProvider
) -> None:
    provider.claims = {"role": "admin", "roles": ["admin"]}
    tokens = await browser.sign_in()

    assert tokens["user"]["role"] == Role.VIEWER
