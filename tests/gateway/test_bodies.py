from __future__ import annotations

import zlib

import pytest
from aiohttp import web
from pytest_aiohttp import AiohttpClient

from gateway.bodies import find_body

LIMIT_BYTES = 100_000


@pytest.mark.parametrize(
    ("size_bytes", "is_read"), [(0, True), (LIMIT_BYTES, True), (LIMIT_BYTES + 1, False)]
)
async def test_a_body_is_read_up_to_its_limit(
    aiohttp_client: AiohttpClient,
    size_bytes: int,
    is_read: bool,  # noqa: FBT001 - a table
) -> None:
    async def answer(_request: web.Request) -> web.Response:
        return web.Response(body=bytes(size_bytes))

    app = web.Application()
    app.add_routes([web.get("/", answer)])
    client = await aiohttp_client(app)
    async with client.get("/") as response:
        body = await find_body(response, LIMIT_BYTES)

    assert body == (bytes(size_bytes) if is_read else None)


async def test_a_small_body_that_unfolds_is_counted_unfolded(aiohttp_client: AiohttpClient) -> None:
    async def answer(_request: web.Request) -> web.Response:
        packed = zlib.compress(bytes(50 * LIMIT_BYTES))
        return web.Response(body=packed, headers={"Content-Encoding": "deflate"})

    app = web.Application()
    app.add_routes([web.get("/", answer)])
    client = await aiohttp_client(app)
    async with client.get("/") as response:
        assert await find_body(response, LIMIT_BYTES) is None
