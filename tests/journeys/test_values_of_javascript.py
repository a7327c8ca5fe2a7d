"""What a backend may publish, and a page in JavaScript can read: its client stays connected."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from tests.conftest import StartGateway
from tests.toolbox import programs
from tests.toolbox.raw_client import request
from tests.toolbox.riders import Line, RiderProcess, wait_for_lines
from tests.toolbox.siege import publish, until
from tests.toolbox.strict_gateway import gauges

pytestmark = pytest.mark.journey

VALUES = {
    "NaN": (b"NaN", 400),
    "infinity": (b"Infinity", 400),
    "minus infinity": (b"-Infinity", 400),
    "more than a double holds": (b"1e999", 400),
    "half a character": (rb'"\ud800"', 400),
    "half a character in a name": (rb'{"\udc00":1}', 400),
    "a placeholder": (b'{"_placeholder":true,"num":0}', 400),
    "a placeholder far out": (b'{"_placeholder":true,"num":1e9}', 400),
    "a placeholder in disguise": (rb'{"\u005fplaceholder":true,"num":0}', 400),
    "a prototype": (b'{"__proto__":{"x":1},"constructor":1}', 200),
    "separators of lines": ('"\u2028\u2029\ufeff"'.encode(), 200),
    "a separator of packets": (rb'"\u001e"', 200),
}


@pytest.mark.parametrize("transport", ["websocket", "polling"])
async def test_no_published_value_ends_a_javascript_client(
    start_gateway: StartGateway, tmp_path: Path, transport: str
) -> None:
    gateway = start_gateway()
    room = f"city:{transport}"
    command = (str(programs.node()), "four-line-client.mjs", gateway.url, transport, "Ada", room)

    async def is_in() -> bool:
        return (await gauges(gateway.port))["paceline_rooms"] == 1

    with RiderProcess(tmp_path / "rider.jsonl", *command) as rider:
        await asyncio.to_thread(wait_for_lines, [rider], bool, 20)
        await until(is_in, 10)
        for number, (value, status) in enumerate(VALUES.values()):
            assert await status_of(gateway.port, room, b"e", value) == status, value
            bike = b'{"bikeId":"b%d","value":%b}' % (number, value)  # of one only the last comes
            assert await status_of(gateway.port, room, b"bike-update", bike) == status, value
        last = {"event": "bike-update", "data": {"bikeId": "the last", "number": 1}}
        await publish(gateway.port, room, [last])
        await asyncio.to_thread(wait_for_lines, [rider], has_heard_the_last, 10)
    heard = [line["received"] for line in rider.lines() if "received" in line]
    assert len(heard) == 1 + sum(status == 200 for _, status in VALUES.values())
    assert [line for line in rider.lines() if "disconnected" in line or "error" in line] == []


def has_heard_the_last(lines: list[Line]) -> bool:
    return any(line.get("received", {}).get("bikeId") == "the last" for line in lines)


async def status_of(port: int, room: str, event: bytes, data: bytes) -> int:
    """What the HTTP door says to one event."""
    body = b'{"event":"%b","data":%b}' % (event, data)
    headers = {"Content-Type": "application/json"}
    return (await request(port, "POST", f"/api/rooms/{room}/events", body, headers)).status
