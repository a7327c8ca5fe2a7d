from __future__ import annotations

import asyncio
import contextlib
import itertools
import json
from collections.abc import AsyncIterator, Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from gateway.app import Gateway
from gateway.broker.contract import BrokerUnavailable, History
from gateway.broker.memory_sessions import MemorySessions
from gateway.broker.sessions import Record
from gateway.identity import Grants
from gateway.settings import Settings
from gateway.sockets.recovery import _key_of
from protocol.cursor import Cursor
from tests.gateway.broker.worker import eventually
from tests.toolbox.raw_client import Ended, RawSocket, connect
from tests.toolbox.strict_gateway import SECRET, token_of

ANN, BEN = token_of("ann"), token_of("ben")
NARROW_ANN = token_of("ann", grants=Grants(join=("a",)))
_numbers = itertools.count(1)


class Peer(NamedTuple):
    socket: RawSocket
    sid: str
    pid: str | None

    async def ask(self, event: str, argument: object) -> dict[str, Any]:
        number = next(_numbers)
        self.socket.say(f"42{number}" + json.dumps([event, argument]))
        while not (text := await self.socket.hear()).startswith(f"43{number}["):
            pass
        answer: dict[str, Any] = json.loads(text[text.index("[") :])[0]
        return answer

    async def events(self, quiet_seconds: float = 0.1) -> list[list[Any]]:
        return [json.loads(text[2:]) for text in await self.socket.hear_all(quiet_seconds)]


@contextlib.asynccontextmanager
async def running(folder: Path, **environ: str) -> AsyncIterator[tuple[Gateway, int]]:
    config = folder / "rooms.toml"
    config.write_text('[[room]]\npattern = "social"\npresence = true\n')
    common = {"PORT": "0", "HOST": "127.0.0.1", "PACELINE_CONFIG": str(config)}
    gateway = Gateway(Settings.from_env({**common, "PACELINE_JWT_SECRET": SECRET, **environ}))
    async with gateway.running() as port:
        try:
            yield gateway, port
        finally:
            RawSocket.close_all()


@pytest.fixture
async def gateway(tmp_path: Path) -> AsyncIterator[tuple[Gateway, int]]:
    async with running(tmp_path) as pair:
        yield pair


@pytest.fixture
def port(gateway: tuple[Gateway, int]) -> int:
    return gateway[1]


async def enter(port: int, token: str = ANN, **auth: object) -> Peer:
    body = json.dumps({"token": token, "recover": True, **auth})
    socket, answer = await connect(port, f"40{body}")
    assert answer.startswith("40{"), answer
    accepted = json.loads(answer[2:])
    return Peer(socket, accepted["sid"], accepted.get("pid"))


def results_of(gateway: Gateway) -> dict[str, int]:
    return {name: count for name, count in gateway.metrics.recoveries.items() if count}


async def test_only_who_asks_gets_a_secret_and_no_two_get_the_same(port: int) -> None:
    first, second = await enter(port), await enter(port)

    assert (await enter(port, recover=False)).pid is None
    assert first.pid is not None
    assert len(first.pid) == 24
    assert first.pid != second.pid


async def test_without_a_token_whoever_has_the_secret_is_the_same_again(tmp_path: Path) -> None:
    async with running(tmp_path, PACELINE_ENV="development", PACELINE_JWT_SECRET="") as (_, port):
        socket, answer = await connect(port, '40{"recover":true}')
        accepted = json.loads(answer[2:])
        socket.close()
        _, answer = await connect(port, f'40{{"recover":true,"pid":"{accepted["pid"]}"}}')

        assert json.loads(answer[2:]) == accepted


async def test_it_is_off_where_no_time_is_given_for_it(tmp_path: Path) -> None:
    async with running(tmp_path, PACELINE_RECOVERY_SECONDS="0") as (gateway, port):
        peer = await enter(port)
        again = await enter(port, pid="A" * 24, offset="x")

        assert (peer.pid, again.pid) == (None, None)
        assert results_of(gateway) == {}


async def test_the_acceptance_comes_first_then_what_was_missed_but_not_one_s_own(
    gateway: tuple[Gateway, int],
) -> None:
    (running_gateway, port), author = gateway, await enter(gateway[1], BEN)
    peer = await enter(port)
    await peer.ask("join-room", "a")
    peer.socket.say('42["bike-update",{"roomId":"a","own":1}]')
    await author.ask("bike-update", {"roomId": "a", "number": 1})
    ((_, _, offset),) = await peer.events()
    peer.socket.close()
    await author.ask("bike-update", {"roomId": "a", "number": 2})
    again = await enter(port, pid=peer.pid, offset=offset)

    assert (again.sid, again.pid) == (peer.sid, peer.pid)
    assert [event[:2] for event in await again.events()] == [
        ["bike-updated", {"roomId": "a", "number": 2}]
    ]
    assert results_of(running_gateway) == {"recovered": 1}


