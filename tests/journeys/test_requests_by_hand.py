"""Requests that no client library sends: each gets a no in the envelope, and no second meaning."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Iterator
from typing import Final

import pytest

from tests.toolbox.gateway_process import GatewayProcess
from tests.toolbox.raw_client import request
from tests.toolbox.strict_gateway import strict_gateway

pytestmark = pytest.mark.journey

ANSWER_SECONDS: Final = 15.0
HEAD: Final = b"POST /api/sessions HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\n"
GET: Final = b"GET /api/users HTTP/1.1\r\nHost: a\r\n"
# What is sent, and the status that it gets; after it nothing more is read from that connection.
UNREADABLE: Final[dict[str, tuple[bytes, int]]] = {
    "a length and chunks": (
        HEAD + b"Content-Length: 6\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nGET /smuggled",
        400,
    ),
    "two lengths": (HEAD + b"Content-Length: 2\r\nContent-Length: 3\r\n\r\n{}", 400),
    "a length with a sign": (HEAD + b"Content-Length: +2\r\n\r\n{}", 400),
    "two hosts": (b"GET /healthz HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", 400),
    "a folded header": (GET + b"X-A: 1\r\n 2\r\n\r\n", 400),
    "a space before the colon": (GET + b"X-A : 1\r\n\r\n", 400),
    "a NUL in a header": (GET + b"X-A: a\0b\r\n\r\n", 400),
    "a URL of 9 KB": (b"GET /%b HTTP/1.1\r\nHost: a\r\n\r\n" % (b"a" * 9_000), 400),
    "a header of 9 KB": (GET + b"X-A: %b\r\n\r\n" % (b"a" * 9_000), 400),
    "two hundred headers": (GET + b"".join(b"X-%d: 1\r\n" % n for n in range(200)) + b"\r\n", 400),
    "another protocol": (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n", 400),
}
CODES: Final = {400: "MALFORMED", 405: "METHOD_NOT_ALLOWED"}


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[GatewayProcess]:
    process = strict_gateway(tmp_path_factory.mktemp("gateway"))
    process.start()
    yield process
    assert "Traceback" not in process.log
    process.kill()


async def answers_to(port: int, data: bytes) -> bytes:
    """Everything that comes back until the connection is closed."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        writer.write(data)
        async with asyncio.timeout(ANSWER_SECONDS):
            return await reader.read()
    finally:
        writer.close()


@pytest.mark.parametrize("what", UNREADABLE)
async def test_what_cannot_be_read_is_refused_and_the_connection_closed(
    gateway: GatewayProcess, what: str
) -> None:
    data, status = UNREADABLE[what]

    raw = await answers_to(gateway.port, data)

    head, _, body = raw.partition(b"\r\n\r\n")
    assert len(re.findall(rb"^HTTP/1\.[01] ", raw, re.MULTILINE)) == 1, raw
    assert int(head.split()[1]) == status
    assert json.loads(body)["error"]["code"] == CODES[status]
    assert b"X-Content-Type-Options: nosniff" in head
    assert b"aiohttp" not in raw


@pytest.mark.parametrize("method", ["TRACE", "CONNECT", "PROPFIND"])
async def test_methods_that_nobody_needs_are_not_there(
    gateway: GatewayProcess, method: str
) -> None:
    data = f"{method} /api/users HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"

    raw = await answers_to(gateway.port, data.encode())

    assert int(raw.split()[1]) in {400, 404, 405}
    assert b"error" in raw


async def test_answers_of_socket_io_say_how_they_are_to_be_taken_too(
    gateway: GatewayProcess,
) -> None:
    for query in ("EIO=4&transport=polling", "EIO=3&transport=polling", "EIO=4&transport=pigeon"):
        answer = await request(gateway.port, "GET", f"/socket.io/?{query}")
        headers = {name.lower(): value for name, value in answer.headers.items()}
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["server"] == "paceline"
        assert "frame-ancestors 'none'" in headers["content-security-policy"]
