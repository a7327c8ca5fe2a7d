"""The client package against a real gateway: in step, back in step, and nothing published twice."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from gateway.identity import Grants
from tests.toolbox import programs
from tests.toolbox.gateway_process import GatewayProcess
from tests.toolbox.raw_socket import connected
from tests.toolbox.relay import Relay, relay_to
from tests.toolbox.riders import Line, RiderProcess
from tests.toolbox.strict_gateway import EXPIRED, NARROW, RIDER, strict_gateway, token_of

pytestmark = pytest.mark.journey

TIMEOUT_SECONDS = 20.0
SHORT_LIFE_SECONDS = 4.0
KINDS = """
[[room]]
pattern = "short:*"
history_length = 3
"""


class Kit:
    """One program with the client package, told by commands and judged by its lines."""

    def __init__(self, process: RiderProcess, url: str) -> None:
        self._process = process
        self.url = url

    def tell(self, **command: object) -> None:
        self._process.tell(json.dumps(command))

    def lines(self) -> list[Line]:
        return self._process.lines()

    async def until(self, is_enough: Callable[[Line], bool], after: int = 0) -> Line:
        """The first line from the given one on that is enough."""
        async with asyncio.timeout(TIMEOUT_SECONDS):
            while True:
                for line in self.lines()[after:]:
                    if is_enough(line):
                        return line
                await asyncio.sleep(0.02)

    async def until_all(self, count: int, is_one: Callable[[Line], bool]) -> list[Line]:
        """The lines of one sort, once there are so many."""
        async with asyncio.timeout(TIMEOUT_SECONDS):
            while len(found := [line for line in self.lines() if is_one(line)]) < count:  # noqa: ASYNC110 - no event tells of it
                await asyncio.sleep(0.02)
        return found

    async def shown(self, room: str) -> Line:
        before = len(self.lines())
        self.tell(show=room)
        return await self.until(lambda line: line.get("shown") == room, before)

    def states(self, room: str) -> list[str]:
        return [
            line["state"] for line in self.lines() if line.get("room") == room and "state" in line
        ]

    def changes(self, room: str) -> list[Line]:
        return [
            line["change"] for line in self.lines() if line.get("room") == room and "change" in line
        ]


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[GatewayProcess]:
    folder = tmp_path_factory.mktemp("gateway")
    (folder / "rooms.toml").write_text(KINDS)
    process = GatewayProcess(folder, PACELINE_CONFIG=str(folder / "rooms.toml"))
    process.start()
    yield process
    process.kill()


@contextlib.contextmanager
def kit(folder: Path, url: str, **options: object) -> Iterator[Kit]:
    number = len(list(folder.glob("kit-*.jsonl")))
    command = [str(programs.node()), "kit-client.mjs", url, json.dumps(options)]
    with RiderProcess(folder / f"kit-{number}.jsonl", *command) as process:
        yield Kit(process, url)


@pytest.fixture
async def relay(gateway: GatewayProcess) -> AsyncIterator[Relay]:
    async with relay_to(gateway.port) as relay:
        yield relay


async def publish(url: str, room: str, *updates: dict[str, Any]) -> None:
    items = [{"event": "bike-update", "data": update} for update in updates]
    async with (
        aiohttp.ClientSession() as session,
        session.post(f"{url}/api/rooms/{room}/events", json=items) as answer,
    ):
        assert answer.status == 200, await answer.text()


async def truth_of(url: str, room: str) -> list[dict[str, Any]]:
    """What a newcomer is told that the room holds."""
    async with connected(url) as newcomer:
        answer = await newcomer.ask("join-room", json.dumps({"roomId": room, "snapshot": True}))
    snapshot: list[dict[str, Any]] = json.loads(answer)["data"]["snapshot"]
    return snapshot


async def settles_on_the_truth(gateway: GatewayProcess, member: Kit, room: str) -> Line:
    """Wait until a member shows what the room holds; fails with both when it never does."""
    bikes: dict[str, Any] = {}
    stations: dict[str, Any] = {}
    for value in await truth_of(gateway.url, room):
        if "bike_id" in value:
            bikes[value["bike_id"]] = value
        else:
            stations[value["station_id"]] = value
    shown: Line = {}
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(TIMEOUT_SECONDS):
            while (shown.get("bikes"), shown.get("stations")) != (bikes, stations):
                shown = await member.shown(room)
    assert (shown["bikes"], shown["stations"]) == (bikes, stations)
    return shown


async def test_a_room_is_its_snapshot_and_every_change_since(
    gateway: GatewayProcess, tmp_path: Path
) -> None:
    room = "city:patches"
    await publish(
        gateway.url,
        room,
        {"bike_id": "a", "lat": 1, "lon": 2, "bell": {"ding": 1, "dong": 2}},
        {"bike_id": "b", "lat": 3, "lon": 4},
        {"station_id": "s", "num_vehicles_available": 4},
    )
    with kit(tmp_path, gateway.url) as member:
        member.tell(join=room)
        await member.until(lambda line: line.get("join") == room)
        await publish(
            gateway.url,
            room,
            {"bike_id": "a", "lat": 1.5, "lon": None, "bell": {"ding": 3}},
            {"bike_id": "b", "op": "remove"},
            {"bike_id": "c", "note": "new"},
            {"station_id": "s", "num_vehicles_available": 3},
        )
        shown = await settles_on_the_truth(gateway, member, room)
        changes = member.changes(room)

    assert shown["bikes"]["a"] == {"roomId": room, "bike_id": "a", "lat": 1.5, "bell": {"ding": 3}}
    assert [(change["type"], change.get("id")) for change in changes] == [
        ("replace", None),
        ("set", "a"),
        ("delete", "b"),
        ("set", "c"),
        ("set", "s"),
    ]
    assert changes[1]["before"]["lon"] == 2
    assert changes[2]["reason"] == "removed"
    assert member.states(room) == ["joining", "live"]


async def test_a_member_that_was_away_gets_what_it_missed_once_and_in_order(
    gateway: GatewayProcess, relay: Relay, tmp_path: Path
) -> None:
    room = "city:gap"
    with kit(tmp_path, relay.url) as member:
        member.tell(join=room)
        await member.until(lambda line: line.get("join") == room)
        for number in range(60):
            await publish(gateway.url, room, {"bike_id": str(number % 7), "number": number})
            if number in {20, 40}:
                relay.is_up = False
                relay.cut()
            if number in {30, 50}:
                relay.is_up = True
        await settles_on_the_truth(gateway, member, room)
        numbers = [
            change["value"]["number"] for change in member.changes(room) if change["type"] == "set"
        ]
        states = member.states(room)

    assert numbers == list(range(60)), "each once, in order"
    assert states[:2] == ["joining", "live"]
    assert set(states[2:]) == {"recovering", "live"}, "it never had to begin anew"
    assert states[-1] == "live"


async def test_a_member_that_was_away_for_too_long_begins_anew(
    gateway: GatewayProcess, relay: Relay, tmp_path: Path
) -> None:
    room = "short:history"
    await publish(gateway.url, room, {"bike_id": "gone", "lat": 1}, {"bike_id": "stays", "lat": 1})
    with kit(tmp_path, relay.url) as member:
        member.tell(join=room)
        await member.until(lambda line: line.get("join") == room)
        relay.is_up = False
        relay.cut()
        await member.until(lambda line: line.get("state") == "recovering")
        await publish(gateway.url, room, {"bike_id": "gone", "op": "remove"})
        await publish(gateway.url, room, *({"bike_id": "stays", "lat": lat} for lat in range(9)))
        relay.is_up = True
        await member.until(lambda line: line.get("state") == "resnapshot")
        shown = await settles_on_the_truth(gateway, member, room)

    assert list(shown["bikes"]) == ["stays"]
    assert member.states(room) == ["joining", "live", "recovering", "resnapshot", "live"]


async def test_what_is_published_without_a_connection_arrives_once_and_in_order(
    gateway: GatewayProcess, relay: Relay, tmp_path: Path
) -> None:
    room = "city:tunnel"
    with kit(tmp_path, gateway.url) as witness, kit(tmp_path, relay.url) as rider:
        witness.tell(join=room)
        rider.tell(join=room)
        for each in (witness, rider):
            await each.until(lambda line: line.get("join") == room)
        for number in range(120):
            rider.tell(update={"bike_id": "7", "number": number}, **{"in": room})
            if number in {30, 70, 100}:
                # what is under way is lost, and nobody knows whether before or behind the gateway
                await asyncio.sleep(0.02)
                relay.is_up = False
                relay.cut()
                await rider.until(lambda line: line.get("connection") == "offline")
            if number in {50, 80, 110}:
                relay.is_up = True
        await rider.until_all(120, lambda line: "done" in line and "update" in line)
        shown = await rider.shown(room)
        heard = [change for change in witness.changes(room) if change["type"] == "set"]

    assert [change["value"]["number"] for change in heard] == list(range(120))
    assert shown["waiting"] == 0
    assert shown["bikes"]["7"]["number"] == 119, "the author's own map shows its own bike"


async def test_only_so_many_publications_wait(relay: Relay, tmp_path: Path) -> None:
    relay.is_up = False
    with kit(tmp_path, relay.url, outboxLimit=3) as rider:
        for number in range(5):
            rider.tell(update={"bike_id": "7", "number": number}, **{"in": "city:bound"})
        failed = await rider.until_all(2, lambda line: "failed" in line)
        shown = await rider.shown("city:bound")

    assert [line["update"]["number"] for line in failed] == [0, 1], "the oldest make room"
    assert shown["waiting"] == 3


async def test_an_application_s_own_events_arrive(gateway: GatewayProcess, tmp_path: Path) -> None:
    room = "city:talk"
    with kit(tmp_path, gateway.url) as hearer, kit(tmp_path, gateway.url) as sayer:
        hearer.tell(join=room)
        await hearer.until(lambda line: line.get("join") == room)
        sayer.tell(publish="ride-started", data={"rider": "anna"}, **{"in": room})
        heard = await hearer.until(lambda line: "event" in line)

    assert (heard["event"], heard["data"]) == ("ride-started", {"rider": "anna"})


# ---- tokens


@pytest.fixture(scope="module")
def strict(tmp_path_factory: pytest.TempPathFactory) -> Iterator[GatewayProcess]:
    process = strict_gateway(tmp_path_factory.mktemp("strict"))
    process.start()
    yield process
    process.kill()


async def test_a_no_is_told_with_its_code(strict: GatewayProcess, tmp_path: Path) -> None:
    with kit(tmp_path, strict.url, token=NARROW) as narrow, kit(tmp_path, strict.url) as nobody:
        narrow.tell(join="city:paris")
        narrow.tell(join="depot:1")
        narrow.tell(update={"bike_id": "1"}, **{"in": "city:rome"})
        nobody.tell(join="city:paris")
        forbidden = await narrow.until(lambda line: "failed" in line and "join" in line)
        unpublished = await narrow.until(lambda line: "failed" in line and "update" in line)
        allowed = await narrow.until(lambda line: "done" in line)
        refused = await nobody.until(lambda line: "failed" in line)
        closed = await nobody.until(lambda line: line.get("connection") == "closed")

    assert (forbidden["join"], forbidden["code"]) == ("depot:1", "FORBIDDEN")
    assert unpublished["code"] == "FORBIDDEN"
    assert allowed["join"] == "city:paris"
    assert refused["code"] == "UNAUTHENTICATED"
    assert closed["reason"]


async def test_a_fresh_token_takes_the_place_of_an_expired_one(
    strict: GatewayProcess, tmp_path: Path
) -> None:
    short = token_of("rider", lifetime_seconds=SHORT_LIFE_SECONDS, grants=Grants())
    with kit(tmp_path, strict.url, tokens=[EXPIRED, short, RIDER]) as member:
        member.tell(join="city:paris")
        await member.until(lambda line: line.get("join") == "city:paris" and "done" in line)
        await asyncio.sleep(SHORT_LIFE_SECONDS + 2)  # no event tells that nothing has happened
        shown = await member.shown("city:paris")
        goodbyes = [line for line in member.lines() if "goodbye" in line]

    assert shown["state"] == "live"
    assert goodbyes == [], "the token was replaced before its end"


async def test_without_a_fresh_token_the_connection_ends_and_says_so(
    strict: GatewayProcess, tmp_path: Path
) -> None:
    short = token_of("rider", lifetime_seconds=SHORT_LIFE_SECONDS)
    with kit(tmp_path, strict.url, token=short) as member:
        member.tell(join="city:paris")
        await member.until(lambda line: line.get("join") == "city:paris" and "done" in line)
        closed = await member.until(lambda line: line.get("connection") == "closed")
        goodbye = await member.until(lambda line: "goodbye" in line)
        member.tell(join="city:paris")
        again = await member.until(
            lambda line: line.get("join") == "city:paris" and "failed" in line
        )
        shown = await member.shown("city:paris")

    assert goodbye["goodbye"]["code"] == 3002
    assert closed["reason"] == goodbye["goodbye"]["reason"]
    assert "closed" in again["failed"]
    assert shown["state"] == "left"
