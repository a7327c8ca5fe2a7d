"""`/api/sign-in` and `/api/sessions/exchange`, with a provider that is honest or is not."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import jwt
import pytest
from aiohttp import web
from pytest_aiohttp import AiohttpServer

from gateway.identity import Role
from gateway.metrics import render
from tests.gateway.openid.hostile import (
    CLIENT_ID,
    CLIENT_SECRET,
    HostileProvider,
    unsigned,
)
from tests.gateway.rest.conftest import PRODUCTION, Answer, Door, OpenDoor
from tests.toolbox.forgery import RSA_PEM, another_key, forged

OpenWith = Callable[..., Awaitable[Door]]
PATH = "/api/sign-in/here"


@pytest.fixture
async def provider(aiohttp_server: AiohttpServer) -> HostileProvider:
    provider = HostileProvider()
    server = await aiohttp_server(provider.application)
    provider.issuer = f"http://127.0.0.1:{server.port}"
    return provider


@pytest.fixture
def open_with(open_door: OpenDoor, provider: HostileProvider, tmp_path: Path) -> OpenWith:
    """A door with the provider under two names; lines of TOML and settings may be added."""

    async def open_(*lines: str, **environ: str) -> Door:
        config = tmp_path / "paceline.toml"
        table = [f'issuer = "{provider.issuer}"', f'client_id = "{CLIENT_ID}"', *lines]
        config.write_text(
            "\n".join(
                line
                for name in ("here", "there")
                for line in ("[[provider]]", f'name = "{name}"', *table)
            )
        )
        settings = {
            "PACELINE_CONFIG": str(config),
            "PACELINE_PUBLIC_URL": "http://127.0.0.1:8080",
            "PACELINE_CLIENT_SECRET_HERE": CLIENT_SECRET,
            "PACELINE_CLIENT_SECRET_THERE": CLIENT_SECRET,
        }
        return await open_door(PRODUCTION | settings | environ)

    return open_


@pytest.fixture
async def door(open_with: OpenWith) -> Door:
    return await open_with()


class Browser:
    """Somebody's browser: it keeps cookies by name, and shows what it was told about them."""

    def __init__(self, door: Door, provider: HostileProvider) -> None:
        self._door = door
        self._provider = provider
        self.cookies: dict[str, str] = {}
        self.attributes: dict[str, str] = {}

    async def ask(self, method: str, path: str, body: object = None) -> Answer:
        cookie = "; ".join(f"{name}={value}" for name, value in self.cookies.items())
        headers = {"Cookie": cookie} if cookie else {}
        answer = await self._door.ask(method, path, body, headers, role=None)
        self._door.client.session.cookie_jar.clear()  # it would be everybody's
        for line in answer.headers.getall("Set-Cookie", []):  # type: ignore[attr-defined]  # aiohttp's
            pair, _, attributes = line.partition("; ")
            name, _, value = pair.partition("=")
            self.cookies.pop(name, None)
            self.attributes[name] = attributes
            if value.strip('"'):
                self.cookies[name] = value
        return answer

    async def begin(self, query: str = "") -> str:
        answer = await self.ask("GET", PATH + query)
        assert answer.status == 302, answer.body
        return answer.headers["Location"]

    async def come_back(self, **changes: str | None) -> Answer:
        """Sign in at the provider, and come back with its answer."""
        answer = self._provider.approve(await self.begin(), **changes)
        return await self.ask("GET", f"{PATH}/callback?{answer}")

    async def sign_in(self) -> Any:  # noqa: ANN401 - what signing in gives
        arrived = await self.come_back()
        assert arrived.status == 302, arrived.body
        exchanged = await self.ask("POST", "/api/sessions/exchange", {})
        assert exchanged.status == 200, exchanged.body
        return exchanged.data


@pytest.fixture
def browser(door: Door, provider: HostileProvider) -> Browser:
    return Browser(door, provider)


async def everybody(door: Door) -> list[dict[str, Any]]:
    return list((await door.ask("GET", "/api/users")).data)


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


def claims(**changes: Any) -> Callable[[HostileProvider], None]:  # noqa: ANN401 - any claim
    def change(provider: HostileProvider) -> None:
        provider.claims.update(changes)

    return change


def signs(sign: Callable[[dict[str, Any]], str]) -> Callable[[HostileProvider], None]:
    def change(provider: HostileProvider) -> None:
        provider.sign = sign

    return change


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


async def test_keys_that_a_provider_has_changed_are_read_again(
    provider: HostileProvider, browser: Browser
) -> None:
    await browser.sign_in()
    provider.keys = {"two": another_key("EdDSA")}
    provider.algorithm = "EdDSA"

    deadline = time.monotonic() + 15
    while (arrived := await browser.come_back()).status != 302:
        assert time.monotonic() < deadline, arrived.body
        await asyncio.sleep(0.5)  # and no more often than an address may


