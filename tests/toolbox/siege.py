"""This module owns what journeys of many bad clients share: members, waiting, how others fare."""

from __future__ import annotations

import asyncio
import contextlib
import json
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from statistics import quantiles
from typing import Any

from tests.toolbox.raw_client import RawSocket, connect, request
from tests.toolbox.strict_gateway import ask

_ASK_EVERY_SECONDS = 0.005
_LOOK_SECONDS = 0.05


def say(sentence: str) -> None:
    """A measured figure, for whoever runs with -s."""
    print(f"\n    {sentence}", end="")  # noqa: T201 - pytest keeps it unless it is asked for


async def until(is_so: Callable[[], Awaitable[bool]], limit_seconds: float) -> float:
    """Wait for an awaitable answer to be true; how long it took. Raises `TimeoutError`."""
    began_seconds = time.monotonic()
    async with asyncio.timeout(limit_seconds):
        while not await is_so():  # noqa: ASYNC110 - no event tells of it
            await asyncio.sleep(_LOOK_SECONDS)
    return time.monotonic() - began_seconds


async def publish(port: int, room: str, items: list[dict[str, Any]]) -> None:
    """Over HTTP, all accepted."""
    headers = {"Content-Type": "application/json"}
    body = json.dumps(items, separators=(",", ":")).encode()
    answer = await request(port, "POST", f"/api/rooms/{room}/events", body, headers)
    assert answer.status == 200, answer


async def member(port: int, room: str) -> RawSocket:
    """A peer that has joined."""
    peer, _ = await connect(port)
    assert "data" in await ask(peer, "join-room", room)
    return peer


@contextlib.asynccontextmanager
async def latencies_of(action: Callable[[], Awaitable[object]]) -> AsyncIterator[list[float]]:
    """How many seconds each of many runs of an action took, meanwhile."""
    seconds: list[float] = []

    async def measure_forever() -> None:
        while True:
            began_seconds = time.monotonic()
            await action()
            seconds.append(time.monotonic() - began_seconds)
            await asyncio.sleep(_ASK_EVERY_SECONDS)

    task = asyncio.create_task(measure_forever())
    try:
        yield seconds
        if task.done():
            task.result()
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


def p99_of(seconds: list[float]) -> float:
    """The 99th percentile; of too few it would be their maximum."""
    assert len(seconds) > 50
    return quantiles(seconds, n=100)[98]
