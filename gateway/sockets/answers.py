"""This module owns the HTTP answers of the Engine.IO endpoint: what the reference server says."""

from __future__ import annotations

from typing import Final

import msgspec
from aiohttp import web

TRANSPORT_UNKNOWN: Final = (0, "Transport unknown")
SESSION_UNKNOWN: Final = (1, "Session ID unknown")
BAD_METHOD: Final = (2, "Bad handshake method")
BAD_REQUEST: Final = (3, "Bad request")
FORBIDDEN: Final = (4, "Forbidden")
BAD_VERSION: Final = (5, "Unsupported protocol version")

_TEXT: Final = "text/plain; charset=UTF-8"


def payload(body: bytes) -> web.Response:
    """Packets, as the answer to a poll."""
    return web.Response(body=body, headers={"Content-Type": _TEXT, "Cache-Control": "no-store"})


def taken() -> web.Response:
    """Packets of a POST were taken; a client may compare the very letters."""
    return web.Response(body=b"ok", headers={"Content-Type": "text/html"})


def preflight() -> web.Response:
    """What a page of another origin may send."""
    return web.Response(
        headers={
            "Access-Control-Allow-Methods": "GET, POST, OPTIONS",
            "Access-Control-Allow-Headers": "authorization, content-type",
            "Access-Control-Max-Age": "600",
        }
    )


def refusal(
    status: int, answer: tuple[int, str], retry_after_seconds: int | None = None
) -> web.Response:
    """A no: one of the codes above, as JSON."""
    code, message = answer
    headers = {"Content-Type": "application/json"}
    if retry_after_seconds is not None:
        headers["Retry-After"] = str(retry_after_seconds)
    body = msgspec.json.encode({"code": code, "message": message})
    return web.Response(status=status, body=body, headers=headers)


def let_read(response: web.StreamResponse, origin: str) -> None:
    """Let the page of an allowed origin read the answer."""
    response.headers["Access-Control-Allow-Origin"] = origin
    response.headers["Access-Control-Allow-Credentials"] = "true"
    response.headers["Vary"] = "Origin"
