"""Which answers are compressed, and how that is told: a whole worker, over HTTP."""

from __future__ import annotations

import gzip
import json
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import brotli
import pytest
from aiohttp import web
from aiohttp.test_utils import make_mocked_request
from backports import zstd

from gateway.app import Gateway
from gateway.codings import CODINGS
from gateway.identity import Role
from gateway.rest.compression import LEAST_BYTES, compress, may_be_compressed
from gateway.settings import Settings
from tests.gateway.rest.conftest import PRODUCTION, bearer

READERS = {"zstd": zstd.decompress, "br": brotli.decompress, "gzip": gzip.decompress}
ADMIN = {"Authorization": bearer(Role.ADMIN, seconds=3600)}
LONG = "漢" * 240 + "@example.org"  # about the longest user there can be


class Raw:
    """A client that takes what it gets as it comes."""

    def __init__(self, url: str, session: aiohttp.ClientSession) -> None:
        self._url = url
        self._session = session

    async def ask(
        self, method: str, path: str, body: object = None, **headers: str
    ) -> tuple[aiohttp.ClientResponse, bytes]:
        async with self._session.request(
            method, f"{self._url}{path}", json=body, headers=ADMIN | headers
        ) as response:
            return response, await response.read()


@pytest.fixture
async def raw(tmp_path: Path) -> AsyncIterator[Raw]:
    settings = Settings.from_env(
        PRODUCTION
        | {"PORT": "0", "HOST": "127.0.0.1", "DATABASE_URL": f"sqlite:///{tmp_path}/users.db"}
        | {"PACELINE_DRAIN_NOTICE_SECONDS": "0", "PACELINE_DRAIN_SECONDS": "0.1"}
    )
    async with (
        Gateway(settings).running() as port,
        aiohttp.ClientSession(auto_decompress=False) as session,
    ):
        yield Raw(f"http://127.0.0.1:{port}", session)


async def people(raw: Raw, count: int) -> None:
    for number in range(count):
        body = {"email": f"person{number}@example.org", "name": f"Person {number}"}
        response, answer = await raw.ask("POST", "/api/users", body)
        assert response.status == 201, answer


@pytest.mark.parametrize("coding", CODINGS)
async def test_a_long_answer_is_sent_in_the_form_that_is_wanted(raw: Raw, coding: str) -> None:
    await people(raw, 8)
    plain, body = await raw.ask("GET", "/api/users", **{"Accept-Encoding": "identity"})
    response, form = await raw.ask("GET", "/api/users", **{"Accept-Encoding": f"x, {coding}"})

    assert "Content-Encoding" not in plain.headers
    assert response.headers["Content-Encoding"] == coding
    assert READERS[coding](form) == body
    assert int(response.headers["Content-Length"]) == len(form) < len(body) / 2
    assert plain.headers["Vary"] == response.headers["Vary"] == "Accept-Encoding"
    head, nothing = await raw.ask("HEAD", "/api/users", **{"Accept-Encoding": coding})
    assert (head.headers["Content-Length"], nothing) == (str(len(form)), b"")


async def test_a_short_answer_is_sent_as_it_is(raw: Raw) -> None:
    await people(raw, 1)
    response, body = await raw.ask("GET", "/api/users", **{"Accept-Encoding": "gzip"})
    assert len(body) < LEAST_BYTES
    assert "Content-Encoding" not in response.headers
    assert json.loads(body)["meta"]["total"] == 1


