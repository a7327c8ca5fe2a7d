"""A receiver of webhooks: checks what a real one would, and answers what it is told to."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
from collections.abc import Awaitable, Callable
from typing import Any, Final

import msgspec
from aiohttp import web

from gateway.settings.webhooks import Webhook

KEY: Final = b"k" * 32
SECRET: Final = "whsec_" + base64.b64encode(KEY).decode()

Answer = Callable[[], Awaitable[web.Response]]


class Receiver:
    """`answers` are given first, one a request; then all is well."""

    def __init__(self) -> None:
        self.messages: list[tuple[str, Any]] = []
        self.requests: list[web.Request] = []
        self.answers: list[Answer] = []
        self.url = ""

    @property
    def types(self) -> list[str]:
        return [message["type"] for _, message in self.messages]

    @property
    def ids(self) -> list[str]:
        return [message_id for message_id, _ in self.messages]

    async def receive(self, request: web.Request) -> web.Response:
        self.requests.append(request)
        body = await request.read()
        if self.answers:
            return await self.answers.pop(0)()
        message_id, timestamp = (request.headers[f"webhook-{x}"] for x in ("id", "timestamp"))
        signed = f"{message_id}.{timestamp}.".encode() + body
        digest = base64.b64encode(hmac.new(KEY, signed, hashlib.sha256).digest()).decode()
        assert f"v1,{digest}" in request.headers["webhook-signature"].split(" ")
        self.messages.append((message_id, msgspec.json.decode(body)))
        return web.Response(status=204)

    async def start(self) -> web.AppRunner:
        app = web.Application()
        app.router.add_post("/hooks", self.receive)
        runner = web.AppRunner(app, shutdown_timeout=0.1, handler_cancellation=True)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        self.url = f"http://127.0.0.1:{runner.addresses[0][1]}/hooks"
        return runner

    def webhook(self, name: str = "shop", **options: Any) -> Webhook:  # noqa: ANN401 - its fields
        networks = options.pop("private_networks", ("127.0.0.0/8",))
        return Webhook(name=name, url=self.url, secret=SECRET, private_networks=networks, **options)


def answering(status: int, **headers: str) -> Answer:
    async def answer() -> web.Response:
        return web.Response(status=status, headers=headers)

    return answer


async def hanging() -> web.Response:
    await asyncio.Event().wait()
    raise AssertionError
