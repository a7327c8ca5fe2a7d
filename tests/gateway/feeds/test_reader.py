import json
from collections import deque

import pytest
import structlog

from gateway.feeds.discovery import Feed
from gateway.feeds.reader import Reader
from gateway.feeds.source import Fetched, FetchFailed
from tests.gateway.feeds import system

FEED = Feed("free_bike_status", "https://example.com/bikes?key=secret")
GOOD = json.dumps(system.document("bikes", [system.bike(1)], ttl=30)).encode()


class Script:
    """A source that gives what the test wrote down."""

    def __init__(self, *steps: bytes | FetchFailed | None) -> None:
        self._steps = deque(steps)
        self.kept: list[bytes] = []

    async def fetch(self) -> Fetched | None:
        step = self._steps.popleft()
        if isinstance(step, FetchFailed):
            raise step
        return None if step is None else Fetched(step, {})

    def keep(self, fetched: Fetched) -> None:
        self.kept.append(fetched.body)


def reader_of(script: Script, interval_seconds: float | None = None) -> Reader:
    return Reader(FEED, script, interval_seconds=interval_seconds, fraction=lambda: 0.0)


async def test_a_document_is_read_kept_and_holds_for_its_time_to_live() -> None:
    script = Script(GOOD, None)
    reader = reader_of(script)

    reading = await reader.read()
    assert reading.document is not None
    assert len(reading.document.entities) == 1
    assert reading.pause_seconds == 30
    assert script.kept == [GOOD]
    unchanged = await reader.read()
    assert (unchanged.document, unchanged.trouble, unchanged.pause_seconds) == (None, None, 30)


async def test_the_operators_interval_counts_instead() -> None:
    assert (await reader_of(Script(GOOD), 2.0).read()).pause_seconds == 2.0


async def test_a_document_that_cannot_be_used_is_not_kept() -> None:
    script = Script(b"<html>")
    reading = await reader_of(script).read()

    assert reading.document is None
    assert reading.trouble == "HTML or XML instead of JSON"
    assert script.kept == []


async def test_failures_in_a_row_are_asked_after_less_and_less_often() -> None:
    reader = reader_of(Script(*[FetchFailed("no")] * 8, GOOD, FetchFailed("no")))

    pauses = [(await reader.read()).pause_seconds for _ in range(10)]
    assert pauses == [5, 10, 20, 40, 80, 160, 300, 300, 30, 5]


async def test_a_wish_to_wait_longer_is_honoured() -> None:
    reader = reader_of(Script(FetchFailed("no", 120.0), FetchFailed("no", 1.0)))

    assert [(await reader.read()).pause_seconds for _ in range(2)] == [120, 10]


async def test_what_breaks_costs_one_line_and_so_does_its_end() -> None:
    reader = reader_of(Script(*[FetchFailed("HTTP status 500")] * 5, b"<html>", GOOD, GOOD))

    with structlog.testing.capture_logs() as lines:
        for _ in range(8):
            await reader.read()

    assert [(line["event"], line.get("reason")) for line in lines] == [
        ("feed failed", "HTTP status 500"),
        ("feed failed", "HTML or XML instead of JSON"),
        ("feed works again", None),
    ]
    assert "secret" not in repr(lines)


@pytest.mark.parametrize("ttl", [None, "soon", -1, []])
async def test_a_senseless_time_to_live_is_replaced_by_a_minute(ttl: object) -> None:
    body = json.dumps(system.document("bikes", [], ttl=ttl)).encode()

    assert (await reader_of(Script(body)).read()).pause_seconds == 60
