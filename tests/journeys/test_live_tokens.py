"""A token ends while its socket is open: a warning, a refresh in place, or a goodbye on time."""

from __future__ import annotations

import asyncio
import itertools
import json
import time
from collections.abc import Iterator
from typing import Any

import pytest

from gateway.identity import Grants, KeySet, Role, sign_token
from tests.toolbox.gateway_process import GatewayProcess
from tests.toolbox.issuer import Issuer
from tests.toolbox.raw_client import Ended, RawSocket, connect

pytestmark = pytest.mark.journey

SECRET = "a-secret-of-more-than-thirty-two-bytes-for-tests-alone"
WARNING_SECONDS = 1
# A new key is asked for at most once in so long, counted from the last time that keys were read.
JWKS_RETRY_SECONDS = 30.0
_numbers = itertools.count(1)


class IssuersGateway:
    """A gateway that asks an issuer for its keys, and when it last may have done so."""

    def __init__(self, gateway: GatewayProcess, issuer: Issuer) -> None:
        self.gateway, self.issuer = gateway, issuer
        self.started_seconds = time.monotonic()


# Started first of all, because its keys have to be half a minute old before a new one is asked for.
@pytest.fixture(scope="module", autouse=True)
def issuers_gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[IssuersGateway]:
    issuer = Issuer()
    issuer.rotate("spring")
    process = GatewayProcess(
        tmp_path_factory.mktemp("issuer"), PACELINE_ENV="production", PACELINE_JWKS_URL=issuer.url
    )
    process.start()
    yield IssuersGateway(process, issuer)
    process.kill()
    issuer.close()


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[GatewayProcess]:
    process = GatewayProcess(
        tmp_path_factory.mktemp("gateway"),
        PACELINE_ENV="production",
        PACELINE_JWT_SECRET=SECRET,
        PACELINE_JWT_LEEWAY_SECONDS="0",
        PACELINE_TOKEN_WARNING_SECONDS=str(WARNING_SECONDS),
        LOG_LEVEL="DEBUG",
    )
    process.start()
    yield process
    process.kill()


def token_of(lifetime_seconds: float, subject: str = "ada", grants: Grants | None = None) -> str:
    return sign_token(
        KeySet.of((SECRET,)),
        subject=subject,
        role=Role.RIDER,
        now_seconds=time.time(),
        lifetime_seconds=lifetime_seconds,
        grants=grants,
    )


async def entered(port: int, token: str) -> RawSocket:
    peer, answer = await connect(port, f'40{{"token":"{token}"}}')
    assert answer.startswith("40{"), answer
    return peer


async def ask(peer: RawSocket, event: str, argument: object) -> dict[str, Any]:
    number = next(_numbers)
    peer.say(f"42{number}" + json.dumps([event, argument]))
    while not (text := await peer.hear()).startswith(f"43{number}["):
        pass
    answer: dict[str, Any] = json.loads(text[text.index("[") :])[0]
    return answer


async def events_until_the_end(peer: RawSocket) -> list[tuple[float, str, Any]]:
    """`(when, name, argument)` of everything that comes until the server closes."""
    heard: list[tuple[float, str, Any]] = []
    while True:
        try:
            text = await peer.hear()
        except Ended:
            heard.append((time.time(), "closed", None))
            return heard
        heard.append((time.time(), *json.loads(text[2:])))


async def test_who_answers_the_warning_with_the_same_token_is_not_warned_again(
    gateway: GatewayProcess,
) -> None:
    token = token_of(WARNING_SECONDS)
    peer = await entered(gateway.port, token)
    assert (await peer.hear()).startswith('42["token-expiring"')
    await ask(peer, "authenticate", {"token": token})
    heard = [name for _, name, _ in await events_until_the_end(peer)]

    assert heard == ["goodbye", "closed"]


async def test_an_expiring_token_is_announced_and_its_end_is_the_end(
    gateway: GatewayProcess,
) -> None:
    token = token_of(3)
    peer, source = await entered(gateway.port, token), await entered(gateway.port, token_of(60))
    await ask(peer, "join-room", "r")
    ending = asyncio.create_task(events_until_the_end(peer))
    while not ending.done():
        await ask(source, "bike-update", {"roomId": "r"})
        await asyncio.sleep(0.05)
    heard = [event for event in ending.result() if event[1] != "bike-updated"]
    warned, goodbye, _ = heard
    expires_seconds = warned[2]["expiresAtMs"] / 1000

    assert [name for _, name, _ in heard] == ["token-expiring", "goodbye", "closed"]
    assert warned[0] - expires_seconds == pytest.approx(-WARNING_SECONDS, abs=0.6)
    assert goodbye[2] == {"code": 3002, "reason": "the token has expired"}
    assert 0 <= goodbye[0] - expires_seconds < 1.0
    assert len(ending.result()) > 20, "it was served until then"
    again, answer = await connect(gateway.port, f'40{{"token":"{token}"}}')
    assert json.loads(answer[2:])["data"]["code"] == "TOKEN_EXPIRED"
    again.close()
    assert token not in gateway.log


