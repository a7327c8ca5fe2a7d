"""This module owns the server that our own conformance tests examine: ours, or the stock one.

    python -m tests.conformance.subject ours|stock PORT

The same handlers on either. Heartbeats are long, so that no test passes by a ping timeout.
"""

from __future__ import annotations

import asyncio
import sys
from collections import Counter
from typing import Any, Final

import socketio
from aiohttp import web

from gateway.sockets.engine import EngineLimits
from gateway.sockets.server import Server
from tests.conformance.server import serving

PING_INTERVAL_SECONDS: Final = 20.5
PING_TIMEOUT_SECONDS: Final = 10.0
CONNECT_TIMEOUT_SECONDS: Final = 1.0


def server_of(flavour: str) -> Any:  # noqa: ANN401 - both are python-socketio's to the outside
    """An empty server of either flavour."""
    timers: dict[str, Any] = {
        "ping_interval": PING_INTERVAL_SECONDS,
        "ping_timeout": PING_TIMEOUT_SECONDS,
    }
    if flavour == "ours":
        limits = EngineLimits(connect_timeout_seconds=CONNECT_TIMEOUT_SECONDS)
        return Server(limits=limits, origins=["*"], **timers)
    return socketio.AsyncServer(async_mode="aiohttp", cors_allowed_origins="*", **timers)


def add_handlers(server: Any) -> None:  # noqa: ANN401, C901 - see above; many small ones
    """What the tests ask the server to do."""
    arrivals: Counter[str] = Counter()
    departures: Counter[str] = Counter()

    async def connect(sid: str, _environ: object, auth: dict[str, Any] | None) -> None:
        arrivals[sid] += 1
        await server.emit("welcome", auth or {}, to=sid)

    async def connect_slowly(_sid: str, _environ: object, auth: dict[str, Any]) -> None:
        await asyncio.sleep(auth["waitSeconds"])
        if auth.get("isRefused"):
            raise socketio.exceptions.ConnectionRefusedError("no")

    async def disconnect(sid: str, *_: object) -> None:
        departures[sid] += 1

    async def count(_sid: str, sid: str) -> list[int]:
        return [arrivals[sid], departures[sid]]

    async def echo(_sid: str, *arguments: object) -> object:
        return arguments

    async def broadcast(_sid: str, namespace: str, text: str) -> None:
        await server.emit("news", text, namespace=namespace)

    async def broadcast_binary(_sid: str) -> None:
        await server.emit("picture", b"\x01\x02\x03")

    async def pour(_sid: str, sid: str, count: int, size_characters: int) -> None:
        for _ in range(count):
            await server.emit("drop", "x" * size_characters, to=sid)

    async def ask_back(sid: str) -> None:
        async def tell(answer: object) -> None:
            await server.emit("answered", answer, to=sid)

        await server.emit("question", to=sid, callback=tell)

    server.on("connect", connect)
    server.on("connect", connect_slowly, namespace="/slow")
    server.on("disconnect", disconnect)
    for name, handler in [
        ("count", count),
        ("echo", echo),
        ("broadcast", broadcast),
        ("broadcast-binary", broadcast_binary),
        ("pour", pour),
        ("ask-back", ask_back),
    ]:
        server.on(name, handler)


async def _run(flavour: str, port: int) -> None:
    server = server_of(flavour)
    add_handlers(server)

    def attach(app: web.Application) -> None:
        server.attach(app)

    async with serving(attach, port):
        await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(_run(sys.argv[1], int(sys.argv[2])))
