"""Requests get to workers of other hosts, and their answers back."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import Any

import pytest
from aiohttp import web

from gateway.workers import relay as relay_module
from gateway.workers.relay import Relay
from tests.gateway.workers.fleet import until
from tests.toolbox.ports import free_port

LARGE = bytes(range(256)) * 200_000
REQUEST = b"GET / HTTP/1.1\r\n\r\n"
AGREED = b"HTTP/1.1 101 Switching Protocols\r\n\r\n"


@pytest.fixture
async def relay() -> AsyncIterator[Relay]:
    relay = Relay(answer_limit_seconds=0.5)
    yield relay
    await relay.stop()


@pytest.fixture
async def worker() -> AsyncIterator[str]:
    """What a worker of another host is to a relay: it tells what it was asked."""

    async def tell(request: web.Request) -> web.Response:
        if request.query_string == "slow":
            await asyncio.sleep(60)
        headers = [f"{name}={value}" for name, value in request.headers.items()]
        body = await request.read()
        return web.json_response(
            [request.method, request.raw_path, headers, body.decode()], status=207
        )

    app = web.Application()
    app.router.add_route("*", "/{tail:.*}", tell)
    runner = web.AppRunner(app, shutdown_timeout=0.1, handler_cancellation=True)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    yield f"http://127.0.0.1:{runner.addresses[0][1]}/"
    await runner.cleanup()


async def test_a_request_is_asked_as_it_came(relay: Relay, worker: str) -> None:
    headers = [("Host", "maps.example"), ("X-A", "1"), ("X-A", "2")]
    answer = await relay.ask(worker, "POST", "/socket.io/?sid=a%2Fb&t=%C3%BC", headers, b"40")

    assert (answer.status, answer.content_type) == (207, "application/json; charset=utf-8")
    assert answer.body.decode() == (
        '["POST", "/socket.io/?sid=a%2Fb&t=%C3%BC",'
        ' ["Host=maps.example", "X-A=1", "X-A=2", "Content-Length=2"], "40"]'
    )


async def test_a_worker_that_is_not_there_is_an_oserror(relay: Relay) -> None:
    nowhere = f"http://127.0.0.1:{free_port()}"
    with pytest.raises(OSError, match="Cannot connect"):
        await relay.ask(nowhere, "GET", "/", [], b"")
    with pytest.raises(OSError, match="Connect"):
        await relay.dial(nowhere)
    for nonsense in ("http://", "nonsense", "http://h:99999"):
        with pytest.raises(OSError):  # noqa: PT011 - whatever it says, it is that kind
            await relay.ask(nonsense, "GET", "/", [], b"")


async def test_an_answer_is_not_waited_for_for_ever(relay: Relay, worker: str) -> None:
    with pytest.raises(TimeoutError):
        await relay.ask(worker, "GET", "/?slow", [], b"")


class _Client(asyncio.Protocol):
    """A client's connection, as an HTTP server has accepted it."""

    def __init__(self) -> None:
        self.transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport


class Carried:
    """A client, a worker afar, and a line between them."""

    def __init__(
        self,
        client: tuple[asyncio.StreamReader, asyncio.StreamWriter],
        far: tuple[asyncio.StreamReader, asyncio.StreamWriter],
    ) -> None:
        self.client_reader, self.client_writer = client
        self.far_reader, self.far_writer = far


@pytest.fixture
async def carried(relay: Relay) -> AsyncIterator[Carried]:
    arrived: asyncio.Queue[tuple[asyncio.StreamReader, asyncio.StreamWriter]] = asyncio.Queue()
    far_server = await asyncio.start_server(
        lambda reader, writer: arrived.put_nowait((reader, writer)), "127.0.0.1", 0
    )
    accepted = _Client()
    loop = asyncio.get_running_loop()
    near_server = await loop.create_server(lambda: accepted, "127.0.0.1", 0)
    client = await asyncio.open_connection(*near_server.sockets[0].getsockname())
    await until(lambda: accepted.transport is not None)
    assert accepted.transport is not None
    line = await relay.dial(f"http://127.0.0.1:{far_server.sockets[0].getsockname()[1]}")
    line.carry(accepted.transport, REQUEST, b"behind")
    carried = Carried(client, await arrived.get())
    assert await carried.far_reader.readexactly(len(REQUEST)) == REQUEST
    yield carried
    for writer in (carried.client_writer, carried.far_writer):
        if not writer.is_closing():
            writer.transport.abort()
    near_server.close()
    far_server.close()
    await until(lambda: not relay.lines)


async def agree(carried: Carried) -> None:
    """Let the worker agree to a WebSocket."""
    carried.far_writer.write(AGREED)
    assert await carried.client_reader.readexactly(len(AGREED)) == AGREED
    assert await carried.far_reader.readexactly(6) == b"behind"


