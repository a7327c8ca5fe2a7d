"""The unmodified official JavaScript client finds itself recovered, whatever has cut it off.

In Node's own server these are the cases that fail: no event received yet, a quiet client, a
connection that the server still takes for alive, a server that was killed.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import re
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
each_transport = pytest.mark.parametrize("transports", TRANSPORTS)


class Rider:
    """One client behind a relay, and what it has printed."""

    def __init__(self, process: RiderProcess) -> None:
        self._process = process
        self._connections = 0

    async def lines(self, kind: str, is_enough: Callable[[list[Line]], bool]) -> list[Line]:
        """All lines of a kind, as soon as they are enough."""
        async with asyncio.timeout(TIMEOUT_SECONDS):
            while True:
                lines = [each for each in self._process.lines() if kind in each]
                if is_enough(lines):
                    return lines
                await asyncio.sleep(0.02)

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


@each_transport
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


@each_transport
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


@each_transport
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


# ---- two workers over one Redis


@pytest.fixture
async def workers(redis_url: str, tmp_path: Path) -> AsyncIterator[list[GatewayProcess]]:
    processes = [GatewayProcess(tmp_path, REDIS_URL=redis_url) for _ in range(2)]
    for process in processes:
        process.start()
    yield processes
    for process in processes:
        process.kill()


@pytest.fixture
async def balancer(workers: list[GatewayProcess]) -> AsyncIterator[Relay]:
    """Leads to the first of them until told otherwise."""
    async with relay_to(workers[0].port) as relay:
        yield relay


@each_transport
async def test_whose_worker_was_killed(
    workers: list[GatewayProcess], balancer: Relay, tmp_path: Path, transports: str
) -> None:
    first, second = workers
    with riding(balancer, tmp_path, transports) as rider:
        peer_id = await rider.joined()
        await publish(first, PARIS, 1)
        await publish(second, LYON, 2)
        await rider.told(2)
        first.kill()
        await publish(second, PARIS, 3)
        balancer.server_port = second.port
        assert await rider.connected() == {"connected": peer_id, "recovered": True}
        await publish(second, LYON, 4)

        assert await rider.told(4) == [1, 2, 3, 4]
        assert await members(second) == [peer_id]


async def test_whose_worker_was_killed_before_anything_was_received(
    workers: list[GatewayProcess], balancer: Relay, tmp_path: Path
) -> None:
    first, second = workers
    with riding(balancer, tmp_path, "websocket") as rider:
        peer_id = await rider.joined()
        first.kill()
        await publish(second, PARIS, 1)
        balancer.server_port = second.port

        assert await rider.connected() == {"connected": peer_id, "recovered": True}
        assert await rider.told(1) == [1]


@each_transport
async def test_whose_only_worker_was_restarted(
    workers: list[GatewayProcess], balancer: Relay, tmp_path: Path, transports: str
) -> None:
    first, second = workers
    with riding(balancer, tmp_path, transports) as rider:
        peer_id = await rider.joined()
        await publish(first, PARIS, 1)
        await rider.told(1)
        assert first.stop() == 0
        await publish(second, PARIS, 2)
        first.start()

        assert await rider.connected() == {"connected": peer_id, "recovered": True}
        assert await rider.told(2) == [1, 2]


@each_transport
async def test_who_is_on_another_worker_before_the_first_has_noticed(
    workers: list[GatewayProcess], balancer: Relay, tmp_path: Path, transports: str
) -> None:
    first, second = workers
    with riding(balancer, tmp_path, transports) as rider:
        peer_id = await rider.joined()
        await publish(first, PARIS, 1)
        await rider.told(1)
        balancer.swallow()
        balancer.server_port = second.port
        await publish(second, PARIS, 2)
        rider.tell("drop")
        assert await rider.connected() == {"connected": peer_id, "recovered": True}
        await publish(first, PARIS, 3)

        assert await rider.told(3) == [1, 2, 3]
        assert await peers_of(first) == 0, "it has let go"
        assert await members(second) == [peer_id]


async def peers_of(gateway: GatewayProcess) -> int:
    """How many peers a worker has, as soon as it has none, or too many for too long."""
    deadline = asyncio.get_running_loop().time() + 5
    while True:
        text = (await request(gateway.port, "GET", "/metrics")).body.decode()
        (count,) = re.findall(r"^paceline_peers (\d+)", text, re.MULTILINE)
        if count == "0" or asyncio.get_running_loop().time() > deadline:
            return int(count)
        await asyncio.sleep(0.02)
