import asyncio
import logging

import pytest

from gateway.sockets.engine import Engine
from tests.gateway.sockets.recording_transport import connection_of


async def settle() -> None:
    for _ in range(10):
        await asyncio.sleep(0)


async def test_handlers_hear_what_a_connection_says_in_order(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.CRITICAL)
    engine, heard = Engine(), list[tuple[object, ...]]()

    @engine.on("connect")  # type: ignore[untyped-decorator] # python-engineio has no types
    async def connect(sid: str, environ: dict[str, object]) -> None:
        await asyncio.sleep(0)
        heard.append(("connect", sid, sorted(environ)))

    @engine.on("message")  # type: ignore[untyped-decorator] # the same
    async def message(sid: str, data: object) -> None:
        heard.append(("message", sid, data))

    @engine.on("disconnect")  # type: ignore[untyped-decorator] # the same
    async def disconnect(sid: str, reason: str) -> None:
        heard.append(("disconnect", sid, reason))

    connection, _ = connection_of(engine)
    engine.sink.opened(connection)
    connection.hear_packet(b"4one")
    engine.hear_binary(connection, b"two")
    await settle()
    connection.hear_packet(b"1")
    await settle()
    engine.wheel.stop()

    assert heard == [
        ("connect", "sid", ["engine.handshake"]),
        ("message", "sid", "one"),
        ("message", "sid", b"two"),
        ("disconnect", "sid", "client disconnect"),
    ]


async def test_a_client_that_sends_faster_than_it_is_handled_is_closed() -> None:
    engine, gate = Engine(), asyncio.Event()

    @engine.on("message")  # type: ignore[untyped-decorator] # python-engineio has no types
    async def message(sid: str, data: object) -> None:
        await gate.wait()

    connection, transport = connection_of(engine)
    for _ in range(300):
        connection.hear_packet(b"4x")
    await asyncio.sleep(0)

    assert connection.closed
    assert transport.is_closing()
    gate.set()
    await settle()
    engine.wheel.stop()
