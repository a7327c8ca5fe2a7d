import contextlib
import itertools
import json
import time
from collections.abc import AsyncIterator
from typing import Any

import msgspec
import pytest

from gateway.app import Gateway
from gateway.identity import KeySet, Role, sign_token
from gateway.settings import Settings
from gateway.sockets.namespace import _published_packet
from protocol import events
from protocol.cursor import Cursor
from tests.toolbox.raw_client import Ended, RawSocket, connect, request

_numbers = itertools.count(1)


@contextlib.asynccontextmanager
async def running(**environ: str) -> AsyncIterator[tuple[Gateway, int]]:
    """A gateway in this process; development, so that nobody needs a token."""
    settings = Settings.from_env({"PACELINE_ENV": "development", "PORT": "0", **environ})
    gateway = Gateway(settings)
    async with gateway.running() as port:
        try:
            yield gateway, port
        finally:
            RawSocket.close_all()


@pytest.fixture
async def port() -> AsyncIterator[int]:
    async with running() as (_, port):
        yield port


async def entered(port: int, packet: str = "40") -> RawSocket:
    peer, answer = await connect(port, packet)
    assert answer.startswith("40{"), answer
    peer.sid = json.loads(answer[2:])["sid"]
    return peer


async def ask(peer: RawSocket, event: str, *arguments: object) -> dict[str, Any]:
    number = next(_numbers)
    peer.say(f"42{number}" + json.dumps([event, *arguments]))
    while not (text := await peer.hear()).startswith(f"43{number}["):
        pass
    answer: dict[str, Any] = json.loads(text[text.index("[") :])[0]
    return answer


async def test_the_acceptance_holds_the_peer_s_id_and_nothing_else(port: int) -> None:
    _, answer = await connect(port)

    assert answer[:2] == "40"
    assert set(json.loads(answer[2:])) == {"sid"}


async def test_an_update_reaches_the_others_verbatim_and_its_author_not_at_all(port: int) -> None:
    author, other = await entered(port), await entered(port)
    for peer in (author, other):
        await ask(peer, "join-room", "r")
    author.say('42["bike-update",{"roomId" :"r", "lat": 48.850, "n":1e2}]')

    assert await other.hear() == '42["bike-updated",{"roomId" :"r", "lat": 48.850, "n":1e2}]'
    assert await author.hear_all(0.1) == []


async def test_an_event_that_spells_its_namespace_out_is_heard(port: int) -> None:
    peer, other = await entered(port), await entered(port)
    await ask(other, "join-room", "r")
    peer.say('42/,17["bike-update",{"roomId":"r"}]')

    assert (await peer.hear()).startswith('4317[{"data":{"roomId":"r","cursor":')
    assert await other.hear() == '42["bike-updated",{"roomId":"r"}]'


async def test_an_ack_tells_what_became_of_an_update_that_was_not_news(port: int) -> None:
    peer = await entered(port)
    update = {"roomId": "r", "bikeId": "1"}
    first = await ask(peer, "bike-update", update, {"idempotencyKey": "k"})
    again = await ask(peer, "bike-update", update, {"idempotencyKey": "k"})

    assert "meta" not in first
    assert again["meta"] == {"outcome": "repeated"}
    assert again["data"] == first["data"]


async def test_nothing_is_answered_where_no_answer_is_wanted(port: int) -> None:
    peer = await entered(port)
    peer.say('42["join-room","r"]', '42["bike-update",{"roomId":"r"}]', '42["no-such-event"]')

    assert await peer.hear_all(0.1) == []
    members = (await ask(peer, "presence", "r"))["data"]["members"]
    assert [member["peerId"] for member in members] == [peer.sid]


async def test_requests_of_one_peer_are_answered_in_their_order(port: int) -> None:
    peer = await entered(port)
    peer.say(
        '421["join-room","r"]',
        '422["presence","r"]',
        '423["leave-room","r"]',
        '424["join-room","r"]',
    )
    answers = [await peer.hear() for _ in range(4)]

    assert [text[:3] for text in answers] == ["431", "432", "433", "434"]
    assert peer.sid in answers[1]


async def test_who_leaves_the_namespace_may_enter_it_again(port: int) -> None:
    peer = await entered(port)
    await ask(peer, "join-room", "r")
    peer.say("41", "40")
    sid = json.loads((await peer.hear())[2:])["sid"]

    assert sid != peer.sid
    assert (await ask(peer, "presence", "r"))["data"]["members"] == []


@pytest.mark.parametrize("text", ["40", "42[]", "44{}", "49"])
async def test_what_a_peer_cannot_mean_ends_its_connection(port: int, text: str) -> None:
    peer = await entered(port)
    peer.say(text)
    await peer.end(2)


async def test_what_is_unreadable_in_the_credentials_is_refused(port: int) -> None:
    _, answer = await connect(port, '40{"token":7}')

    assert answer[:2] == "44"
    assert json.loads(answer[2:])["data"]["code"] == "MALFORMED"


async def test_one_identity_has_no_more_connections_than_it_may() -> None:
    secret = "a-secret-of-more-than-thirty-two-bytes-for-tests"
    limits = {"PACELINE_JWT_SECRET": secret, "PACELINE_CONNECTIONS_PER_IDENTITY_LIMIT": "2"}
    async with running(**limits) as (gateway, port):
        token = _token(secret)
        one, _ = await entered(port, token), await entered(port, token)
        _, refused = await connect(port, token)
        assert json.loads(refused[2:])["data"]["code"] == "TOO_FAST"
        one.close()
        while len(gateway.hub.membership.peers) == 2:
            await request(port, "GET", "/healthz")
        await entered(port, token)


def _token(secret: str) -> str:
    keys = KeySet.of((secret,))
    token = sign_token(
        keys, subject="ada", role=Role.RIDER, now_seconds=time.time(), lifetime_seconds=60
    )
    return f'40{{"token":"{token}"}}'


async def test_at_the_end_everybody_is_told_when_to_come_back() -> None:
    settings = Settings.from_env({"PACELINE_ENV": "development", "PORT": "0"})
    gateway = Gateway(settings)
    async with gateway.running() as port:
        leaving = [await entered(port) for _ in range(5)]
    waits = set()
    for peer in leaving:
        name, goodbye = json.loads((await peer.hear())[2:])
        assert (name, goodbye["code"]) == ("goodbye", 3000)
        waits.add(goodbye["reconnectAfterMs"])
        with pytest.raises(Ended):
            await peer.hear()
        peer.close()

    assert len(waits) > 1, "not all of them at once"
    assert gateway.hub.membership.peers == {}


async def test_nothing_is_left_of_a_peer_that_has_gone() -> None:
    async with running() as (gateway, port):
        peer = await entered(port)
        await ask(peer, "join-room", "r")
        peer.close()
        while gateway.hub.membership.peers or gateway.hub.membership.rooms:
            await request(port, "GET", "/healthz")

        assert gateway.server.engine.sockets == {}
        assert gateway.lobby.entrance._per_identity == {}  # noqa: SLF001 - shows nowhere else


def test_the_usual_answer_is_what_its_class_would_make_of_it() -> None:
    cursor = Cursor("epoch", 7, 8)
    for room in ("city:paris", 'a "quoted" room', "vélo 🚲"):
        packet = _published_packet(b"12", room, cursor)

        told = msgspec.json.decode(packet[len(b"312[") : -1])
        published = msgspec.to_builtins(events.Published(room, str(cursor)))
        assert told == {"data": published}
