"""The unmodified official JavaScript client finds itself recovered, whatever it was that cut it off.

In Node's own server these are the cases that fail: no event received yet, a quiet client, a
connection that the server still takes for alive, a server that was killed.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path

import pytest

from tests.toolbox import programs
from tests.toolbox.gateway_process import GatewayProcess
from tests.toolbox.raw_client import connect, request
from tests.toolbox.relay import Relay, relay_to
from tests.toolbox.riders import Line, RiderProcess
from tests.toolbox.strict_gateway import ask

pytestmark = pytest.mark.journey

TIMEOUT_SECONDS = 20.0
PARIS, LYON = ROOMS = ("city:paris", "city:lyon")
TRANSPORTS = ["websocket", "polling", "default"]


class Rider:
    """One client behind a relay, and what it has printed."""

    def __init__(self, process: RiderProcess) -> None:
        self._process = process
        self._connections = 0

    async def lines(self, kind: str, is_enough: Callable[[list[Line]], bool]) -> list[Line]:
        """All lines of a kind, as soon as they are enough."""
        async with asyncio.timeout(TIMEOUT_SECONDS):
            while not is_enough(lines := [each for each in self._process.lines() if kind in each]):
                await asyncio.sleep(0.02)
        return lines

    async def joined(self, count: int = len(ROOMS)) -> str:
        """In its rooms, for the first time; its id."""
        await self.lines("joined", lambda lines: len(lines) == count)
        connected = await self.connected()
        assert connected["recovered"] is False
        return str(connected["connected"])

    async def connected(self) -> Line:
        """Connected once more than when this was last asked."""
        lines = await self.lines("connected", lambda lines: len(lines) > self._connections)
        self._connections += 1
        assert len(lines) == self._connections
        return lines[-1]

    async def cut_off(self, relay: Relay) -> None:
        """Lose its connection: on polling there are moments without any."""
        before = sum("disconnected" in line for line in self._process.lines())
        async with asyncio.timeout(TIMEOUT_SECONDS):
            while sum("disconnected" in line for line in self._process.lines()) == before:
                relay.cut()
                await asyncio.sleep(0.02)

    async def told(self, count: int) -> list[object]:
        """What came with so many events, each with an offset behind it."""
        lines = await self.lines("event", lambda lines: len(lines) >= count)
        lines = [line for line in lines if line["event"] == "news"]
        assert all(len(line["received"]) == 2 for line in lines)
        assert all(isinstance(line["received"][1], str) for line in lines)
        return [line["received"][0] for line in lines]

    def tell(self, line: str) -> None:
        """Command it."""
        self._process.tell(line)


@pytest.fixture
async def gateway(tmp_path: Path) -> AsyncIterator[GatewayProcess]:
    process = GatewayProcess(tmp_path)
    process.start()
    yield process
    process.kill()


@pytest.fixture
async def relay(gateway: GatewayProcess) -> AsyncIterator[Relay]:
    async with relay_to(gateway.port) as relay:
        yield relay


@contextlib.contextmanager
def riding(
    relay: Relay, folder: Path, transports: str, rooms: tuple[str, ...] = ROOMS
) -> Iterator[Rider]:
    program = [str(programs.node()), "returning-client.mjs"]
    command = [*program, relay.url, transports, *rooms]
    with RiderProcess(folder / "rider.jsonl", *command) as process:
        yield Rider(process)


async def publish(gateway: GatewayProcess, room: str, *news: object) -> None:
    """The news are strings in places: their readers must not take them for offsets."""
    for each in news:
        body = json.dumps({"event": "news", "data": each}).encode()
        headers = {"Content-Type": "application/json"}
        answer = await request(gateway.port, "POST", f"/api/rooms/{room}/events", body, headers)
        assert answer.status == 200, answer


async def members(gateway: GatewayProcess) -> list[str]:
    """Who is in the first room, by id."""
    peer, _ = await connect(gateway.port)
    with contextlib.closing(peer):
        answer = await ask(peer, "presence", PARIS)
    return [member["peerId"] for member in answer["data"]["members"]]


@pytest.mark.parametrize("transports", TRANSPORTS)
async def test_who_has_received_nothing_yet(
    gateway: GatewayProcess, relay: Relay, tmp_path: Path, transports: str
) -> None:
    with riding(relay, tmp_path, transports) as rider:
        peer_id = await rider.joined()
        await rider.cut_off(relay)
        await publish(gateway, PARIS, 1, "two")
        assert await rider.connected() == {"connected": peer_id, "recovered": True}
        await publish(gateway, PARIS, 3)

        assert await rider.told(3) == [1, "two", 3]


@pytest.mark.parametrize("transports", TRANSPORTS)
async def test_who_was_cut_off_again_and_again(
    gateway: GatewayProcess, relay: Relay, tmp_path: Path, transports: str
) -> None:
    with riding(relay, tmp_path, transports) as rider:
        peer_id = await rider.joined()
        for number in range(0, 40, 8):
            await publish(gateway, PARIS, number, str(number + 1))
            await publish(gateway, LYON, number + 2, number + 3)
            await rider.cut_off(relay)
            await publish(gateway, PARIS, number + 4, str(number + 5))
            await publish(gateway, LYON, number + 6, number + 7)
            assert await rider.connected() == {"connected": peer_id, "recovered": True}

        told = [int(str(each)) for each in await rider.told(40)]

        assert sorted(told) == list(range(40))
        for places in ((0, 1, 4, 5), (2, 3, 6, 7)):
            of_room = [number for number in told if number % 8 in places]
            assert of_room == sorted(of_room)


async def test_a_quiet_client_whose_room_has_moved_on(
    gateway: GatewayProcess, relay: Relay, tmp_path: Path
) -> None:
    with riding(relay, tmp_path, "websocket") as rider:
        peer_id = await rider.joined()
        await publish(gateway, PARIS, 0)
        await rider.told(1)
        for number in range(1500):  # more than any room's history holds, where it is not
            await publish(gateway, "city:elsewhere", number)
        await rider.cut_off(relay)
        await publish(gateway, LYON, 1)

        assert await rider.connected() == {"connected": peer_id, "recovered": True}
        assert await rider.told(2) == [0, 1]


@pytest.mark.parametrize("transports", TRANSPORTS)
async def test_who_is_back_before_its_end_was_noticed(
    gateway: GatewayProcess, relay: Relay, tmp_path: Path, transports: str
) -> None:
    with riding(relay, tmp_path, transports) as rider:
        peer_id = await rider.joined()
        await publish(gateway, PARIS, 1)
        await rider.told(1)
        relay.swallow()
        await publish(gateway, PARIS, 2)
        assert await members(gateway) == [peer_id]
        rider.tell("drop")
        await publish(gateway, PARIS, 3)

        assert await rider.connected() == {"connected": peer_id, "recovered": True}
        assert await members(gateway) == [peer_id]
        await publish(gateway, PARIS, 4)
        assert await rider.told(4) == [1, 2, 3, 4]


async def test_who_said_goodbye_is_somebody_new(relay: Relay, tmp_path: Path) -> None:
    with riding(relay, tmp_path, "websocket") as rider:
        peer_id = await rider.joined()
        rider.tell("part")
        again = await rider.connected()

        assert again["recovered"] is False
        assert again["connected"] != peer_id