async def test_tokens_and_keys_are_never_compressed(raw: Raw) -> None:
    wanted = {"Accept-Encoding": "gzip, br, zstd"}
    body = {"email": LONG, "name": "Ada"}
    response, answer = await raw.ask("POST", "/api/users", body)
    assert response.status == 201, answer
    path = f"/api/users/{json.loads(answer)['data']['id']}"
    await raw.ask("PUT", f"{path}/password", {"newPassword": "correct horse"})
    agent = {"User-Agent": "long " * 60}  # a stranger's text beside the secret
    signed_in = {"email": LONG, "password": "correct horse"}
    response, tokens = await raw.ask("POST", "/api/sessions", signed_in, **wanted, **agent)
    assert (response.status, len(tokens) > LEAST_BYTES) == (201, True)
    assert "Content-Encoding" not in response.headers

    refresh = {"refreshToken": json.loads(tokens)["data"]["refreshToken"]}
    response, tokens = await raw.ask("POST", "/api/sessions/refresh", refresh, **wanted)
    assert (response.status, len(tokens) > LEAST_BYTES) == (200, True)
    assert "Content-Encoding" not in response.headers


async def test_the_tag_of_a_compressed_form_is_another_one_and_means_the_same_version(
    raw: Raw,
) -> None:
    response, answer = await raw.ask("POST", "/api/users", {"email": LONG, "name": "漢" * 50})
    assert response.status == 201, answer
    user = json.loads(answer)["data"]
    path = f"/api/users/{user['id']}"
    plain, body = await raw.ask("GET", path, **{"Accept-Encoding": "identity"})
    assert len(body) >= LEAST_BYTES
    response, _ = await raw.ask("GET", path, **{"Accept-Encoding": "br"})
    assert (plain.headers["ETag"], response.headers["ETag"]) == ('"1"', '"1-br"')

    known, _ = await raw.ask("GET", path, **{"If-None-Match": '"1-br"', "Accept-Encoding": "br"})
    assert known.status == 304
    changed, _ = await raw.ask("PATCH", path, {"name": "Ada"}, **{"If-Match": '"1-br"'})
    assert changed.status == 200
    late, _ = await raw.ask("PATCH", path, {"name": "Eve"}, **{"If-Match": '"1-br"'})
    assert late.status == 412


async def test_pages_of_people_are_compressed_too(raw: Raw) -> None:
    response, form = await raw.ask("GET", "/docs", **{"Accept-Encoding": "br"})
    assert response.headers["Content-Encoding"] == "br"
    assert response.headers["Vary"] == "Accept-Encoding", "once"
    assert b"<h1>" in brotli.decompress(form)
    response, form = await raw.ask("GET", "/metrics", **{"Accept-Encoding": "gzip"})
    assert b"paceline_user_reads_total" in gzip.decompress(form)


def request_of(method: str = "GET", path: str = "/api/users") -> web.Request:
    return make_mocked_request(method, path, headers={"Accept-Encoding": "gzip"})


def answer_of(content_type: str = "application/json", **headers: str) -> web.Response:
    return web.Response(body=b"x" * 5000, headers={"Content-Type": content_type, **headers})


@pytest.mark.parametrize(
    ("request_", "response", "may_be"),
    [
        (request_of(), answer_of(), True),
        (request_of(), answer_of("text/html"), True),
        (request_of(), answer_of("image/svg+xml"), True),
        (request_of(), answer_of("image/webp"), False),
        (request_of(), answer_of("application/octet-stream"), False),
        (request_of(), answer_of(**{"Content-Encoding": "br"}), False),
        (request_of("POST"), answer_of(), False),
        (request_of(path="/socket.io/?EIO=4&transport=polling"), answer_of("text/plain"), False),
        (request_of(), web.StreamResponse(headers={"Content-Type": "text/event-stream"}), False),
        (request_of(), web.Response(status=304), False),
    ],
)
def test_what_may_be_compressed(
    request_: web.Request, response: web.StreamResponse, *, may_be: bool
) -> None:
    assert may_be_compressed(request_, response) is may_be


async def test_a_very_long_answer_keeps_nobody_else_waiting() -> None:
    response = web.Response(body=b"x" * 100_000, content_type="application/json")
    await compress(request_of(), response)
    assert isinstance(response.body, bytes)
    assert gzip.decompress(response.body) == b"x" * 100_000
