"""Over real connections: whoever joins, leaves, is cut off and comes back sees all once, in order.

A gateway in a process of its own; members with both official clients on every transport, whose
lines are cut; publishers over sockets and HTTP; and the judge of the records, which knows nothing
of any of them. Everything but time is made from a seed, which a failure names.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from random import Random

import aiohttp
import pytest
import socketio

from tests.journeys.checker import Accepted, Entry, Joined, Reset, Told, mistakes_of
from tests.journeys.wanderers import LAST_WORD, Ledger, News, Publisher, Wanderer, records_of
from tests.toolbox import programs
from tests.toolbox.gateway_process import GatewayProcess
from tests.toolbox.relay import Relay, relay_to
from tests.toolbox.riders import RiderProcess

pytestmark = pytest.mark.journey

LIVELY_SECONDS = 2.5
QUIET_SECONDS = 10.0
PRESENCE_ROOM, SHORT_ROOM = "ride:7", "city:short"
ROOMS = [PRESENCE_ROOM, SHORT_ROOM, "city:paris"]
HISTORY_LENGTHS = {SHORT_ROOM: 30}
KINDS = f"""
[[room]]
pattern = "ride:*"
presence = true

[[room]]
pattern = "{SHORT_ROOM}"
history_length = {HISTORY_LENGTHS[SHORT_ROOM]}
"""
DEFAULT, POLLING, WEBSOCKET = ["polling", "websocket"], ["polling"], ["websocket"]
TRANSPORTS = [WEBSOCKET, WEBSOCKET, POLLING, DEFAULT]
JAVASCRIPT_TRANSPORTS = ["default", "polling", "websocket"]


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[GatewayProcess]:
    folder = tmp_path_factory.mktemp("gateway")
    (folder / "rooms.toml").write_text(KINDS)
    # python-engineio goes on polling when it can send no more; an unanswered ping ends it
    pings = {"PACELINE_PING_INTERVAL_SECONDS": "1", "PACELINE_PING_TIMEOUT_SECONDS": "1.5"}
    process = GatewayProcess(folder, PACELINE_CONFIG=str(folder / "rooms.toml"), **pings)
    process.start()
    yield process
    process.kill()


class Scene:
    """Everybody, from one seed."""

    def __init__(self, gateway: GatewayProcess, folder: Path, seed: int, rooms: list[str]) -> None:
        self._gateway, self._folder = gateway, folder
        self.dice = Random(seed)  # noqa: S311 - it has to repeat itself, not to keep a secret
        self.rooms = rooms
        self.ledger = Ledger()
        self._news = News(self.dice)
        self.publisher = Publisher(self.ledger, self._news, self.dice)
        self.members: list[Wanderer] = []
        self.riders: dict[str, RiderProcess] = {}
        self.relays: list[Relay] = []
        self._stack = contextlib.AsyncExitStack()

    @contextlib.asynccontextmanager
    async def set_up(self) -> AsyncIterator[None]:
        """Bring everybody in; the witness is in every room before anything happens there."""
        async with self._stack:
            self._session = await self._stack.enter_async_context(aiohttp.ClientSession())
            self.witness = await self._wanderer(WEBSOCKET)
            for room in self.rooms:
                await self.witness.join(await self.witness.connect(), room)
            await self._heard_by_witness(Joined)
            self.members = [await self._wanderer(transports) for transports in TRANSPORTS]
            for transports in JAVASCRIPT_TRANSPORTS:
                self.riders[transports] = self._stack.enter_context(
                    RiderProcess(
                        self._folder / f"{transports}.jsonl",
                        str(programs.node()),
                        "wandering-client.mjs",
                        (await self._relay()).url,
                        transports,
                        str(self.dice.randrange(2**31)),
                        *self.rooms,
                    )
                )
            yield

    async def _relay(self) -> Relay:
        relay = await self._stack.enter_async_context(relay_to(self._gateway.port))
        self.relays.append(relay)
        return relay

    async def _wanderer(self, transports: list[str]) -> Wanderer:
        relay = await self._relay()
        member = Wanderer(self._session, relay, transports, Random(self.dice.random()))  # noqa: S311 - the same
        self._stack.push_async_callback(member.close)
        return member

    async def _heard_by_witness(self, kind: type[Entry]) -> None:
        async with asyncio.timeout(QUIET_SECONDS):
            while not all(  # noqa: ASYNC110 - no event tells of it
                any(isinstance(entry, kind) for entry in self.witness.records[room])
                for room in self.rooms
            ):
                await asyncio.sleep(0.01)

    async def be_lively(self, seconds: float) -> None:
        """Everybody does what everybody does, for so long."""
        async with asyncio.TaskGroup() as publishing:
            tasks = [
                publishing.create_task(work)
                for work in (
                    self.publisher.post_forever(self._session, self._gateway.url, self.rooms),
                    self._publish_forever(POLLING),
                    self._publish_forever(WEBSOCKET),
                    self._cut_forever(),
                )
            ]
            async with asyncio.TaskGroup() as living:
                for member in self.members:
                    living.create_task(member.live(self.rooms, self.ledger, self._news, seconds))
            self.publisher.may_publish.clear()
            await self.ledger.settled()
            for task in tasks:
                task.cancel()

    async def _publish_forever(self, transports: list[str]) -> None:
        client = socketio.AsyncClient(reconnection=False, http_session=self._session)
        await client.connect(self._gateway.url, transports=transports)
        try:
            await self.publisher.publish_forever(client, self.rooms)
        finally:
            await client.disconnect()

    async def _cut_forever(self) -> None:
        """Members with JavaScript do not cut their own lines."""
        while True:
            await asyncio.sleep(self.dice.random() * 0.8)
            self.dice.choice(self.relays[-len(self.riders) :]).cut()

    async def come_to_rest(self) -> None:
        """Everybody is everywhere, and hears the last word."""
        for rider in self.riders.values():
            rider.tell("stay")
        await asyncio.gather(*(member.stay(self.rooms) for member in self.members))
        async with asyncio.timeout(QUIET_SECONDS):
            while not all(  # noqa: ASYNC110 - no event tells of it
                any("staying" in line for line in rider.lines()) for rider in self.riders.values()
            ):
                await asyncio.sleep(0.05)
        client = await self.witness.connect()
        for room in self.rooms:
            request = {"roomId": room, "event": LAST_WORD, "data": {"roomId": room}}
            answer = await client.call("publish", request)
            author = client.get_sid()
            self.ledger.add(room, LAST_WORD, {"roomId": room}, answer["data"]["cursor"], author)
        # Who never hears it is for the judge to tell.
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(QUIET_SECONDS):
                rooms = self.rooms
                while not all(map(self._has_heard_the_last_word, self.readings(*rooms))):  # noqa: ASYNC110 - no event tells of it
                    await asyncio.sleep(0.05)

    @staticmethod
    def _has_heard_the_last_word(reading: list[Entry]) -> bool:
        return any(isinstance(entry, Told) and entry.name == LAST_WORD for entry in reading)

    # ---- what came of it

    def readings(self, *rooms: str, merged: bool | None = None) -> list[list[Entry]]:
        """The records of all members in some rooms; with `merged`, of one sort of them."""
        of_members = [(member.is_merged, member.records) for member in self.members] + [
            (transports != "websocket", records_of(rider.lines()))
            for transports, rider in self.riders.items()
        ]
        return [
            list(records.get(room, ()))
            for is_merged, records in of_members
            for room in rooms
            if merged in {None, is_merged}
        ]

    def accepted(self, room: str) -> list[Accepted]:
        for rider in self.riders.values():
            for line in rider.lines():
                if "accepted" in line and line["room"] == room:
                    self.ledger.add(
                        room, "bike-update", line["accepted"], line["cursor"], line["author"]
                    )
        return self.ledger.complete(room, self.witness.records[room])

    def mistakes(self) -> list[str]:
        """Every broken promise in any room."""
        found = []
        for room in self.rooms:
            accepted, length = self.accepted(room), HISTORY_LENGTHS.get(room, 1000)
            prompt = [self.witness.records[room], *self.readings(room, merged=False)]
            mistakes = mistakes_of(accepted, prompt, history_length=length)
            slow = self.readings(room, merged=True)
            mistakes += mistakes_of(accepted, slow, history_length=length, may_be_merged=True)
            found += [f"{room}: {mistake}" for mistake in mistakes]
        return found


@pytest.mark.parametrize("seed", range(4))
async def test_members_that_come_and_go_see_everything_once_and_in_order(
    gateway: GatewayProcess, tmp_path: Path, seed: int
) -> None:
    scene = Scene(gateway, tmp_path, seed, [f"{room} {seed}" for room in ROOMS])
    async with scene.set_up():
        await scene.be_lively(LIVELY_SECONDS)
        await scene.come_to_rest()
        found = scene.mistakes()
        assert found == []
        entries = [entry for reading in scene.readings(*scene.rooms) for entry in reading]
    assert sum(map(len, scene.ledger.accepted.values())) > 100, "much was published"
    assert sum(isinstance(entry, Joined) for entry in entries) > len(scene.rooms), "many came"
    assert not any(isinstance(entry, Reset) for entry in entries)
