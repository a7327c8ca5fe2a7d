"""A line for each request, where one is wanted."""

from __future__ import annotations

import asyncio
import io
import json
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient
from pytest_aiohttp import AiohttpClient

from gateway import logs
from gateway.logs import Offences
from gateway.metrics import Metrics
from gateway.rest.access_log import GONE, AccessLog
from gateway.rest.problems import Problems
from protocol.refusals import Refusal, Refused

Client = TestClient[web.Request, web.Application]


@pytest.fixture
def lines() -> io.StringIO:
    stream = io.StringIO()
    logs.configure("json", "INFO", stream)
    return stream


@pytest.fixture
async def client(aiohttp_client: AiohttpClient, lines: io.StringIO) -> Client:
    async def here(_: web.Request) -> web.Response:
        return web.Response(text="here")

    async def no(_: web.Request) -> web.Response:
        raise Refused(Refusal.CONFLICT)

    async def never(_: web.Request) -> web.Response:
        await asyncio.Event().wait()
        return web.Response()

    problems = Problems(Metrics(), Offences(), access_log=AccessLog(()))
    app = web.Application(middlewares=[problems.answer])
    app.add_routes(
        [web.get("/api/users/{userId}", here), web.post("/no", no), web.get("/never", never)]
    )
    return await aiohttp_client(app, server_kwargs={"handler_cancellation": True})


def answered(lines: io.StringIO) -> list[dict[str, Any]]:
    told = [json.loads(line) for line in lines.getvalue().splitlines()]
    return [line for line in told if line["event"] == "= answered"]


async def test_a_line_says_what_was_asked_for_and_what_became_of_it(
    client: Client, lines: io.StringIO
) -> None:
    async with client.get("/api/users/ada?token=s3cr3t") as response:
        request_id = response.headers["X-Request-Id"]

    (line,) = answered(lines)
    assert line.pop("duration_ms") >= 0
    del line["timestamp"], line["logger"]
    assert line == {
        "event": "= answered",
        "level": "info",
        "method": "GET",
        "route": "/api/users/{userId}",
        "status": 200,
        "address": "127.0.0.1",
        "request_id": request_id,
    }


async def test_each_request_has_one_line_also_those_that_are_refused(
    client: Client, lines: io.StringIO
) -> None:
    for method, path in (("POST", "/no"), ("GET", "/nothing"), ("DELETE", "/no")):
        async with client.request(method, path):
            pass
    told = [(line["method"], line["route"], line["status"]) for line in answered(lines)]
    assert told == [("POST", "/no", 409), ("GET", None, 404), ("DELETE", None, 405)]


async def test_who_did_not_wait_for_the_answer_has_a_line_too(
    client: Client, lines: io.StringIO
) -> None:
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.2), client.get("/never"):
            pass
    async with asyncio.timeout(15):
        while not answered(lines):  # noqa: ASYNC110 - what it waits for tells nobody
            await asyncio.sleep(0.02)
    assert answered(lines)[0]["status"] == GONE
