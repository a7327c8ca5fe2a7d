"""This module owns the server that the official conformance suites run against.

    python -m tests.conformance.server --suite engine|socket [--port 3000]

The suites ask for heartbeats far shorter than anybody should use; `docs/how-to/conformance.md`
says how to fetch and run them.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import os
import signal
import sys
from collections.abc import AsyncIterator, Callable

import uvloop
from aiohttp import web

from gateway.sockets.engine import Engine, EngineLimits
from gateway.sockets.server import Server

PING_INTERVAL_SECONDS = 0.3
PING_TIMEOUT_SECONDS = 0.2
CONNECT_TIMEOUT_SECONDS = 1.0
PAYLOAD_LIMIT_BYTES = 1_000_000
NAMESPACES = ("/", "/custom")

_LIMITS = EngineLimits(
    message_bytes=PAYLOAD_LIMIT_BYTES, connect_timeout_seconds=CONNECT_TIMEOUT_SECONDS
)


def engine_of(
    ping_interval_seconds: float = PING_INTERVAL_SECONDS,
    ping_timeout_seconds: float = PING_TIMEOUT_SECONDS,
) -> Engine:
    """The engine, sending every message back, as the Engine.IO suite asks for."""
    engine = Engine(
        ping_interval=ping_interval_seconds,
        ping_timeout=ping_timeout_seconds,
        limits=_LIMITS,
        origins=["*"],
    )

    async def echo(sid: str, data: str | bytes) -> None:
        await engine.send(sid, data)

    engine.on("message", echo)
    return engine


def server_of(
    ping_interval_seconds: float = PING_INTERVAL_SECONDS,
    ping_timeout_seconds: float = PING_TIMEOUT_SECONDS,
) -> Server:
    """The server with two namespaces, answering as the Socket.IO suite asks for."""
    server = Server(
        ping_interval=ping_interval_seconds,
        ping_timeout=ping_timeout_seconds,
        limits=_LIMITS,
        origins=["*"],
    )
    for namespace in NAMESPACES:
        _serve(server, namespace)
    return server


def _serve(server: Server, namespace: str) -> None:
    async def connect(sid: str, _environ: object, auth: object) -> None:
        await server.emit("auth", auth or {}, to=sid, namespace=namespace)

    async def message(sid: str, *arguments: object) -> None:
        await server.emit("message-back", arguments, to=sid, namespace=namespace)

    async def message_with_ack(_sid: str, *arguments: object) -> object:
        return arguments

    server.on("connect", connect, namespace=namespace)
    server.on("message", message, namespace=namespace)
    server.on("message-with-ack", message_with_ack, namespace=namespace)


@contextlib.asynccontextmanager
async def serving(attach: Callable[[web.Application], None], port: int = 0) -> AsyncIterator[int]:
    """Serve what `attach` adds to an application; gives the port, a free one if it was 0."""
    app = web.Application()
    attach(app)
    runner = web.AppRunner(app, handler_cancellation=True, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", port).start()
        yield runner.addresses[0][1]
    finally:
        await runner.cleanup()


async def _run(suite: str, port: int) -> None:
    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    server = engine_of() if suite == "engine" else server_of()
    async with serving(server.attach, port) as open_port:
        sys.stdout.write(f"The {suite} suite may run against http://127.0.0.1:{open_port}\n")
        sys.stdout.flush()
        await stop.wait()
        await server.shutdown()


def main() -> None:
    """Serve until SIGINT or SIGTERM."""
    parser = argparse.ArgumentParser(prog="python -m tests.conformance.server")
    environ = os.environ
    parser.add_argument("--suite", choices=("engine", "socket"), default=environ.get("SUITE"))
    parser.add_argument("--port", type=int, default=int(environ.get("PORT", "3000")))
    chosen = parser.parse_args()
    if chosen.suite is None:
        parser.error("--suite engine or --suite socket?")
    uvloop.run(_run(chosen.suite, chosen.port))


if __name__ == "__main__":
    main()