async def test_what_the_id_token_leaves_out_is_asked_for(
    open_with: OpenWith, provider: HostileProvider
) -> None:
    provider.claims = {"email": ..., "email_verified": ..., "name": ...}
    provider.user_info = {
        "sub": "ada at the provider",
        "email": "ada@example.org",
        "email_verified": True,
    }
    tokens = await Browser(await open_with(), provider).sign_in()

    assert (tokens["user"]["email"], tokens["user"]["name"]) == ("ada@example.org", "ada")


async def test_what_is_said_of_somebody_else_is_not_believed(
    door: Door, provider: HostileProvider, browser: Browser
) -> None:
    provider.claims = {"email": ...}
    provider.user_info = {"sub": "eve", "email": "ada@example.org", "email_verified": True}

    assert (await browser.come_back()).code == "SIGN_IN_FAILED"
    assert await everybody(door) == []


async def test_an_address_goes_with_what_was_said_of_that_address(
    door: Door, provider: HostileProvider, browser: Browser
) -> None:
    provider.user_info = {"sub": "ada at the provider", "name": "Ada"}
    for about_the_token, about_the_user in (
        ({"email_verified": ...}, {"email": "eve@example.org", "email_verified": True}),
        ({"email": ..., "email_verified": True}, {"email": "eve@example.org"}),
        ({"email_verified": False}, {"email_verified": True}),
    ):
        provider.claims = {"name": ..., **about_the_token}
        provider.user_info = {"sub": "ada at the provider", **about_the_user}
        await browser.come_back()

    assert [user["email"] for user in await everybody(door)] == ["eve@example.org"]


@pytest.mark.parametrize("verified", [False, None, "false", 1.5, ...])
async def test_an_address_that_is_not_verified_makes_nobody_a_user(
    door: Door, provider: HostileProvider, browser: Browser, verified: object
) -> None:
    provider.claims = {"email_verified": verified}
    refused = await browser.come_back()

    assert (refused.status, refused.code) == (403, "FORBIDDEN")
    assert await everybody(door) == []


ADA = {"email": "Ada@Example.org", "name": "Ada of old", "role": "operator"}


async def test_an_account_is_not_opened_by_an_address(door: Door, browser: Browser) -> None:
    await door.ask("POST", "/api/users", ADA)
    refused = await browser.come_back()

    assert (refused.status, refused.code) == (409, "EMAIL_TAKEN")


@pytest.mark.parametrize(("verified", "status"), [(True, 302), (False, 403)])
async def test_an_account_is_opened_by_a_verified_address_where_that_is_set(
    open_with: OpenWith,
    provider: HostileProvider,
    verified: object,
    status: int,
) -> None:
    door = await open_with("links_verified_emails = true")
    user = (await door.ask("POST", "/api/users", ADA)).data
    browser = Browser(door, provider)
    provider.claims = {"email_verified": verified}

    assert (await browser.come_back()).status == status
    if status == 302:
        tokens = await browser.sign_in()
        assert (tokens["user"]["id"], tokens["user"]["role"]) == (user["id"], "operator")


async def test_who_is_disabled_does_not_come_in(
    open_with: OpenWith, provider: HostileProvider
) -> None:
    door = await open_with("links_verified_emails = true")
    user = (await door.ask("POST", "/api/users", ADA | {"disabled": True})).data
    browser = Browser(door, provider)
    assert (await browser.come_back()).code == "FORBIDDEN"  # not linked yet

    await door.ask("PATCH", f"/api/users/{user['id']}", {"disabled": False})
    assert (await browser.come_back()).status == 302
    await door.ask("PATCH", f"/api/users/{user['id']}", {"disabled": True})
    assert (await browser.ask("POST", "/api/sessions/exchange", {})).code == "FORBIDDEN"
    assert (await browser.come_back()).code == "FORBIDDEN"  # linked


async def test_who_was_deleted_is_somebody_new(door: Door, browser: Browser) -> None:
    before = (await browser.sign_in())["user"]
    assert (await door.ask("DELETE", f"/api/users/{before['id']}")).status == 204
    after = (await browser.sign_in())["user"]

    assert after["id"] != before["id"]


async def test_nobody_is_made_a_user_where_that_is_set(
    open_with: OpenWith, provider: HostileProvider
) -> None:
    door = await open_with("creates_users = false", "default_role = 'rider'")

    assert (await Browser(door, provider).come_back()).code == "FORBIDDEN"
    assert await everybody(door) == []


async def test_a_claim_says_what_somebody_may_do_at_each_sign_in(
    open_with: OpenWith, provider: HostileProvider
) -> None:
    door = await open_with(
        "role_claim = 'groups'", "roles = {admin = ['chiefs'], operator = ['staff']}"
    )
    browser = Browser(door, provider)
    roles = []
    for groups in (["staff", "chiefs"], ["staff"], "chiefs", [], None, {"chiefs": 1}):
        provider.claims["groups"] = groups
        tokens = await browser.sign_in()
        headers = {"Authorization": f"Bearer {tokens['accessToken']}"}
        assert (await door.ask("GET", "/api/users/me", headers=headers)).status == 200
        roles.append(tokens["user"]["role"])

    assert roles == ["admin", "operator", "admin", "viewer", "viewer", "viewer"]


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
