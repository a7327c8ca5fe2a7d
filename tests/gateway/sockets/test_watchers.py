"""The namespace `/ops`, of a gateway with its database and its Redis-less broker."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from gateway.app import Gateway
from gateway.identity import Identity, KeySet, Role, sign_token
from gateway.removals import Removal
from gateway.settings import Settings
from gateway.sockets.entrance import ENTRIES_LIMIT
from protocol.refusals import Goodbye
from tests.toolbox.raw_client import Ended, RawSocket

SECRET = "a-secret-of-thirty-two-bytes-or-more"


def token_of(subject: str = "olga", role: Role = Role.OPERATOR, seconds: float = 600) -> str:
    return sign_token(
        KeySet.of([SECRET]),
        subject=subject,
        role=role,
        now_seconds=time.time(),
        lifetime_seconds=seconds,
    )


class House:
    """A gateway in this process, and sockets to it."""

    def __init__(self, gateway: Gateway, port: int) -> None:
        self.gateway = gateway
        self._port = port

    async def connect(self, auth: object) -> tuple[RawSocket, str]:
        """Ask to be let into `/ops`; the socket, and the answer."""
        socket = await RawSocket.open(self._port)
        await socket.hear()
        socket.say(f"40/ops,{json.dumps(auth)}")
        return socket, await socket.hear()

    async def watch(self, seconds: float = 600) -> RawSocket:
        socket, answer = await self.connect({"token": token_of(seconds=seconds)})
        assert answer.startswith('40/ops,{"sid":')
        return socket


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[House]:
    settings = Settings.from_env(
        {
            "PACELINE_JWT_SECRET": SECRET,
            "HOST": "127.0.0.1",
            "PORT": "0",
            "DATABASE_URL": f"sqlite:///{tmp_path}/users.db",
            "PACELINE_JWT_LEEWAY_SECONDS": "0",
            "PACELINE_DRAIN_SECONDS": "0",
        }
    )
    gateway = Gateway(settings)
    async with gateway.running() as port:
        yield House(gateway, port)
        RawSocket.close_all()


async def event(socket: RawSocket, name: str) -> Any:  # noqa: ANN401 - whatever it carries
    """The next event of that name."""
    while True:
        text = await socket.hear()
        if text.startswith(f'42/ops,["{name}"'):
            return json.loads(text.removeprefix("42/ops,"))[1]


async def ack(socket: RawSocket, name: str, *arguments: object) -> Any:  # noqa: ANN401 - the same
    socket.say(f"42/ops,7{json.dumps([name, *arguments])}")
    while not (text := await socket.hear()).startswith("43/ops,7"):
        pass
    (answer,) = json.loads(text.removeprefix("43/ops,7"))
    return answer


async def test_an_operator_is_told_of_the_worker_again_and_again(house: House) -> None:
    socket = await house.watch()
    first, second = await event(socket, "report"), await event(socket, "report")

    (line,) = second["workers"]
    assert line["workerId"] == second["toldBy"] == house.gateway.worker_id
    assert (line["state"], line["connections"], line["isStoreWell"]) == ("accepting", 1, True)
    assert line["broker"] == {
        "kind": "embedded",
        "isWell": True,
        "silentSeconds": None,
        "waiting": 0,
    }
    assert second["atMs"] > first["atMs"]


@pytest.mark.parametrize(
    ("auth", "code"),
    [
        ({"token": token_of(role=Role.VIEWER)}, "FORBIDDEN"),
        ({"token": token_of(role=Role.SERVICE)}, "FORBIDDEN"),
        ({"token": "nonsense"}, "TOKEN_INVALID"),
        ({"token": 5}, "MALFORMED"),
        ({}, "UNAUTHENTICATED"),
    ],
)
async def test_nobody_else_is_let_in(house: House, auth: object, code: str) -> None:
    socket, answer = await house.connect(auth)
    refused = json.loads(answer.removeprefix("44/ops,"))

    assert refused["data"]["code"] == code
    assert house.gateway.metrics.refusals[code] == 1
    assert list(house.gateway.operations.watchers.present()) == []
    socket.close()


async def test_nobody_may_try_tokens_for_ever_on_one_connection(house: House) -> None:
    socket, _ = await house.connect({})
    for _ in range(ENTRIES_LIMIT):
        socket.say("40/ops,{}")
    heard = [await socket.hear() for _ in range(ENTRIES_LIMIT - 1)]

    assert all("UNAUTHENTICATED" in text for text in heard)
    with pytest.raises(Ended):
        await socket.hear()


async def test_whose_account_is_closed_is_sent_off(house: House) -> None:
    socket = await house.watch()
    (watcher,) = house.gateway.operations.watchers.present()
    assert watcher.identity.subject == "olga"
    gone = house.gateway.verdicts.judge({"olga"}, lambda _: Goodbye.DISABLED)
    goodbye = await event(socket, "goodbye")

    assert gone == [watcher.id]
    assert goodbye == {"code": 3501, "reason": Goodbye.DISABLED.reason}
    assert house.gateway.verdicts.subjects() == set()


async def test_a_token_that_has_expired_ends_the_watching_unless_there_is_a_new_one(
    house: House,
) -> None:
    leaving, staying = await house.watch(seconds=2), await house.watch(seconds=2)
    answer = await ack(staying, "authenticate", {"token": token_of(seconds=600)})
    goodbye = await event(leaving, "goodbye")

    assert answer == {"data": {"subject": "olga"}}
    assert goodbye["code"] == Goodbye.TOKEN_EXPIRED.code
    assert await event(staying, "report")


@pytest.mark.parametrize(
    ("token", "code"),
    [
        (token_of("somebody else"), "FORBIDDEN"),
        (token_of(role=Role.RIDER), "FORBIDDEN"),
        ("nonsense", "TOKEN_INVALID"),
    ],
)
async def test_a_new_token_must_be_of_the_same_operator(
    house: House, token: str, code: str
) -> None:
    socket = await house.watch()

    assert (await ack(socket, "authenticate", {"token": token}))["error"]["code"] == code


async def test_a_room_is_looked_into(house: House) -> None:
    socket = await house.watch()
    look = (await ack(socket, "look", {"roomId": "city:paris"}))["data"]

    assert (look["roomId"], look["members"], look["values"], look["heard"]) == (
        "city:paris",
        [],
        [],
        [],
    )


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        ([], "MALFORMED"),
        ([5], "MALFORMED"),
        ([{"roomId": 5}], "MALFORMED"),
        ([{"roomId": ""}], "MALFORMED"),
        ([{"roomId": "r"}, {}], "MALFORMED"),
        ([{"roomId": "r", "since": "x"}], "INVALID_CURSOR"),
    ],
)
async def test_a_look_that_makes_no_sense_is_refused(
    house: House, arguments: list[object], code: str
) -> None:
    socket = await house.watch()

    assert (await ack(socket, "look", *arguments))["error"]["code"] == code


async def test_when_the_last_one_has_gone_nothing_runs(house: House) -> None:
    socket = await house.watch()
    await event(socket, "report")
    assert isinstance(next(iter(house.gateway.operations.watchers.present())).identity, Identity)
    socket.close()
    async with asyncio.timeout(15):
        while any("_tell_forever" in repr(task) for task in asyncio.all_tasks()):  # noqa: ASYNC110 - it ends by itself
            await asyncio.sleep(0.05)

    assert list(house.gateway.operations.watchers.present()) == []


async def test_who_ends_all_sockets_of_a_subject_ends_these_too(house: House) -> None:
    socket = await house.watch()
    house.gateway.removals.order(Removal(subject="olga"))

    assert (await event(socket, "goodbye"))["code"] == Goodbye.REMOVED.code
