"""This module owns the course of readers over HTTP: each asks for a user, again and again.

A closed loop on connections that stay open, one request on the way on each. Each reader has a token
of its own, as so many people have: a server that limits by identity is not to be fooled.
"""

from __future__ import annotations

import asyncio
import http.client
from time import monotonic_ns
from typing import TYPE_CHECKING, Final, cast

import msgspec

from loadtest.crew import Crew, Window, pass_time
from loadtest.handshake import HandshakeFailed
from loadtest.tokens import token_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from loadtest.histogram import Histogram
    from loadtest.measurement import Measurement
    from loadtest.plan import Link, Plan

_CREATED: Final = 201
_TIMEOUT_SECONDS: Final = 10.0
_GOOD: Final = b"HTTP/1.1 200 "
_LENGTH: Final = b"content-length: "


class Reads:
    """All readers of this process."""

    def __init__(self, latency: Histogram) -> None:
        self.latency = latency
        self.answers = 0
        self.others: dict[str, int] = {}
        self.closed = 0
        self.is_running = True

    def note(self, status_line: bytes) -> None:
        """Count an answer that was none."""
        key = status_line.decode(errors="replace")[:40]
        self.others[key] = self.others.get(key, 0) + 1


class Reader(asyncio.Protocol):
    """One connection."""

    __slots__ = ("_buffer", "_reads", "_request", "_sent_ns", "_transport")

    def __init__(self, reads: Reads, request: bytes) -> None:
        self._reads = reads
        self._request = request
        self._buffer = b""
        self._sent_ns = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - asyncio's signature
        if self._reads.is_running:
            self._reads.closed += 1

    def ask(self) -> None:
        self._sent_ns = monotonic_ns()
        self._transport.write(self._request)

    def data_received(self, data: bytes) -> None:
        answer = self._buffer + data
        head, end, body = answer.partition(b"\r\n\r\n")
        if not end or len(body) < _length_in(head):
            self._buffer = answer
            return
        self._buffer = b""
        reads = self._reads
        if answer.startswith(_GOOD):
            reads.answers += 1
            reads.latency.add(monotonic_ns() - self._sent_ns)
        else:
            reads.note(answer.partition(b"\r\n")[0])
        if reads.is_running:
            self.ask()


def _length_in(head: bytes) -> int:
    _, found, rest = head.lower().partition(_LENGTH)
    return int(rest.partition(b"\r\n")[0]) if found else 0


async def run(plan: Plan, link: Link) -> Measurement:
    """Latency is from a request to the whole of its answer; the unit is the answer."""
    crew = Crew(plan, link)
    reads = Reads(crew.tally.latency)
    user_id = _new_user(plan)
    tokens = [token_of(number, plan.secret, "admin") for number in range(plan.scenario.members)]

    async def connect(number: int) -> Reader:
        address = crew.address_of(number)
        request = _request_of(user_id, tokens[number], f"{address.host}:{address.port}")
        make: Callable[[], Reader] = lambda: Reader(reads, request)  # noqa: E731 - a factory
        loop = asyncio.get_running_loop()
        _, reader = await loop.create_connection(make, address.host, address.port)
        return reader

    readers = await crew.side_by_side("connecting", plan.scenario.members, connect)
    await link.wait_for_go()
    for reader in readers:
        reader.ask()
    await pass_time(link, plan.scenario.warm_up_seconds, "warming up")
    window, before = Window(crew), reads.answers
    await window.run(plan.scenario.seconds)
    measured = window.close(units=reads.answers - before)
    reads.is_running = False
    measured.closed, measured.refusals = reads.closed, reads.others
    return measured


def _request_of(user_id: str, token: str, host: str) -> bytes:
    return (
        f"GET /api/users/{user_id} HTTP/1.1\r\nHost: {host}\r\nAuthorization: Bearer {token}\r\n"
        "Accept: application/json\r\nAccept-Encoding: gzip, br\r\n\r\n"
    ).encode()


def _new_user(plan: Plan) -> str:
    """The user that will be read; raises HandshakeFailed when the server makes none."""
    address = plan.addresses[0]
    connection = http.client.HTTPConnection(address.host, address.port, timeout=_TIMEOUT_SECONDS)
    token = token_of(0, plan.secret, "admin")
    headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
    body = {"email": f"ada-{monotonic_ns()}@example.org", "name": "Ada", "age": 36}
    connection.request("POST", "/api/users", msgspec.json.encode(body), headers)
    answer = connection.getresponse()
    raw = answer.read()
    connection.close()
    if answer.status != _CREATED:
        raise HandshakeFailed(f"no user was made: {answer.status} {raw[:100]!r}")
    return str(msgspec.json.decode(raw)["data"]["id"])
