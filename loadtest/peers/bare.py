"""The floor under reads of users: aiohttp with a constant answer, and nothing else.

Nobody is asked for a token, and nothing is looked up. Environment: PORT.
"""

from __future__ import annotations

import os
from typing import Final

import uvloop
from aiohttp import web

_USER: Final = (
    b'{"data":{"id":"01a20cdb-9b17-707a-8c93-eab5bf3c215d","email":"ada@example.org","name":"Ada",'
    b'"age":36,"role":"rider","disabled":false,"createdAt":"2026-01-01T00:00:00Z",'
    b'"updatedAt":"2026-01-01T00:00:00Z","version":1}}'
)


async def _get(_request: web.Request) -> web.Response:
    return web.Response(body=_USER, content_type="application/json")


async def _post(_request: web.Request) -> web.Response:
    return web.Response(status=201, body=_USER, content_type="application/json")


def application() -> web.Application:
    app = web.Application()
    app.add_routes([web.get("/api/users/{userId}", _get), web.post("/api/users", _post)])
    return app


def main() -> None:
    # uvloop, as the gateway has it: what is compared is the work, not the loops.
    uvloop.install()
    web.run_app(
        application(), host="127.0.0.1", port=int(os.environ["PORT"]), access_log=None, print=None,
    )  # fmt: skip


if __name__ == "__main__":
    main()
