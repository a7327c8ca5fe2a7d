"""This module owns strangers: clients of a real gateway that do not behave, by seed."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import json
from collections.abc import Awaitable, Callable
from functools import partial
from random import Random
from typing import Final

from tests.fuzz.mutation import mutated
from tests.fuzz.sessions import damaged_packets, damaged_stream, pieces_of
from tests.fuzz.targets import TOKENS
from tests.toolbox.raw_client import OPENING, Ended, RawPoller, RawSocket, masked_frame, request
from tests.toolbox.strict_gateway import RIDER

# What a stranger may run into: that it is shown the door, or hears what it does not understand.
_EXPECTED: Final = (OSError, TimeoutError, EOFError, AssertionError, ValueError, IndexError, Ended)
_VISIT_LIMIT_SECONDS: Final = 8.0
_ROOM_TARGET: Final = "/api/rooms/city%3Aparis/events"
_HTTP: Final = (
    b"GET /socket.io/?EIO=4&transport=polling HTTP/1.1\r\nHost: x\r\n\r\n",
    OPENING,
    b"POST /api/rooms/r/events HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer "
    + RIDER.encode()
    + b'\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n{"eve\r\n0\r\n\r\n',
    b"OPTIONS /socket.io/ HTTP/1.1\r\nHost: x\r\nOrigin: http://x\r\nContent-Length: 9\r\n\r\n",
)


async def visit(port: int, random: Random) -> str:
    """One stranger comes, does what the seed says, and goes; its kind."""
    kind = random.choice(list(_KINDS))
    with contextlib.suppress(*_EXPECTED):
        async with asyncio.timeout(_VISIT_LIMIT_SECONDS):
            await _KINDS[kind](port, random)
    return kind


async def _come_by_websocket(port: int, random: Random) -> None:
    peer = await RawSocket.open(port)
    try:
        for piece in pieces_of(random, damaged_stream(random, damaged_packets(random))):
            peer.write(piece)
            await asyncio.sleep(0)
        await peer.hear_all(random.choice((0.0, 0.02, 0.1)))
        await _leave(peer, random)
    finally:
        peer.close()


async def _leave(peer: RawSocket, random: Random) -> None:
    manner = random.randrange(4)
    if manner == 0:
        peer.write(masked_frame(b"\x03\xe8", 8))
        await peer.hear_all(0.05)
    elif manner == 1:
        await asyncio.sleep(random.choice((0.0, 0.0, 0.5)))  # and not a word
    elif manner == 2:
        peer.say("1")


async def _come_by_polling(port: int, random: Random) -> None:
    poller = await RawPoller.open(port)
    payload = _payload_of(random)
    calls: list[Callable[[], Awaitable[object]]] = []
    for _ in range(random.randint(1, 3)):
        calls.append(partial(poller.post, payload))
        if random.random() < 0.5:
            calls.append(poller.get)
    if random.random() < 0.2:
        await asyncio.gather(*(call() for call in calls), return_exceptions=True)
    else:
        for call in calls:
            with contextlib.suppress(*_EXPECTED):
                await asyncio.wait_for(call(), 0.3)
    if random.random() < 0.5:
        await poller.post(b"1")


def _payload_of(random: Random) -> bytes:
    parts = [
        b"b" + base64.b64encode(packet) if is_binary else packet
        for packet, is_binary in damaged_packets(random)
    ]
    payload = b"\x1e".join(parts)
    return mutated(random, payload, parts, TOKENS) if random.random() < 0.2 else payload


async def _come_by_upgrade(port: int, random: Random) -> None:
    poller = await RawPoller.open(port)
    packets = damaged_packets(random)
    before = random.randint(0, len(packets))
    if before:
        await poller.post(b"\x1e".join(packet for packet, _ in packets[:before]))
    poll = asyncio.create_task(poller.get())
    peers: list[RawSocket] = []
    try:
        for _ in range(random.choice((1, 1, 1, 2))):
            peer = await RawSocket.open(port, query=f"&sid={poller.sid}")
            peers.append(peer)
        steps = [b"2probe", b"5", *(packet for packet, _ in packets[before:])]
        if random.random() < 0.3:
            steps = random.sample(steps, len(steps))
        for step in steps:
            random.choice(peers).say(step)
            await asyncio.sleep(0)
        await peers[-1].hear_all(0.03)
    finally:
        poll.cancel()
        await asyncio.gather(poll, return_exceptions=True)
        for peer in peers:
            peer.close()


async def _come_by_bytes(port: int, random: Random) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        data = mutated(random, random.choice(_HTTP), _HTTP, TOKENS)
        if random.random() < 0.3:
            data += damaged_stream(random, damaged_packets(random))
        for piece in pieces_of(random, data):
            writer.write(piece)
            await asyncio.sleep(0)
        await asyncio.wait_for(reader.read(4096), 0.1)
    finally:
        writer.transport.abort()


async def _publish_over_http(port: int, random: Random) -> None:
    seeds = [
        json.dumps({"event": "bike-update", "data": {"bike_id": "b", "lat": 1, "lon": 2}}).encode(),
        json.dumps([{"event": "note", "data": None}, {"event": "connect"}]).encode(),
    ]
    body = mutated(random, random.choice(seeds), seeds, TOKENS)
    token = mutated(random, RIDER.encode(), seeds, TOKENS) if random.random() < 0.2 else RIDER
    text = token.decode("ascii", "ignore") if isinstance(token, bytes) else token
    headers = {"Authorization": f"Bearer {text}", "Content-Type": "application/json"}
    await request(port, "POST", _ROOM_TARGET, body, headers)


_KINDS: Final[dict[str, Callable[[int, Random], Awaitable[None]]]] = {
    "websocket": _come_by_websocket,
    "polling": _come_by_polling,
    "upgrade": _come_by_upgrade,
    "bytes": _come_by_bytes,
    "http": _publish_over_http,
}
