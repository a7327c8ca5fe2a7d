"""One click makes an operator: on a developer's own machine, for the page itself, nowhere else."""

from __future__ import annotations

from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient
from pytest_aiohttp import AiohttpClient

from gateway.authentication import Authenticator
from gateway.identity import Role
from gateway.logs import Offences
from gateway.metrics import Metrics
from gateway.rest.development import SUBJECT, DevelopmentSignIn
from gateway.rest.problems import Problems
from gateway.settings import Settings

Client = TestClient[web.Request, web.Application]
PATH = "/ops/sign-in"
DEVELOPMENT = {"PACELINE_ENV": "development"}
SECRET = {"PACELINE_JWT_SECRET": "a-secret-of-thirty-two-bytes-or-more"}


async def opened(
    aiohttp_client: AiohttpClient, environ: dict[str, str]
) -> tuple[Client, Authenticator]:
    settings = Settings.from_env(environ)
    authenticator = Authenticator(settings)
    app = web.Application(middlewares=[Problems(Metrics(), Offences()).answer])
    app.add_routes(DevelopmentSignIn(settings, authenticator).routes())
    return await aiohttp_client(app), authenticator


async def asked(client: Client, **headers: str) -> tuple[int, Any]:
    own = f"http://{client.host}:{client.port}"
    changed = {name.replace("_", "-"): value for name, value in headers.items()}
    async with client.post(PATH, headers={"Origin": own} | changed) as response:
        return response.status, await response.json()


async def is_open(client: Client) -> bool:
    async with client.get(PATH) as response:
        return bool((await response.json())["data"]["isOpen"])


async def test_the_page_itself_gets_the_token_of_an_operator(aiohttp_client: AiohttpClient) -> None:
    client, authenticator = await opened(aiohttp_client, DEVELOPMENT)
    assert await is_open(client)
    status, body = await asked(client)
    identity = await authenticator.identify(body["data"]["accessToken"])

    assert status == 200
    assert (identity.subject, identity.role) == (SUBJECT, Role.OPERATOR)
    assert identity.expires_at_seconds is not None


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "http://evil.example"},
        {"Origin": ""},
        {"Host": "evil.example", "Origin": "http://evil.example"},  # a name that points here
        {"Host": "a:b:c", "Origin": "http://a:b:c"},
        {"X_Forwarded_For": "203.0.113.9"},
        {"Forwarded": "for=203.0.113.9"},
        {"Via": "1.1 proxy"},
    ],
)
async def test_nobody_else_gets_one(aiohttp_client: AiohttpClient, headers: dict[str, str]) -> None:
    client, _ = await opened(aiohttp_client, DEVELOPMENT)
    status, body = await asked(client, **headers)

    assert (status, body["error"]["code"]) == (403, "FORBIDDEN")


@pytest.mark.parametrize(
    "environ",
    [
        SECRET,
        {**DEVELOPMENT, "HOST": "192.0.2.1", "PACELINE_ALLOW_PUBLIC_DEVELOPMENT": "true"},
        {**DEVELOPMENT, "PACELINE_WORKERS": "2", "REDIS_URL": "redis://127.0.0.1:1/0"},
        {**DEVELOPMENT, "PACELINE_JWKS_URL": "https://issuer.example/keys"},
    ],
    ids=["production", "public", "secrets of their own", "nothing to sign with"],
)
async def test_elsewhere_there_is_no_such_thing(
    aiohttp_client: AiohttpClient, environ: dict[str, str]
) -> None:
    client, _ = await opened(aiohttp_client, environ)

    assert not await is_open(client)
    assert (await asked(client))[0] == 404