async def test_once_it_is_agreed_bytes_are_carried_both_ways(carried: Carried) -> None:
    await agree(carried)
    carried.client_writer.write(LARGE)
    carried.far_writer.write(LARGE[::-1])

    assert await carried.far_reader.readexactly(len(LARGE)) == LARGE
    assert await carried.client_reader.readexactly(len(LARGE)) == LARGE[::-1]


async def test_it_may_be_agreed_in_pieces(carried: Carried) -> None:
    for start in range(len(AGREED)):
        carried.far_writer.write(AGREED[start : start + 1])
        assert await carried.client_reader.readexactly(1) == AGREED[start : start + 1]
    assert await carried.far_reader.readexactly(6) == b"behind"


async def test_before_it_is_agreed_nothing_more_of_the_client_gets_through(
    carried: Carried,
) -> None:
    carried.client_writer.write(b"GET /another HTTP/1.1\r\n\r\n")
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(carried.far_reader.read(1), 0.2)
    carried.far_writer.write(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n")

    with contextlib.suppress(ConnectionResetError):
        assert await carried.far_reader.read() == b""


@pytest.fixture
def _little_patience(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(relay_module, "_AGREE_LIMIT_SECONDS", 0.05)


@pytest.mark.usefixtures("_little_patience", "carried")
async def test_a_worker_that_does_not_answer_is_not_waited_for(relay: Relay) -> None:
    await until(lambda: not relay.lines)


async def test_what_the_client_does_not_read_is_not_kept_here(
    carried: Carried, relay: Relay
) -> None:
    await agree(carried)
    (line,) = relay.lines
    assert line.other is not None
    assert line.other.transport is not None
    carried.client_reader._transport.pause_reading()  # type: ignore[attr-defined] # noqa: SLF001
    carried.far_writer.write(LARGE)
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.3):
            await carried.far_writer.drain()

    assert line.other.transport.get_write_buffer_size() < 1_000_000
    carried.client_reader._transport.resume_reading()  # type: ignore[attr-defined] # noqa: SLF001
    assert await carried.client_reader.readexactly(len(LARGE)) == LARGE


async def test_who_reads_nothing_for_long_is_cut_off(
    carried: Carried, relay: Relay, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(relay_module, "_STALL_LIMIT_SECONDS", 0.2)
    await agree(carried)
    carried.client_reader._transport.pause_reading()  # type: ignore[attr-defined] # noqa: SLF001
    carried.far_writer.write(LARGE)
    carried.far_writer.close()

    await until(lambda: not relay.lines)


async def test_who_does_not_read_the_last_words_is_cut_off(
    carried: Carried, relay: Relay, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(relay_module, "_LAST_WORDS_LIMIT_SECONDS", 0.2)
    await agree(carried)
    (line,) = relay.lines
    near = line.other
    assert near is not None
    assert near.transport is not None
    carried.client_reader._transport.pause_reading()  # type: ignore[attr-defined] # noqa: SLF001
    carried.far_writer.write(LARGE)
    await until(lambda: near.transport is not None and near.transport.get_write_buffer_size() > 0)
    line.hang_up()

    # Its end is nobody's to be told any more; but nothing is kept for it.
    await until(lambda: near.transport is not None and not near.transport.get_write_buffer_size())


async def test_a_worker_that_hangs_up_at_once_is_not_there(
    relay: Relay, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = await asyncio.start_server(
        lambda _reader, writer: writer.transport.abort(), "127.0.0.1", 0
    )
    loop = asyncio.get_running_loop()
    connect = loop.create_connection

    async def connect_late(*arguments: Any, **options: Any) -> Any:  # noqa: ANN401 - the loop's own
        transport, line = await connect(*arguments, **options)
        await until(transport.is_closing)
        return transport, line

    monkeypatch.setattr(loop, "create_connection", connect_late)
    with pytest.raises(ConnectionResetError):
        await relay.dial(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}")
    server.close()


async def test_when_the_worker_ends_the_client_hears_all_and_then_the_end(
    carried: Carried,
) -> None:
    await agree(carried)
    carried.far_writer.write(LARGE)
    carried.far_writer.close()

    assert await carried.client_reader.read() == LARGE


async def test_when_the_client_ends_so_does_the_line(carried: Carried, relay: Relay) -> None:
    await agree(carried)
    carried.client_writer.close()

    assert await carried.far_reader.read() == b""
    await until(lambda: not relay.lines)


async def test_at_the_end_nobody_is_left_hanging(carried: Carried, relay: Relay) -> None:
    await relay.stop()

    with contextlib.suppress(ConnectionResetError):  # either way of ending will do
        assert await carried.client_reader.read() == b""


async def test_a_line_that_is_ended_still_brings_what_is_under_way(
    carried: Carried, relay: Relay
) -> None:
    await agree(carried)
    carried.far_writer.write(LARGE)
    (line,) = relay.lines
    await carried.client_reader.readexactly(1)
    line.end()

    assert relay.lines == []
    assert 0 < len(await carried.client_reader.read()) < len(LARGE)
