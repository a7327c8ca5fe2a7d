"""Answers that are sent in one piece: what a client reads is what aiohttp would have sent it."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator

import pytest
from aiohttp import web

from gateway.sockets.internals import handler_of

SOON_SECONDS = 15.0
LARGE = bytes(1_000_000)


def _chunked() -> web.Response:
    response = web.Response(text="in parts")
    response.enable_chunked_encoding()
    return response


def _compressed() -> web.Response:
    response = web.Response(text="a" * 100)
    response.enable_compression(web.ContentCoding.gzip)
    return response


def _with_cookie() -> web.Response:
    response = web.Response(text="sweet")
    response.set_cookie("name", "value")
    return response


def _last() -> web.Response:
    response = web.Response(text="the last one")
    response.force_close()
    return response


ANSWERS = {
    "text": lambda: web.Response(text="fine", headers={"X-Ours": "one", "ETag": '"1"'}),
    "json": lambda: web.Response(body=b"{}", content_type="application/json"),
    "bad": lambda: web.Response(status=404, reason="Nowhere", text="none"),
    "empty": lambda: web.Response(body=b"", content_type="text/plain"),
    "nothing": lambda: web.Response(status=204),
    "known": lambda: web.Response(status=304, headers={"ETag": '"1"'}),
    "file": lambda: web.FileResponse(__file__),
    "chunked": _chunked,
    "compressed": _compressed,
    "cookie": _with_cookie,
    "last": _last,
}
REQUESTS = {
    "GET": "GET /{} HTTP/1.1\r\nHost: x\r\n\r\n",
    "HEAD": "HEAD /{} HTTP/1.1\r\nHost: x\r\n\r\n",
    "POST": "POST /{} HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nabc",
    "upgrading": "GET /{} HTTP/1.1\r\nHost: x\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n",
    "closing": "GET /{} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
    "of 1.0": "GET /{} HTTP/1.0\r\nHost: x\r\n\r\n",
    "of 1.0, staying": "GET /{} HTTP/1.0\r\nHost: x\r\nConnection: keep-alive\r\n\r\n",
}
STAYING = set(REQUESTS) - {"closing", "of 1.0"}  # where the next request is heard
LAST = "GET /last HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"


class Ports:
    """The same application twice: as aiohttp serves it, and as we do."""

    def __init__(self, stock: int, ours: int, server: web.Server) -> None:
        self.stock, self.ours, self.server = stock, ours, server
        self.answered = 0


@pytest.fixture
async def ports() -> AsyncIterator[Ports]:
    async def answer(request: web.Request) -> web.StreamResponse:
        found.answered += 1
        return ANSWERS[request.match_info["name"]]()

    async def large(_: web.Request) -> web.StreamResponse:
        found.answered += 1
        return web.Response(body=LARGE)

    app = web.Application()
    app.add_routes([web.get("/large", large), web.route("*", "/{name}", answer)])
    runner = web.AppRunner(app, access_log=None, handler_cancellation=True)
    await runner.setup()
    server = runner.server
    assert server is not None
    loop = asyncio.get_running_loop()
    unreadable = lambda status: web.Response(status=status)  # noqa: E731 - an abbreviation
    stock = await loop.create_server(server, "127.0.0.1", 0)
    ours = await loop.create_server(lambda: handler_of(server, unreadable), "127.0.0.1", 0)
    found = Ports(_port_of(stock), _port_of(ours), server)
    yield found
    stock.close()
    ours.close()
    await runner.cleanup()


def _port_of(listener: asyncio.Server) -> int:
    port: int = listener.sockets[0].getsockname()[1]
    return port


@contextlib.asynccontextmanager
async def connected(port: int, text: str) -> AsyncIterator[asyncio.StreamReader]:
    """What comes back to a client that has said this, and goes without a word."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        writer.write(text.encode())
        async with asyncio.timeout(SOON_SECONDS):
            yield reader
    finally:
        writer.transport.abort()
        with contextlib.suppress(OSError):
            await writer.wait_closed()


async def read(port: int, text: str) -> list[bytes]:
    """The lines that come back until the connection is closed, but for when and by whom."""
    async with connected(port, text) as reader:
        lines = (await reader.read()).split(b"\r\n")
    return sorted(line for line in lines if not line.startswith((b"Date: ", b"Server: ")))


@pytest.mark.parametrize("name", ANSWERS)
@pytest.mark.parametrize("kind", REQUESTS)
async def test_a_client_reads_what_it_would_have_read_from_aiohttp(
    ports: Ports, kind: str, name: str
) -> None:
    text = REQUESTS[kind].format(name)
    if kind in STAYING and name != "last":
        text += LAST

    assert await read(ports.stock, text) == await read(ports.ours, text)


async def test_every_answer_says_when_it_was_made(ports: Ports) -> None:
    async with connected(ports.ours, REQUESTS["GET"].format("text") + LAST) as reader:
        raw = await reader.read()

    assert (raw.count(b"HTTP/1.1 200 OK"), raw.count(b"\r\nDate: ")) == (2, 2)


async def test_nobody_who_does_not_read_has_answers_piled_up(ports: Ports) -> None:
    async with connected(ports.ours, REQUESTS["GET"].format("large") * 100):
        while not any(each.writing_paused for each in ports.server.connections):  # noqa: ASYNC110 - aiohttp sets no event
            await asyncio.sleep(0.01)
        for _ in range(1000):
            await asyncio.sleep(0)

        assert ports.answered < 20


async def test_a_client_that_has_gone_is_not_written_to(ports: Ports) -> None:
    async with connected(ports.ours, REQUESTS["GET"].format("large") * 100) as reader:
        await reader.readexactly(1)
    async with asyncio.timeout(SOON_SECONDS):
        while ports.server.connections:  # noqa: ASYNC110 - aiohttp sets no event
            await asyncio.sleep(0.01)

    assert ports.answered < 100
