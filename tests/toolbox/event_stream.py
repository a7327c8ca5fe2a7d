"""This module owns a reader of Server-Sent Events, by the letter of HTML, section 9.2."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Mapping
from typing import Any, NamedTuple

import aiohttp

TIMEOUT_SECONDS = 15.0


class Event(NamedTuple):
    """One event as a page would be given it; `last_id` is what it would come back with."""

    name: str
    text: str
    last_id: str

    @property
    def data(self) -> Any:  # noqa: ANN401 - whatever was published
        return json.loads(self.text)


class EventStream:
    """One open stream: `next` event, comments counted, `retry_ms` as it was told last."""

    def __init__(self, response: aiohttp.ClientResponse, last_id: str = "") -> None:
        self.response = response
        self.last_id = last_id
        self.retry_ms: int | None = None
        self.comments = 0
        self._events = self._read()

    async def next(self, *skipping: str) -> Event:
        """The next event that is none of those; raises `EOFError` when the stream has ended."""
        async with asyncio.timeout(TIMEOUT_SECONDS):
            async for event in self._events:
                if event.name not in skipping:
                    return event
        raise EOFError

    async def comment(self) -> None:
        """Wait for a comment; events before it are lost."""
        before = self.comments
        async with asyncio.timeout(TIMEOUT_SECONDS):
            while self.comments == before:
                await self._line()

    async def _line(self) -> str | None:
        raw = await self.response.content.readline()
        if not raw.endswith(b"\n"):
            return None
        line = raw.decode().rstrip("\r\n")
        self.comments += line.startswith(":")
        return line

    async def _read(self) -> AsyncIterator[Event]:
        name, last_id = "", self.last_id
        data: list[str] = []
        while (line := await self._line()) is not None:
            if not line:
                self.last_id = last_id
                if data:
                    yield Event(name or "message", "\n".join(data), last_id)
                name, data = "", []
                continue
            field, _, value = line.partition(":")
            value = value.removeprefix(" ")
            if field == "event":
                name = value
            elif field == "data":
                data.append(value)
            elif field == "id":
                last_id = value
            elif field == "retry":
                self.retry_ms = int(value)
            else:
                assert not field, f"not a field of an event: {line}"


async def opened(
    session: aiohttp.ClientSession, url: str, last_id: str = "", headers: Mapping[str, str] = {}
) -> EventStream:
    """Open a stream; raises `aiohttp.ClientResponseError` when it is refused."""
    sent = {"Accept": "text/event-stream", **headers}
    if last_id:
        sent["Last-Event-ID"] = last_id
    response = await session.get(url, headers=sent)
    response.raise_for_status()  # which lets go of the connection
    assert response.content_type == "text/event-stream"
    return EventStream(response, last_id)
