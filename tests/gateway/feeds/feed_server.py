"""An operator's server: serves documents with ETags, or misbehaves as a test asks it to."""

from __future__ import annotations

import asyncio
import hashlib
import json
from collections.abc import Awaitable, Callable
from typing import Any

from aiohttp import web
from aiohttp.test_utils import TestServer

from tests.gateway.feeds import system

Answer = Callable[[web.Request], Awaitable[web.StreamResponse]]


class FeedServer:
    """Paths lead to answers; `requests` are what came, `statuses` what went out."""

    def __init__(self) -> None:
        self.answers: dict[str, Answer] = {}
        self.requests: list[tuple[str, dict[str, str]]] = []
        self.statuses: list[int] = []
        self._server: TestServer | None = None

    async def start(self) -> None:
        app = web.Application()
        app.router.add_get("/{path:.*}", self._answer)
        self._server = TestServer(app)
        await self._server.start_server()

    async def stop(self) -> None:
        assert self._server is not None
        await self._server.close()

    def url(self, path: str) -> str:
        assert self._server is not None
        return str(self._server.make_url(f"/{path}"))

    def asked(self, path: str) -> int:
        return sum(asked == path for asked, _ in self.requests)

    def serve(self, path: str, document: Any, *, etag: bool = True) -> None:  # noqa: ANN401 - any JSON
        body = document if isinstance(document, bytes) else json.dumps(document).encode()
        tag = f'"{hashlib.sha256(body).hexdigest()}"'

        async def answer(request: web.Request) -> web.Response:
            if etag and request.headers.get("If-None-Match") == tag:
                return web.Response(status=304)
            headers = {"ETag": tag} if etag else {}
            return web.Response(body=body, content_type="application/json", headers=headers)

        self.answers[path] = answer

    def serve_system(self, documents: dict[str, Any]) -> str:
        """Serve all documents and their discovery; the latter's URL is the answer.

        Without ETags, so that every reading of a feed is compared anew.
        """
        for name, content in documents.items():
            self.serve(f"{name}.json", content, etag=False)
        addresses = {name: self.url(f"{name}.json") for name in documents}
        self.serve("gbfs.json", system.discovery(addresses))
        return self.url("gbfs.json")

    def fail(self, path: str, status: int, headers: dict[str, str] | None = None) -> None:
        async def answer(_: web.Request) -> web.Response:
            return web.Response(status=status, text="<html>no</html>", headers=headers)

        self.answers[path] = answer

    def truncate(self, path: str) -> None:
        async def answer(request: web.Request) -> web.StreamResponse:
            response = web.StreamResponse(headers={"Content-Length": "1000"})
            await response.prepare(request)
            await response.write(b'{"data": {"bikes": [')
            assert request.transport is not None
            request.transport.close()
            return response

        self.answers[path] = answer

    def hang(self, path: str) -> None:
        async def answer(_: web.Request) -> web.StreamResponse:
            await asyncio.Event().wait()
            raise AssertionError

        self.answers[path] = answer

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        path = request.match_info["path"]
        self.requests.append((path, dict(request.headers)))
        answer = self.answers.get(path)
        response = await answer(request) if answer else web.Response(status=404)
        self.statuses.append(response.status)
        return response