async def test_nobody_hears_of_a_peer_that_is_taken_over_from(port: int) -> None:
    watcher, peer = await enter(port, BEN), await enter(port)
    await watcher.ask("join-room", "social")
    await peer.ask("join-room", "social")
    ((joined, *_),) = await watcher.events()
    assert joined == "member-joined"
    again = await enter(port, pid=peer.pid)

    assert again.sid == peer.sid
    with pytest.raises(Ended):
        await peer.socket.hear()
    assert await watcher.events() == []
    members = (await watcher.ask("presence", "social"))["data"]["members"]
    assert [member["peerId"] for member in members] == [watcher.sid, peer.sid]


async def test_two_that_come_back_at_once_leave_one(gateway: tuple[Gateway, int]) -> None:
    running_gateway, port = gateway
    peer = await enter(port)
    await peer.ask("join-room", "a")
    peers = await asyncio.gather(
        *(enter(port, pid=peer.pid) for _ in range(5)), return_exceptions=True
    )

    assert {each.sid for each in peers if isinstance(each, Peer)} == {peer.sid}
    await asyncio.sleep(0.05)
    assert list(running_gateway.hub.membership.peers) == [peer.sid]


async def test_who_leaves_its_own_way_cannot_come_back(gateway: tuple[Gateway, int]) -> None:
    running_gateway, port = gateway
    peer = await enter(port)
    peer.socket.say("41")
    await peer.socket.hear_all(0.05)
    again = await enter(port, pid=peer.pid)

    assert again.sid != peer.sid
    assert again.pid != peer.pid
    assert results_of(running_gateway) == {"unknown": 1}


async def test_the_secret_of_another_subject_opens_nothing_and_disturbs_nobody(
    gateway: tuple[Gateway, int],
) -> None:
    running_gateway, port = gateway
    peer = await enter(port)
    await peer.ask("join-room", "a")
    thief = await enter(port, BEN, pid=peer.pid)

    assert thief.sid != peer.sid
    assert results_of(running_gateway) == {"unknown": 1}
    answer = await peer.ask("presence", "a")
    assert [member["peerId"] for member in answer["data"]["members"]] == [peer.sid]


