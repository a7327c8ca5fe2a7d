"""Signing in at a real OpenID provider, as a browser does it: links, cookies and forms."""

from __future__ import annotations

import asyncio
import html
import json
import re
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import urljoin

import aiohttp
import pytest

from tests.conftest import RunNode
from tests.gateway.users.backends import BACKENDS, opened
from tests.toolbox import programs
from tests.toolbox.gateway_process import GatewayProcess
from tests.toolbox.openid_provider import OpenIdProvider
from tests.toolbox.strict_gateway import SECRET

pytestmark = pytest.mark.journey

_ATTRIBUTE = re.compile(r'([\w-]+)="([^"]*)"')
CLIENT_SECRET = "known to the provider and the gateway / 100%"
CONFIG = """
[[provider]]
name = "panva"
label = "The provider"
issuer = "{issuer}"
client_id = "paceline"
role_claim = "groups"
roles = {{operator = ["the operators"]}}
"""


class Page(NamedTuple):
    """Where a browser has got to."""

    url: str
    status: int
    text: str


class Place(NamedTuple):
    """Two workers, and the provider that they trust."""

    gateway: GatewayProcess
    other: GatewayProcess
    provider: OpenIdProvider


@pytest.fixture(params=sorted(BACKENDS))
async def place(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Place]:
    url = await asyncio.to_thread(BACKENDS[request.param], request, "paceline_sign_in")
    await (await opened(url)).stop()
    config, secret = tmp_path / "paceline.toml", tmp_path / "client-secret"
    gateways = [
        GatewayProcess(
            tmp_path,
            PACELINE_ENV="production",
            PACELINE_JWT_SECRET=SECRET,
            DATABASE_URL=url,
            PACELINE_CONFIG=str(config),
            PACELINE_CLIENT_SECRET_PANVA_FILE=str(secret),
            LOG_LEVEL="DEBUG",
        )
        for _ in range(2)
    ]
    provider = OpenIdProvider(tmp_path, "paceline", CLIENT_SECRET, gateways[0].url)
    secret.write_text(CLIENT_SECRET + "\n")
    config.write_text(CONFIG.format(issuer=provider.issuer))
    for gateway in gateways:
        gateway.set(PACELINE_PUBLIC_URL=gateways[0].url)
        await asyncio.to_thread(gateway.start)  # while the provider is away
    here, other = gateways
    yield Place(here, other, provider)
    here.kill()
    other.kill()
    provider.kill()


class Browser:
    """Follows links, keeps cookies, and fills in the one form of a page."""

    def __init__(self, session: aiohttp.ClientSession) -> None:
        self._session = session
        self.visited: list[str] = []
        self.detour = ("", "")  # what of a URL that leads back is replaced, as a balancer does

    async def go(self, url: str, form: dict[str, str] | None = None) -> Page:
        method = "GET" if form is None else "POST"
        for _ in range(10):
            if "/callback?" in url:
                url = url.replace(*self.detour)
            self.visited.append(url)
            async with self._session.request(
                method, url, data=form, allow_redirects=False
            ) as response:
                if response.status not in {302, 303}:
                    return Page(url, response.status, await response.text())
                url = urljoin(url, response.headers["Location"])
                method, form = "GET", None
        raise AssertionError(self.visited)

    async def submit(self, page: Page, **answers: str) -> Page:
        found = re.search(r'<form[^>]*action="([^"]+)"', page.text)
        assert found, page.text
        inputs = [dict(_ATTRIBUTE.findall(tag)) for tag in re.findall("<input[^>]*>", page.text)]
        given = {
            each["name"]: html.unescape(each.get("value", "")) for each in inputs if "name" in each
        }
        return await self.go(urljoin(page.url, html.unescape(found[1])), given | answers)

    async def sign_in(self, url: str, name: str) -> Page:
        """Say who one is, and that the gateway may know it."""
        page = await self.submit(await self.go(url), login=name, password="anything")
        return await self.submit(page)

    async def exchange(self, url: str) -> tuple[int, Any]:
        async with self._session.post(f"{url}/api/sessions/exchange", json={}) as response:
            return response.status, await response.json()


@pytest.fixture
async def browser() -> AsyncIterator[Browser]:
    jar = aiohttp.CookieJar(unsafe=True)  # cookies of an address
    async with aiohttp.ClientSession(cookie_jar=jar) as session:
        yield Browser(session)


async def test_one_signs_in_at_a_real_provider(place: Place, browser: Browser) -> None:
    gateway, other, provider = place
    begin = f"{gateway.url}/api/sign-in/panva?return_to=/docs"
    away = await browser.go(begin)
    assert (away.status, "UNAVAILABLE" in away.text) == (503, True)

    await asyncio.to_thread(provider.start)
    page = await browser.sign_in(begin, "ada")
    assert page.url == f"{gateway.url}/docs", page.text
    status, body = await browser.exchange(gateway.url)
    tokens = body["data"]
    assert status == 200
    assert tokens["user"]["email"] == "ada@example.org"
    assert tokens["user"]["name"] == "ada of the provider"
    assert tokens["user"]["role"] == "viewer"
    assert (await browser.exchange(gateway.url))[0] == 401

    # Who is known at the provider, and has agreed, is asked nothing more; and any worker will do.
    browser.detour = (gateway.url, other.url)
    assert (await browser.go(begin)).url == f"{other.url}/docs"
    assert (await browser.exchange(gateway.url))[1]["data"]["user"] == tokens["user"]
    (again,) = [url for url in browser.visited[-3:] if "/callback?" in url]
    assert (await browser.go(again)).status == 401  # its cookie has gone

    after = await browser.go(f"{gateway.url}/api/sign-in/panva/sign-out")
    assert "<form" in after.text  # the provider asks whether one means it
    secrets = [CLIENT_SECRET, tokens["accessToken"], tokens["refreshToken"], "code="]
    assert not [secret for secret in secrets if secret in gateway.log + other.log]
    assert not [token for token in secrets[:3] if any(token in url for url in browser.visited)]


async def test_what_the_provider_says_of_people_counts(place: Place, browser: Browser) -> None:
    gateway, _, provider = place
    await asyncio.to_thread(provider.start)
    begin = f"{gateway.url}/api/sign-in/panva"
    refused = await browser.sign_in(begin, "unverified")
    assert (refused.status, "not verified" in refused.text) == (403, True)

    async with aiohttp.ClientSession(cookie_jar=aiohttp.CookieJar(unsafe=True)) as session:
        operator = Browser(session)
        page = await operator.sign_in(begin, "operator")
        assert page.url == f"{gateway.url}/", page.text
        tokens = (await operator.exchange(gateway.url))[1]["data"]
        assert tokens["user"]["role"] == "operator"


@pytest.mark.browser
@pytest.mark.parametrize("place", ["sqlite"], indirect=True)  # seconds, and none of the store's
async def test_a_browser_brings_its_session_back_from_another_site(
    place: Place, run_node: RunNode
) -> None:
    gateway, _, provider = place
    await asyncio.to_thread(provider.start)
    arguments = (gateway.url, "panva", str(programs.chromium()))
    ran = await asyncio.to_thread(run_node, "sign-in-page.mjs", *arguments)
    assert ran.returncode == 0, ran.stderr
    seen = json.loads(ran.stdout)

    assert (seen["away"], seen["readable"]) == ("localhost", "")
    assert seen["refused"] == f"{gateway.url}/#sign-in-refused=FORBIDDEN"
    assert seen["first"]["status"] == 200
    assert seen["first"]["body"]["data"]["user"]["email"] == "ada@example.org"
    assert seen["second"]["status"] == 401
