"""Whatever goes wrong behind the HTTP door, the answer is the one envelope."""

from __future__ import annotations

import asyncio
import io
import json
from ipaddress import ip_network

import pytest
from aiohttp import web
from aiohttp.test_utils import make_mocked_request
from pytest_aiohttp import AiohttpClient

from gateway import logs
from gateway.broker.contract import BrokerUnavailable
from gateway.logs import Offences
from gateway.metrics import Metrics
from gateway.rest.problems import Problems, refusal_response, unreadable_response
from protocol.refusals import Refusal, Refused
from tests.gateway.rest.conftest import Client, Door

SECRET_OF_THE_BUG = "password=hunter2"


@pytest.fixture
def lines() -> io.StringIO:
    stream = io.StringIO()
    logs.configure("json", "INFO", stream)
    return stream


@pytest.fixture
def metrics() -> Metrics:
    return Metrics()


@pytest.fixture
async def client(aiohttp_client: AiohttpClient, metrics: Metrics) -> Client:
    async def bug(_: web.Request) -> web.Response:
        raise LookupError(SECRET_OF_THE_BUG)

    async def refused(_: web.Request) -> web.Response:
        raise Refused(Refusal.TOO_FAST, retry_after_ms=1)

    async def away(_: web.Request) -> web.Response:
        raise BrokerUnavailable

    async def moved(_: web.Request) -> web.Response:
        raise web.HTTPFound("/elsewhere")

    app = web.Application(middlewares=[Problems(metrics, Offences()).answer])
    handlers = {"/bug": bug, "/refused": refused, "/away": away, "/moved": moved}
    app.add_routes([web.get(path, handler) for path, handler in handlers.items()])
    return await aiohttp_client(app)


@pytest.mark.parametrize(
    ("method", "path", "status", "code"),
    [
        ("GET", "/nothing", 404, "NOT_FOUND"),
        ("GET", "/api/rooms/a/b/events", 404, "NOT_FOUND"),
        ("GET", "/socket.io", 404, "NOT_FOUND"),
        ("DELETE", "/healthz", 405, "METHOD_NOT_ALLOWED"),
        ("PUT", "/api/rooms/a/events", 405, "METHOD_NOT_ALLOWED"),
    ],
)
async def test_what_is_not_there_is_said_in_the_envelope(
    door: Door, method: str, path: str, status: int, code: str
) -> None:
    async with door.client.request(method, path) as response:
        answer = await response.json()

    assert (response.status, answer["error"]["code"]) == (status, code)
    assert set(answer["error"]) == {"code", "message"}
    assert door.metrics.refusals[code] == 1


async def test_a_wrong_method_is_told_the_right_ones(door: Door) -> None:
    async with door.client.put("/api/rooms/a/events") as response:
        assert set(response.headers["Allow"].split(",")) == {"GET", "POST"}


async def test_every_answer_has_an_id_of_its_own_and_is_not_to_be_guessed_at(door: Door) -> None:
    ids = set()
    for path in ("/healthz", "/healthz", "/nothing"):
        async with door.client.get(path) as response:
            ids.add(response.headers["X-Request-Id"])
            assert response.headers["X-Content-Type-Options"] == "nosniff"

    assert len(ids) == 3


async def test_a_bug_is_logged_once_with_its_traceback_and_answered_without_detail(
    lines: io.StringIO, client: Client, metrics: Metrics
) -> None:
    async with client.get("/bug") as response:
        answer = await response.json()

    request_id = response.headers["X-Request-Id"]
    logged = _logged(lines)
    assert response.status == 500
    assert answer["error"]["code"] == "INTERNAL"
    assert answer["error"]["details"] == {"requestId": request_id}
    assert "LookupError" not in json.dumps(answer)
    assert "hunter2" not in json.dumps(answer)
    assert [line["request_id"] for line in logged if line["level"] == "error"] == [request_id]
    assert "LookupError" in logged[-1]["exception"]
    assert metrics.refusals["INTERNAL"] == 1


async def test_a_stranger_s_mistakes_cost_a_line_each_until_there_were_enough(
    lines: io.StringIO, client: Client
) -> None:
    for _ in range(20):
        async with client.get("/nothing"):
            pass

    logged = _logged(lines)
    assert [(line["event"], line["code"]) for line in logged] == [("refused", "NOT_FOUND")] * 5
    assert all("exception" not in line for line in logged)


async def test_behind_a_proxy_of_ours_a_line_is_about_the_stranger(
    lines: io.StringIO, aiohttp_client: AiohttpClient
) -> None:
    problems = Problems(Metrics(), Offences(), trusted_proxies=[ip_network("127.0.0.0/8")])
    client = await aiohttp_client(web.Application(middlewares=[problems.answer]))
    strangers = [f"192.0.2.{number}" for number in range(8)]
    for stranger in strangers:
        async with client.get("/nothing", headers={"X-Forwarded-For": stranger}):
            pass

    assert [line["address"] for line in _logged(lines)] == strangers


async def test_when_to_try_again_is_said_in_whole_seconds_and_never_zero(client: Client) -> None:
    async with client.get("/refused") as response:
        assert (response.status, response.headers["Retry-After"]) == (429, "1")


async def test_a_broker_that_is_away_is_no_bug(client: Client, metrics: Metrics) -> None:
    async with client.get("/away") as response:
        answer = await response.json()

    assert (response.status, answer["error"]["code"]) == (503, "UNAVAILABLE")
    assert metrics.refusals["UNAVAILABLE"] == 1


async def test_a_redirect_is_no_problem(client: Client, metrics: Metrics) -> None:
    async with client.get("/moved", allow_redirects=False) as response:
        assert (response.status, response.headers["Location"]) == (302, "/elsewhere")

    assert sum(metrics.refusals.values()) == 0


async def test_what_was_begun_is_finished_though_the_client_has_gone() -> None:
    is_begun, may_end, is_done = asyncio.Event(), asyncio.Event(), asyncio.Event()

    async def slow(_: web.Request) -> web.StreamResponse:
        is_begun.set()
        await may_end.wait()
        is_done.set()
        return web.Response()

    problems = Problems(Metrics(), Offences())
    request = make_mocked_request("POST", "/api/rooms/a/events")
    answering = asyncio.ensure_future(problems.answer(request, slow))
    await is_begun.wait()
    answering.cancel()
    with pytest.raises(asyncio.CancelledError):
        await answering
    may_end.set()

    async with asyncio.timeout(1):
        await is_done.wait()


@pytest.mark.parametrize(
    ("status", "code"),
    [(400, "MALFORMED"), (413, "TOO_LARGE"), (431, "MALFORMED"), (500, "INTERNAL")],
)
def test_what_aiohttp_cannot_read_is_answered_in_the_envelope(status: int, code: str) -> None:
    response = unreadable_response(status)

    assert isinstance(response.body, bytes)
    assert (response.status, json.loads(response.body)["error"]["code"]) == (status, code)
    assert response.headers["X-Content-Type-Options"] == "nosniff"


@pytest.mark.parametrize("refusal", Refusal, ids=lambda refusal: refusal.code)
def test_every_refusal_has_its_status(refusal: Refusal) -> None:
    response = refusal_response(Refused(refusal))

    assert response.status == refusal.status
    assert isinstance(response.body, bytes)
    assert json.loads(response.body)["error"]["message"] == refusal.sentence


def _logged(lines: io.StringIO) -> list[dict[str, str]]:
    """What was logged, but for the access log of the test's own server."""
    logged = [json.loads(line) for line in lines.getvalue().splitlines()]
    return [line for line in logged if line["logger"] != "aiohttp.access"]
