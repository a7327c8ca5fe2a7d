"""The door before HTTP: who is let in, and how long one may keep it open."""

from __future__ import annotations

import asyncio
import contextlib
import resource
import socket
import time
from collections.abc import AsyncIterator, Iterator

import msgspec
import pytest
from aiohttp import web

from gateway.logs import Offences
from gateway.metrics import Metrics
from gateway.rest import admission
from gateway.rest.admission import Admission, AdmissionLimits, limits_of, raise_descriptor_limit
from gateway.rest.problems import unreadable_response
from gateway.sockets.internals import TakenOver, handler_of, has_asked, take_over

TIMEOUT_SECONDS = 0.2
SOON_SECONDS = 5.0
OPEN = AdmissionLimits(
    descriptors_full=10**6,
    descriptors_most=10**6,
    request_timeout_seconds=TIMEOUT_SECONDS,
    stall_seconds=60,
)
FULL = msgspec.structs.replace(OPEN, descriptors_full=0)
OVERFULL = msgspec.structs.replace(FULL, descriptors_most=0)
LARGE = bytes(50_000_000)

Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]


class Door:
    """A listening port, and those who knock."""

    def __init__(self, port: int, metrics: Metrics, entrance: Admission) -> None:
        self.port, self.metrics, self.entrance = port, metrics, entrance
        self._writers: list[asyncio.StreamWriter] = []

    async def knock(self, data: bytes = b"") -> Streams:
        """Connect, and say something."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        self._writers.append(writer)
        writer.write(data)
        return reader, writer

    def leave(self) -> None:
        for writer in self._writers:
            writer.transport.abort()


@contextlib.asynccontextmanager
async def door_with(limits: AdmissionLimits) -> AsyncIterator[Door]:
    """An application behind a door."""
    app = web.Application()
    app.add_routes(
        [
            web.get("/healthz", _fine),
            web.get("/large", _large),
            web.get("/nearly", _nearly),
            web.get("/taken", _taken),
        ]
    )
    runner = web.AppRunner(app, access_log=None, handler_cancellation=True)
    await runner.setup()
    server = runner.server
    assert server is not None
    metrics = Metrics()
    entrance = Admission(
        server,
        lambda: handler_of(server, unreadable_response),
        has_asked,
        limits,
        metrics,
        Offences(),
    )
    listener = await asyncio.get_running_loop().create_server(entrance, "127.0.0.1", 0)
    entrance.start()
    door = Door(listener.sockets[0].getsockname()[1], metrics, entrance)
    try:
        yield door
    finally:
        door.leave()
        entrance.stop()
        listener.close()
        await runner.cleanup()


async def _fine(request: web.Request) -> web.Response:
    return web.Response(text="fine")


async def _large(request: web.Request) -> web.Response:
    return web.Response(body=LARGE)


async def _nearly(request: web.Request) -> web.StreamResponse:
    """Somewhat more than the system takes, and less than would have anybody wait."""
    response = web.StreamResponse()
    response.force_close()
    await response.prepare(request)
    transport = request.transport
    assert transport is not None
    while not transport.get_write_buffer_size():
        await response.write(bytes(4096))
    return response


async def _taken(request: web.Request) -> web.Response:
    transport, _ = take_over(request)
    transport.set_protocol(asyncio.Protocol())
    return TakenOver()


@pytest.fixture(autouse=True)
def _frequent_sweeps(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(admission, "SWEEP_SECONDS", 0.02)


def request_for(path: str) -> bytes:
    return f"GET {path} HTTP/1.1\r\nHost: x\r\n\r\n".encode()


async def all_of(reader: asyncio.StreamReader) -> bytes:
    """Everything until the other side closes."""
    async with asyncio.timeout(SOON_SECONDS):
        try:
            return await reader.read()
        except ConnectionResetError:
            return b""


async def answer_of(reader: asyncio.StreamReader) -> bytes:
    async with asyncio.timeout(SOON_SECONDS):
        return await reader.readuntil(b"fine")


# ---- those who take their time


@pytest.mark.parametrize("data", [b"", b"G", b"GET /healthz HTTP/1.1\r\nHost: x\r\nX-Long: "])
async def test_who_does_not_ask_in_time_is_closed_without_an_answer(data: bytes) -> None:
    async with door_with(OPEN) as door:
        began_seconds = time.monotonic()
        reader, _ = await door.knock(data)

        assert await all_of(reader) == b""
        assert time.monotonic() - began_seconds >= TIMEOUT_SECONDS
        assert door.metrics.turned_away["late"] == 1


async def test_a_head_that_comes_letter_by_letter_has_no_more_time_than_another() -> None:
    async with door_with(OPEN) as door:
        reader, writer = await door.knock(b"GET /healthz HTTP/1.1\r\nHost: x\r\nX-Long: ")

        async def drip() -> None:
            while not writer.is_closing():
                writer.write(b"x")
                await asyncio.sleep(TIMEOUT_SECONDS / 10)

        dripping = asyncio.create_task(drip())
        assert await all_of(reader) == b""
        dripping.cancel()
        assert door.metrics.turned_away["late"] == 1


async def test_who_has_asked_may_stay_and_ask_again() -> None:
    async with door_with(OPEN) as door:
        reader, writer = await door.knock(request_for("/healthz"))
        await answer_of(reader)
        other, _ = await door.knock()
        await all_of(other)  # longer than the first one has been silent
        writer.write(request_for("/healthz"))

        assert (await answer_of(reader)).startswith(b"HTTP/1.1 200")
        assert door.metrics.turned_away["late"] == 1


async def test_a_connection_that_aiohttp_has_given_away_is_left_alone() -> None:
    async with door_with(msgspec.structs.replace(OPEN, stall_seconds=0.05)) as door:
        taken, writer = await door.knock(request_for("/taken"))
        other, _ = await door.knock()
        await all_of(other)

        assert door.metrics.turned_away["late"] == 1
        assert not taken.at_eof()
        assert not writer.is_closing()


async def test_who_does_not_read_the_answer_is_cut_off() -> None:
    async with door_with(msgspec.structs.replace(OPEN, stall_seconds=TIMEOUT_SECONDS)) as door:
        reader, writer = await door.knock(request_for("/large"))
        assert isinstance(writer.transport, asyncio.ReadTransport)
        await reader.readexactly(1)
        writer.transport.pause_reading()
        async with asyncio.timeout(SOON_SECONDS):
            while not door.metrics.turned_away["stalled"]:  # noqa: ASYNC110 - no event tells of it
                await asyncio.sleep(0)
        writer.transport.resume_reading()

        assert len(await all_of(reader)) < len(LARGE)
        assert door.metrics.turned_away == {"full": 0, "overfull": 0, "late": 0, "stalled": 1} | {
            "other": 0
        }


async def test_who_does_not_read_the_end_of_an_answer_is_cut_off() -> None:
    async with door_with(msgspec.structs.replace(OPEN, stall_seconds=TIMEOUT_SECONDS)) as door:
        reader, writer = await door.knock()
        assert isinstance(writer.transport, asyncio.ReadTransport)
        writer.transport.pause_reading()
        writer.write(request_for("/nearly"))
        async with asyncio.timeout(SOON_SECONDS):
            while not door.metrics.turned_away["stalled"]:  # noqa: ASYNC110 - no event tells of it
                await asyncio.sleep(0.01)
        writer.transport.resume_reading()

        await all_of(reader)


async def test_who_reads_slowly_gets_it_all() -> None:
    # Longer than a busy machine ever keeps the reader waiting.
    async with door_with(msgspec.structs.replace(OPEN, stall_seconds=5)) as door:
        reader, _ = await door.knock(request_for("/large"))
        await reader.readuntil(b"\r\n\r\n")
        count = 0
        while count < len(LARGE):
            chunk = await reader.read(2**16)
            assert chunk, "cut off"
            count += len(chunk)

        assert door.metrics.turned_away["stalled"] == 0


# ---- those for whom there is no place


async def test_a_full_gateway_says_so_and_when_to_come_back() -> None:
    async with door_with(FULL) as door:
        reader, _ = await door.knock(request_for("/anything"))
        head, _, body = (await all_of(reader)).partition(b"\r\n\r\n")

        assert head.startswith(b"HTTP/1.1 503 Service Unavailable\r\n")
        assert b"\r\nRetry-After: 5\r\n" in head
        assert f"\r\nContent-Length: {len(body)}".encode() in head
        assert msgspec.json.decode(body) == {
            "error": {"code": "UNAVAILABLE", "message": "The gateway is full."}
        }
        assert door.metrics.turned_away["full"] == 1


async def test_a_full_gateway_is_still_watched() -> None:
    async with door_with(FULL) as door:
        reader, _ = await door.knock(request_for("/healthz"))

        assert (await answer_of(reader)).startswith(b"HTTP/1.1 200")
        assert door.metrics.turned_away["full"] == 0


async def test_who_says_nothing_to_a_full_gateway_is_not_waited_for(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(admission, "_ASKING_LIMIT_SECONDS", 0.05)
    async with door_with(FULL) as door:
        reader, _ = await door.knock()

        assert await all_of(reader) == b""


async def test_beyond_full_the_door_is_shut_without_a_word() -> None:
    async with door_with(OVERFULL) as door:
        reader, _ = await door.knock(request_for("/healthz"))

        assert await all_of(reader) == b""
        assert door.metrics.turned_away["overfull"] == 1


async def test_as_many_are_let_in_as_there_are_descriptors_and_more_when_some_have_gone() -> None:
    limits = limits_of(20, request_timeout_seconds=60, stall_seconds=60)
    async with door_with(limits) as door:
        inside: list[Streams] = []
        async with asyncio.timeout(SOON_SECONDS):
            while not door.metrics.turned_away["full"]:
                streams = await door.knock(request_for("/nothing")[:-2] + b"Connection: x\r\n\r\n")
                assert await streams[0].readline()
                inside.append(streams)

        # Each knocker has a descriptor too, being in the same process, and the listener is one.
        assert 5 <= len(inside) <= 11
        reader, writer = inside[0]
        writer.close()
        await writer.wait_closed()
        reader, _ = await door.knock(request_for("/"))
        assert (await reader.readline()).startswith(b"HTTP/1.1 404")


# ---- how much is too much


@pytest.fixture
def open_files_limit() -> Iterator[None]:
    """A soft limit of 1,000 for the test."""
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (1000, before[1]))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, before)


async def test_a_connection_that_another_worker_let_in_goes_on_with_its_request() -> None:
    async with door_with(OPEN) as door:
        ours, client = await _given_to(door, request_for("/healthz"))
        answer = await client.readuntil(b"fine")
        ours.write(request_for("/healthz"))

        assert answer.startswith(b"HTTP/1.1 200 OK")
        assert (await client.readuntil(b"fine")).startswith(b"HTTP/1.1 200 OK")
        ours.transport.abort()


async def test_a_full_gateway_takes_no_connections_of_other_workers_either() -> None:
    async with door_with(FULL) as door:
        ours, client = await _given_to(door, request_for("/taken"))

        assert (await all_of(client)).startswith(b"HTTP/1.1 503 ")
        ours.transport.abort()


async def _given_to(
    door: Door, request: bytes
) -> tuple[asyncio.StreamWriter, asyncio.StreamReader]:
    """A client's connection, of which another worker has read the first request."""
    ours, theirs = socket.socketpair()
    loop = asyncio.get_running_loop()
    await loop.connect_accepted_socket(lambda: door.entrance.resuming(request), theirs)
    reader, writer = await asyncio.open_connection(sock=ours)
    return writer, reader


def test_unless_set_the_descriptors_are_the_limit_with_some_kept_back(
    open_files_limit: None,
) -> None:
    limits = limits_of(0, request_timeout_seconds=1, stall_seconds=2)

    assert limits == AdmissionLimits(
        descriptors_full=936, descriptors_most=968, request_timeout_seconds=1, stall_seconds=2
    )


def test_what_is_open_at_the_start_does_not_count(open_files_limit: None) -> None:
    before = limits_of(100, 1, 1)
    with socket.socket() as one:
        after = limits_of(100, 1, 1)

        assert one.fileno() < before.descriptors_full
        assert after.descriptors_full == before.descriptors_full + 1


def test_more_connections_than_descriptors_are_not_to_be_had(open_files_limit: None) -> None:
    assert limits_of(5000, 1, 1).descriptors_full == 936


def test_a_tiny_limit_keeps_a_quarter_back(open_files_limit: None) -> None:
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (100, hard))

    assert limits_of(0, 1, 1).descriptors_full == 75


def test_a_process_takes_all_the_descriptors_it_may_have(open_files_limit: None) -> None:
    raise_descriptor_limit()
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)

    assert soft == hard
