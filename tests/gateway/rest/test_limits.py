"""The limits at the HTTP door: whose request it is, and what it is told."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient
from pytest_aiohttp import AiohttpClient

from gateway.authentication import Authenticator
from gateway.identity import Role
from gateway.logs import Offences
from gateway.metrics import Metrics
from gateway.quotas.limiter import MemoryLimiter
from gateway.quotas.policies import policies_of
from gateway.rest.limits import Limits
from gateway.rest.problems import Problems
from gateway.rest.requests import identity_of
from gateway.settings import Settings
from tests.gateway.rest.conftest import PRODUCTION, bearer

ANYONE = "/api/sessions"
Client = TestClient[web.Request, web.Application]
Open = Callable[..., Awaitable[Client]]


@pytest.fixture
def metrics() -> Metrics:
    return Metrics()


@pytest.fixture
def open_(aiohttp_client: AiohttpClient, metrics: Metrics) -> Open:
    async def open_(*rate_limits: str, **settings: Any) -> Client:  # noqa: ANN401 - as Settings has them
        read = Settings.from_env(PRODUCTION | {"PACELINE_RATE_LIMITS": ",".join(rate_limits)})
        policies = policies_of(read)
        authenticator = Authenticator(read)
        limits = Limits(
            MemoryLimiter(policies.values()),
            policies,
            authenticator,
            Settings(**settings).trusted_networks,
            metrics,
        )
        problems = Problems(metrics, Offences(), limits.tell)
        app = web.Application(middlewares=[problems.answer, limits.check])

        async def answer(_: web.Request) -> web.Response:
            return web.Response(text="here")

        async def who(request: web.Request) -> web.Response:
            return web.Response(text=(await identity_of(request, authenticator)).subject)

        app.add_routes(
            [
                web.get("/api/users/{userId}", who),
                web.patch("/api/users/{userId}", who),
                web.post(ANYONE, answer),
                web.get("/healthz", answer),
                web.get("/", answer),
            ]
        )
        return await aiohttp_client(app)

    return open_


async def statuses(client: Client, count: int, method: str, path: str, **headers: str) -> list[int]:
    found = []
    for _ in range(count):
        async with client.request(method, path, headers=headers) as response:
            found.append(response.status)
    return found


async def test_an_answer_says_what_the_limit_is_and_what_is_left_of_it(open_: Open) -> None:
    client = await open_("read=3/60")
    headers = {"Authorization": bearer(Role.ADMIN)}
    async with client.get("/api/users/1", headers=headers) as response:
        assert response.status == 200
        assert response.headers["RateLimit-Policy"] == '"read";q=3;w=60'
        assert response.headers["RateLimit"] == '"read";r=2;t=20'


async def test_too_many_are_told_when_to_come_again(open_: Open, metrics: Metrics) -> None:
    client = await open_("read=1/60")
    headers = {"Authorization": bearer(Role.ADMIN)}
    async with client.get("/api/users/1", headers=headers):
        pass
    async with client.get("/api/users/1", headers=headers) as response:
        error = (await response.json())["error"]
        retry_after_seconds = int(response.headers["Retry-After"])
        assert response.status == 429
        assert response.headers["RateLimit"] == f'"read";r=0;t={retry_after_seconds}'
    assert error["code"] == "TOO_FAST"
    assert retry_after_seconds - 1 < error["details"]["retryAfterMs"] / 1000 <= retry_after_seconds
    assert metrics.limited["read"] == 1


async def test_identities_are_counted_apart_at_one_address(open_: Open) -> None:
    client = await open_("read=2/60")
    ada, bob = bearer(subject="ada"), bearer(subject="bob")
    assert await statuses(client, 3, "GET", "/api/users/1", Authorization=ada) == [200, 200, 429]
    assert await statuses(client, 3, "GET", "/api/users/1", Authorization=bob) == [200, 200, 429]


async def test_an_identity_with_many_tokens_is_one(open_: Open) -> None:
    client = await open_("read=2/60")
    found = []
    for seconds in (60, 61, 62):
        token = bearer(subject="a" * 100, seconds=seconds)
        found += await statuses(client, 1, "GET", "/api/users/1", Authorization=token)
    assert found == [200, 200, 429]


async def test_without_a_good_token_it_is_the_address_that_counts(open_: Open) -> None:
    client = await open_("read=2/60")
    found = []
    for token in ("Bearer one", "Bearer two", "Bearer three"):
        found += await statuses(client, 1, "GET", "/api/users/1", Authorization=token)
    assert found == [401, 401, 429]
    # Nor can who has used it up lock out those of the same address who have proved who they are.
    assert await statuses(client, 1, "GET", "/api/users/1", Authorization=bearer()) == [200]


async def test_methods_have_limits_of_their_own(open_: Open) -> None:
    client = await open_("read=1/60", "write=1/60")
    headers = {"Authorization": bearer(Role.ADMIN)}
    assert await statuses(client, 2, "GET", "/api/users/1", **headers) == [200, 429]
    assert await statuses(client, 1, "HEAD", "/api/users/1", **headers) == [429]
    assert await statuses(client, 2, "PATCH", "/api/users/1", **headers) == [200, 429]


async def test_where_anybody_may_ask_a_token_is_no_way_around(open_: Open) -> None:
    client = await open_("sign-in=2/60")
    found = []
    for subject in ("ada", "bob", "eve"):
        found += await statuses(client, 1, "POST", ANYONE, Authorization=bearer(subject=subject))
    assert found == [200, 200, 429]


async def test_behind_a_trusted_proxy_it_is_the_client_s_network_that_counts(open_: Open) -> None:
    client = await open_("sign-in=1/60", trusted_proxies=("127.0.0.0/8",))
    told = [
        "203.0.113.1",
        "203.0.113.2",
        "203.0.113.1",
        "2001:db8:0:1::1",
        "2001:db8:0:1:ffff::2",
        "2001:db8:0:2::1",
    ]
    found = []
    for address in told:
        found += await statuses(client, 1, "POST", ANYONE, **{"X-Forwarded-For": address})
    assert found == [200, 200, 429, 200, 429, 200]


async def test_nobody_believes_a_stranger_s_forwarded_for(open_: Open) -> None:
    client = await open_("sign-in=1/60")
    found = []
    for address in ("203.0.113.1", "203.0.113.2"):
        found += await statuses(client, 1, "POST", ANYONE, **{"X-Forwarded-For": address})
    assert found == [200, 429]


async def test_who_watches_the_gateway_has_no_limit(open_: Open) -> None:
    client = await open_("all=1/60")
    assert await statuses(client, 5, "GET", "/healthz") == [200] * 5
    async with client.get("/healthz") as response:
        assert "RateLimit" not in response.headers


async def test_what_leads_nowhere_counts_with_the_pages(open_: Open) -> None:
    client = await open_("page=2/60")
    assert await statuses(client, 1, "GET", "/nothing") == [404]
    assert await statuses(client, 2, "GET", "/") == [200, 429]


async def test_a_limit_can_be_taken_away(open_: Open) -> None:
    client = await open_("all=off")
    async with client.get("/") as response:
        assert response.status == 200
        assert "RateLimit-Policy" not in response.headers