async def test_a_new_token_in_time_keeps_everything_as_it_was(gateway: GatewayProcess) -> None:
    peer, source = (
        await entered(gateway.port, token_of(3)),
        await entered(gateway.port, token_of(60)),
    )
    await ask(peer, "join-room", "r")
    warned = json.loads((await peer.hear())[2:])
    assert warned[0] == "token-expiring"
    fresh = token_of(60)
    answer = await ask(peer, "authenticate", {"token": fresh})
    while time.time() * 1000 < warned[1]["expiresAtMs"] + 1000:  # noqa: ASYNC110 - no event tells of it
        await asyncio.sleep(0.05)
    await ask(source, "bike-update", {"roomId": "r", "number": 1})

    assert answer["data"]["subject"] == "ada"
    assert answer["data"]["expiresAtMs"] > warned[1]["expiresAtMs"] + 50_000
    assert await peer.hear() == '42["bike-updated",{"roomId": "r", "number": 1}]'
    assert fresh not in gateway.log


async def test_a_token_that_ends_earlier_than_the_old_one_ends_earlier(
    gateway: GatewayProcess,
) -> None:
    peer = await entered(gateway.port, token_of(3600))
    await ask(peer, "authenticate", {"token": token_of(2)})
    heard = await events_until_the_end(peer)

    assert [name for _, name, _ in heard] == ["token-expiring", "goodbye", "closed"]
    assert heard[1][2]["code"] == 3002


async def test_a_token_with_fewer_rooms_takes_the_others_away(gateway: GatewayProcess) -> None:
    peer, source = (
        await entered(gateway.port, token_of(60)),
        await entered(gateway.port, token_of(60)),
    )
    for room in ("city:paris", "city:berlin"):
        await ask(peer, "join-room", room)
    narrow = token_of(60, grants=Grants(join=("city:paris",)))
    peer.say("420" + json.dumps(["authenticate", {"token": narrow}]))
    reset, answer = await peer.hear(), await peer.hear()
    for room in ("city:berlin", "city:paris"):
        await ask(source, "bike-update", {"roomId": room})

    assert json.loads(reset[2:]) == ["room-reset", {"roomId": "city:berlin", "reason": "forbidden"}]
    assert '"data"' in answer
    assert "city:paris" in await peer.hear()
    assert await peer.hear_all(0.2) == []


async def test_somebody_else_s_token_changes_nothing(gateway: GatewayProcess) -> None:
    peer = await entered(gateway.port, token_of(60))
    refused = await ask(peer, "authenticate", {"token": token_of(60, subject="eve")})

    assert refused["error"]["code"] == "FORBIDDEN"
    assert "data" in await ask(peer, "join-room", "r")


async def test_a_rotated_key_is_fetched_and_nobody_hears_anything_meanwhile(
    issuers_gateway: IssuersGateway,
) -> None:
    port, issuer = issuers_gateway.gateway.port, issuers_gateway.issuer
    source = await entered(port, issuer.token("source"))
    listener = await entered(port, issuer.token("listener"))
    await ask(listener, "join-room", "r")
    issuer.rotate("autumn")
    left_seconds = issuers_gateway.started_seconds + JWKS_RETRY_SECONDS + 1 - time.monotonic()
    await asyncio.sleep(max(0.0, left_seconds))
    issuer.may_answer.clear()
    issuer.was_asked.clear()
    pending, hasty = await RawSocket.open(port), await RawSocket.open(port)
    for peer in (pending, hasty):
        await peer.hear()
        peer.say(f'40{{"token":"{issuer.token("newcomer")}"}}')
    await asyncio.to_thread(issuer.was_asked.wait, 5)
    hasty.say('42["join-room","r"]')
    await hasty.end(2)
    await ask(source, "bike-update", {"roomId": "r", "number": 1})
    assert "bike-updated" in await listener.hear()
    assert await pending.hear_all(0.5) == [], "not let in yet, it hears nothing"
    issuer.may_answer.set()

    assert (await pending.hear()).startswith("40{")
    assert "data" in await ask(pending, "join-room", "r")
    await ask(source, "bike-update", {"roomId": "r", "number": 2})
    assert json.loads((await pending.hear())[2:])[1]["number"] == 2
    assert "Traceback" not in issuers_gateway.gateway.log
