"""A provider is a stranger: what it answers is bounded, whatever it answers."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import msgspec
import pytest
from aiohttp import web
from pytest_aiohttp import AiohttpServer

from gateway.openid.asking import ANSWER_LIMIT_BYTES, Asking, ProviderAway
from gateway.openid.discovery import discover
from tests.toolbox.ports import free_port


class Shape(msgspec.Struct):
    a: int


@pytest.fixture
async def asking() -> AsyncIterator[Asking]:
    asking = Asking(limit_seconds=0.5)
    await asking.start()
    yield asking
    await asking.stop()


async def never(request: web.Request) -> web.StreamResponse:
    await asyncio.sleep(60)
    return web.Response()


async def dripping(request: web.Request) -> web.StreamResponse:
    response = web.StreamResponse()
    await response.prepare(request)
    for _ in range(600):
        await response.write(b" ")
        await asyncio.sleep(0.1)
    return response


async def endless(request: web.Request) -> web.StreamResponse:
    response = web.StreamResponse()
    await response.prepare(request)
    for _ in range(ANSWER_LIMIT_BYTES // 1024 + 64):
        await response.write(b"a" * 1024)
    return response


async def compressed(request: web.Request) -> web.StreamResponse:
    return web.Response(body=b"x", headers={"Content-Encoding": "gzip"})


async def broken(request: web.Request) -> web.StreamResponse:
    return web.Response(status=503)


@pytest.mark.parametrize("handler", [never, dripping, endless, compressed, broken])
async def test_what_is_no_answer_is_a_provider_that_is_away(
    asking: Asking,
    aiohttp_server: AiohttpServer,
    handler: object,
) -> None:
    app = web.Application()
    app.router.add_get("/", handler)  # type: ignore[arg-type]  # a table of handlers
    server = await aiohttp_server(app)

    with pytest.raises(ProviderAway):
        await asking.get(str(server.make_url("/")))


async def test_nobody_there_is_a_provider_that_is_away(asking: Asking) -> None:
    with pytest.raises(ProviderAway) as caught:
        await asking.get(f"http://127.0.0.1:{free_port()}/?secret")

    assert "secret" not in str(caught.value)


async def test_a_redirect_is_not_followed(asking: Asking, aiohttp_server: AiohttpServer) -> None:
    app = web.Application()
    asked = []

    async def away(request: web.Request) -> web.Response:
        asked.append(await request.text())
        return web.Response(status=307, headers={"Location": "/elsewhere"})

    app.router.add_post("/", away)
    server = await aiohttp_server(app)
    answer = await asking.post(str(server.make_url("/")), "client_secret=a", {})

    assert (answer.status, asked) == (307, ["client_secret=a"])
    with pytest.raises(ProviderAway):
        answer.read(Shape)


async def test_an_issuer_is_asked_where_the_specification_says(
    asking: Asking, aiohttp_server: AiohttpServer
) -> None:
    app = web.Application()
    metadata: dict[str, str] = {}

    async def document(request: web.Request) -> web.Response:
        return web.json_response(metadata)

    app.router.add_get("/realms/main/.well-known/openid-configuration", document)
    server = await aiohttp_server(app)
    issuer = str(server.make_url("/realms/main"))
    names = ("authorization_endpoint", "token_endpoint", "jwks_uri")
    metadata |= {"issuer": issuer} | {name: f"https://id.example/{name}" for name in names}
    found = await discover(asking, issuer)

    assert found.token_endpoint == "https://id.example/token_endpoint"
    assert found.authentication == "client_secret_basic"
    with pytest.raises(ProviderAway, match="another issuer"):
        await discover(asking, issuer + "/")