async def test_what_is_kept_of_a_peer_outlasts_a_return_that_is_broken_off_halfway(
    gateway: tuple[Gateway, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    running_gateway, port = gateway
    peer, rooms = await enter(port), ["a", "b", "c"]
    for room in rooms:
        await peer.ask("join-room", room)
    peer.socket.close()
    broker, is_halfway, may_go_on = running_gateway.broker, asyncio.Event(), asyncio.Event()
    history_of = broker.history

    async def history(room: str, since: Cursor) -> History | None:
        if room == "b":
            is_halfway.set()
            await may_go_on.wait()
        return await history_of(room, since)

    monkeypatch.setattr(broker, "history", history)
    coming_back = asyncio.create_task(enter(port, pid=peer.pid))
    await is_halfway.wait()
    await running_gateway.lobby._recovery._office.renew()  # noqa: SLF001 - as it does by itself
    for connection in list(running_gateway.server.engine.sockets.values()):
        connection.close()
    may_go_on.set()
    with pytest.raises(Ended):
        await coming_back
    again = await enter(port, pid=peer.pid)

    assert again.sid == peer.sid
    assert sorted(running_gateway.hub.membership.peers[again.sid].subscriptions) == rooms
    assert results_of(running_gateway) == {"abandoned": 1, "recovered": 1}


async def test_who_was_elsewhere_in_vain_takes_over_from_itself_here(
    gateway: tuple[Gateway, int],
) -> None:
    running_gateway, port = gateway
    peer = await enter(port)
    await peer.ask("join-room", "a")
    assert peer.pid is not None
    sessions, membership = running_gateway.between.sessions, running_gateway.hub.membership
    assert await sessions.claim(_key_of(peer.pid), "subject ann", "another worker.1") is not None
    again = await enter(port, pid=peer.pid)

    assert again.sid == peer.sid
    with pytest.raises(Ended):
        await peer.socket.hear()
    assert membership.rooms["a"].count == 1
    again.socket.close()
    await eventually(lambda: not membership.peers)
    assert not membership.rooms


async def test_who_may_not_be_in_a_room_any_more_begins_anew(
    gateway: tuple[Gateway, int],
) -> None:
    running_gateway, port = gateway
    peer = await enter(port)
    await peer.ask("join-room", "a")
    await peer.ask("join-room", "b")
    again = await enter(port, NARROW_ANN, pid=peer.pid)

    assert again.sid != peer.sid
    assert results_of(running_gateway) == {"forbidden": 1}
    with pytest.raises(Ended):
        await peer.socket.hear()
    await asyncio.sleep(0.05)
    assert list(running_gateway.hub.membership.peers) == [again.sid]
    assert (await again.ask("presence", "a"))["data"]["members"] == []


async def test_one_room_that_cannot_be_continued_is_the_end_of_all(
    gateway: tuple[Gateway, int],
) -> None:
    running_gateway, port = gateway
    peer, other = await enter(port), await enter(port, BEN)
    await peer.ask("join-room", "a")
    await peer.ask("join-room", "b")
    peer.socket.close()
    for number in range(1001):  # one more than the history of a room holds
        other.socket.say(f'42["bike-update",{{"roomId":"b","number":{number}}}]')
    await other.ask("presence", "a")
    again = await enter(port, pid=peer.pid)

    assert again.sid != peer.sid
    assert results_of(running_gateway) == {"discontinued": 1}
    assert await again.events() == []
    for room in ("a", "b"):
        assert (await again.ask("presence", room))["data"]["members"] == []


@pytest.mark.parametrize(
    ("pid", "offset"),
    [
        ("", None),
        ("short", None),
        ("x" * 60_000, None),
        ("x" * 23 + "\n", None),
        (7, None),
        ({"pid": []}, None),
        ("A" * 24, None),
        (None, "nonsense"),
        (None, 7),
        (None, ["e.1.00000000"]),
        (None, "A" * 50_000),
        (None, ",".join(["AAAAAA:e.1.00000000"] * 2_500)),
        (None, f"AAAAAA:e.{10**30}.00000000"),
    ],
)
async def test_nonsense_makes_somebody_new(
    gateway: tuple[Gateway, int], pid: object, offset: object
) -> None:
    running_gateway, port = gateway
    peer = await enter(port)
    await peer.ask("join-room", "a")
    peer.socket.close()
    again = await enter(port, pid=pid if pid is not None else peer.pid, offset=offset)

    assert again.sid != peer.sid
    assert again.pid is not None
    assert results_of(running_gateway) in ({"unknown": 1}, {"invalid": 1})
    assert (await again.ask("join-room", "a"))["data"]["roomId"] == "a"


@pytest.mark.parametrize(
    "change",
    [
        lambda cursor: f"{cursor.split('.')[0]}.{10**15}.00000000",  # the future
        lambda cursor: f"other.{cursor.split('.', 1)[1]}",
        lambda cursor: f"{cursor.rsplit('.', 1)[0]}.12345678",  # a history that never was
    ],
)
async def test_a_place_that_never_was_is_not_gone_on_from(
    gateway: tuple[Gateway, int], change: Callable[[str], str]
) -> None:
    running_gateway, port = gateway
    peer, author = await enter(port), await enter(port, BEN)
    await peer.ask("join-room", "a")
    await author.ask("bike-update", {"roomId": "a", "number": 1})
    ((_, _, offset),) = await peer.events()
    name, _, cursor = offset.partition(":")
    peer.socket.close()
    again = await enter(port, pid=peer.pid, offset=f"{name}:{change(cursor)}")

    assert again.sid != peer.sid
    assert results_of(running_gateway) == {"discontinued": 1}


async def test_an_earlier_place_brings_no_more_than_the_room_s_own_history(port: int) -> None:
    peer, author = await enter(port), await enter(port, BEN)
    await author.ask("bike-update", {"roomId": "a", "number": 1})
    joined = await peer.ask("join-room", "a")
    await author.ask("bike-update", {"roomId": "a", "number": 2})
    ((_, _, offset),) = await peer.events()
    epoch = joined["data"]["cursor"].split(".")[0]
    peer.socket.close()
    again = await enter(port, pid=peer.pid, offset=f"{offset[:6]}:{epoch}.0.00000000")

    assert again.sid == peer.sid
    assert [event[1]["number"] for event in await again.events()] == [2], "from its join on"


async def test_a_secret_is_in_no_log(
    gateway: tuple[Gateway, int], capfd: pytest.CaptureFixture[str]
) -> None:
    peer = await enter(gateway[1])
    await enter(gateway[1], pid=peer.pid)
    await enter(gateway[1], BEN, pid=peer.pid)
    written = capfd.readouterr()

    assert peer.pid is not None
    assert peer.pid not in written.out + written.err


class AwaySessions(MemorySessions):
    is_away = False

    async def save(self, entries: Sequence[tuple[str, Record]]) -> list[str]:
        self._check()
        return await super().save(entries)

    async def claim(self, key: str, holder: str, keeper: str) -> Record | None:
        self._check()
        return await super().claim(key, holder, keeper)

    def _check(self) -> None:
        if self.is_away:
            raise BrokerUnavailable


async def test_who_cannot_be_looked_up_now_is_cut_off_to_try_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gateway.backends.MemorySessions", AwaySessions)
    async with running(tmp_path) as (running_gateway, port):
        peer = await enter(port)
        await peer.ask("join-room", "a")
        peer.socket.close()
        monkeypatch.setattr(AwaySessions, "is_away", True)
        socket = await RawSocket.open(port)
        await socket.hear()
        socket.say("40" + json.dumps({"token": ANN, "recover": True, "pid": peer.pid}))
        with pytest.raises(Ended):
            await socket.hear()
        joining = await enter(port)
        assert (await joining.ask("join-room", "a"))["error"]["code"] == "UNAVAILABLE"
        monkeypatch.setattr(AwaySessions, "is_away", False)

        assert (await enter(port, pid=peer.pid)).sid == peer.sid
        assert results_of(running_gateway) == {"unavailable": 1, "recovered": 1}
