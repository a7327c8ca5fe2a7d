"""Fifty members that read nothing at all, at 1,000 publications of 1 KB a second."""

from __future__ import annotations

import asyncio
import contextlib
import json
import socket
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.conftest import StartGateway
from tests.toolbox.raw_client import OPENING, RawSocket, masked_frame
from tests.toolbox.siege import latencies_of, member, p99_of, publish, say, until
from tests.toolbox.strict_gateway import ask, gauges, goodbyes, is_back_at, memory_bytes

pytestmark = pytest.mark.journey

STALLED_READERS = 50
PER_SECOND = 1000
STREAM_SECONDS = 8  # what the kernel takes off the gateway's hands is full after about five
STREAM_LENGTH = PER_SECOND * STREAM_SECONDS
BATCH = 50
OUTBOX_LIMIT_BYTES = 1_048_576
RECEIVE_BUFFER_BYTES = 131_072  # far smaller, a window would be opened again in steps of seconds
CANARY_LIMIT_SECONDS = 0.25


@pytest.fixture
def sockets() -> Iterator[contextlib.ExitStack]:
    """Closes what a test has opened, whatever becomes of it."""
    with contextlib.ExitStack() as opened:
        yield opened


async def stalled_reader(sockets: contextlib.ExitStack, port: int, room: str) -> socket.socket:
    """A member that reads no more: its window is shut as soon as the kernel has taken its share.

    Left to itself a kernel may take tens of megabytes, more than all that is streamed.
    """
    reader = sockets.enter_context(socket.socket())
    reader.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVE_BUFFER_BYTES)
    reader.setblocking(False)  # noqa: FBT003 - the standard library's signature
    loop = asyncio.get_running_loop()
    await loop.sock_connect(reader, ("127.0.0.1", port))
    joining = masked_frame("40") + masked_frame(f'420["join-room","{room}"]')
    await loop.sock_sendall(reader, OPENING + joining)
    heard = b""
    while b"430[" not in heard:
        heard += await loop.sock_recv(reader, 4096)
    return reader


async def stream(
    port: int, room: str, item_of: Callable[[int], dict[str, Any]], per_second: float = PER_SECOND
) -> None:
    """About 1 KB a publication, at a steady rate."""
    began_seconds = time.monotonic()
    for first in range(0, STREAM_LENGTH, BATCH):
        await publish(port, room, [item_of(first + number) for number in range(BATCH)])
        ahead_seconds = began_seconds + (first + BATCH) / per_second - time.monotonic()
        await asyncio.sleep(max(0.0, ahead_seconds))


def event_of(number: int) -> dict[str, Any]:
    return {"event": "e", "data": {"number": number, "text": "x" * 1000}}


def update_of(number: int) -> dict[str, Any]:
    data = {"bikeId": "always the same", "number": number, "text": "x" * 1000}
    return {"event": "bike-update", "data": data}


async def heard_numbers(peer: RawSocket, last: int) -> list[int]:
    """The numbers of all that a member hears, up to the last one."""
    numbers: list[int] = []
    while not numbers or numbers[-1] != last:
        numbers.append(json.loads((await peer.hear())[2:])[1]["number"])
    return numbers


@pytest.fixture
async def port(start_gateway: StartGateway) -> int:
    """A gateway that has its room's history already, which is memory it keeps anyway."""
    port = start_gateway(PACELINE_OUTBOX_LIMIT_BYTES=str(OUTBOX_LIMIT_BYTES)).port
    await stream(port, "r", event_of, per_second=float("inf"))
    return port


async def test_readers_of_nothing_are_sent_off_and_leave_no_memory_behind(
    port: int, sockets: contextlib.ExitStack
) -> None:
    bystander, canary = await member(port, "r"), await member(port, "canary")
    before, before_bytes = await gauges(port), await memory_bytes(port)
    for _ in range(STALLED_READERS):
        await stalled_reader(sockets, port, "r")
    listening = asyncio.create_task(heard_numbers(bystander, STREAM_LENGTH - 1))
    async with latencies_of(lambda: ask(canary, "presence", "canary")) as seconds:
        streaming = asyncio.create_task(stream(port, "r", event_of))
        peak_bytes = 0.0
        while not streaming.done():
            peak_bytes = max(peak_bytes, await memory_bytes(port))
            await asyncio.sleep(0.2)
        await streaming

        async def is_as_before() -> bool:
            return await is_back_at(port, before)

        gone_seconds = await until(is_as_before, 10)
    numbers = await listening
    left_bytes = await memory_bytes(port)

    say(
        f"{STALLED_READERS} stalled readers, {PER_SECOND} publications/s: gone "
        f"{gone_seconds:.1f} s after, memory {before_bytes / 1e6:.0f} -> {peak_bytes / 1e6:.0f} -> "
        f"{left_bytes / 1e6:.0f} MB, a bystander's answer p99 {p99_of(seconds) * 1000:.0f} ms"
    )
    assert await goodbyes(port, 3001) == STALLED_READERS
    assert numbers == list(range(STREAM_LENGTH))
    # Each may have its outbox and one write; what was streamed is 8 MB for each.
    assert peak_bytes - before_bytes < STALLED_READERS * 2 * OUTBOX_LIMIT_BYTES
    assert left_bytes < before_bytes * 1.1
    assert p99_of(seconds) < CANARY_LIMIT_SECONDS


async def test_readers_of_nothing_keep_the_last_state_of_one_bike_and_no_more(
    port: int, sockets: contextlib.ExitStack
) -> None:
    bystander = await member(port, "r")
    before_bytes = await memory_bytes(port)
    readers = [await stalled_reader(sockets, port, "r") for _ in range(STALLED_READERS)]
    listening = asyncio.create_task(heard_numbers(bystander, STREAM_LENGTH - 1))
    await stream(port, "r", update_of, per_second=float("inf"))
    grown_bytes = await memory_bytes(port) - before_bytes
    numbers = await listening
    late = await asyncio.gather(*map(read_to_the_end, readers))

    counts = [text.count(b'["bike-updated",') for text in late]
    say(
        f"{STALLED_READERS} stalled readers of one bike: {min(counts)} to {max(counts)} of "
        f"{STREAM_LENGTH} updates sent, memory +{grown_bytes / 1e6:.0f} MB"
    )
    assert numbers == list(range(STREAM_LENGTH))
    assert max(counts) < STREAM_LENGTH
    assert await goodbyes(port, 3001) == 0
    # Of the outbox next to nothing is used: all that waits is of one bike.
    assert grown_bytes < STALLED_READERS * OUTBOX_LIMIT_BYTES / 2


async def read_to_the_end(reader: socket.socket) -> bytes:
    """Open the window again, and read until the last update has come."""
    loop = asyncio.get_running_loop()
    last = f'"number":{STREAM_LENGTH - 1},'.encode()
    heard = bytearray()
    async with asyncio.timeout(20):
        while last not in heard[-4096:]:
            more = await loop.sock_recv(reader, 2**16)
            assert more, f"closed after {len(heard)} bytes: {heard[-300:]!r}"
            heard += more
    return bytes(heard)
