"""Whoever floods is told so and let go within two seconds, and nobody else feels it."""

from __future__ import annotations

import asyncio
import contextlib
import json
import time
from collections.abc import Iterator
from pathlib import Path
from statistics import quantiles
from typing import Any, NamedTuple

import jwt
import pytest

from tests.toolbox.gateway_process import GatewayProcess
from tests.toolbox.raw_client import PING, PONG, Ended, RawSocket, connect, masked_frame, request

pytestmark = pytest.mark.journey

FLOOD_PER_SECOND = 10_000
TICK_SECONDS = 0.01
CLOSED_WITHIN_SECONDS = 2.0
BYSTANDER_LIMIT_SECONDS = 0.25
# 10,000 of these a second are a megabyte.
PAYLOAD = json.dumps({"roomId": "city:flood", "vehicle_id": "b1", "note": "x" * 30})
SECRET = "a-secret-that-is-long-enough-for-hs256"


class Flood(NamedTuple):
    """What the flooder heard, and when the end came."""

    acks: list[Any]
    goodbye: dict[str, Any] | None
    seconds: float


@pytest.fixture
def gateway(tmp_path: Path) -> Iterator[GatewayProcess]:
    process = GatewayProcess(tmp_path)
    process.start()
    yield process
    process.kill()


async def _member(port: int, room: str) -> RawSocket:
    peer, _ = await connect(port)
    peer.say(f'420["join-room",{json.dumps(room)}]')
    assert (await peer.hear()).startswith("430[")
    return peer


async def _pour(peer: RawSocket, ended: asyncio.Event) -> None:
    """A steady flood, each message with an ack of its own, until the other side has closed."""
    per_tick = round(FLOOD_PER_SECOND * TICK_SECONDS)
    began_seconds, number = time.monotonic(), 0
    while not ended.is_set():
        texts = (f'42{number + one}["bike-update",{PAYLOAD}]' for one in range(1, per_tick + 1))
        peer.write(b"".join(map(masked_frame, texts)))
        number += per_tick
        due_seconds = began_seconds + number / FLOOD_PER_SECOND
        await asyncio.sleep(max(0.0, due_seconds - time.monotonic()))


async def _flood(peer: RawSocket) -> Flood:
    """Flood until closed, and for no longer than a broken gateway may keep the test waiting."""
    began_seconds, ended = time.monotonic(), asyncio.Event()
    acks: list[Any] = []
    goodbye: dict[str, Any] | None = None
    pouring = asyncio.create_task(_pour(peer, ended))
    with contextlib.suppress(Ended):
        async with asyncio.timeout(3 * CLOSED_WITHIN_SECONDS):
            while True:
                packet = await peer.hear()
                if packet.startswith("43"):
                    acks.append(json.loads(packet[packet.index("[") :])[0])
                elif packet.startswith('42["goodbye"'):
                    goodbye = json.loads(packet[2:])[1]
    ended.set()
    await pouring
    return Flood(acks, goodbye, time.monotonic() - began_seconds)


async def _ask_until(peer: RawSocket, ended: asyncio.Event) -> list[float]:
    """How long each of the bystander's acks took."""
    latencies: list[float] = []
    while not ended.is_set():
        began_seconds = time.monotonic()
        peer.say('421["bike-update",{"roomId":"city:calm","vehicle_id":"b2"}]')
        while not (await peer.hear()).startswith("431["):
            pass
        latencies.append(time.monotonic() - began_seconds)
        await asyncio.sleep(TICK_SECONDS)
    return latencies


def _cpu_seconds(process_id: int) -> float:
    fields = Path(f"/proc/{process_id}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / 100


def _codes(flood: Flood) -> list[str]:
    return [ack["error"]["code"] for ack in flood.acks if "error" in ack]


def _token(role: str) -> str:
    claims = {"sub": f"{role}-1", "role": role, "exp": int(time.time()) + 600}
    return jwt.encode(claims, SECRET, algorithm="HS256")


async def test_a_flood_is_refused_then_ended_and_a_bystander_does_not_feel_it(
    gateway: GatewayProcess,
) -> None:
    flooder = await _member(gateway.port, "city:flood")
    bystander = await _member(gateway.port, "city:calm")
    ended = asyncio.Event()
    asking = asyncio.create_task(_ask_until(bystander, ended))
    flood = await _flood(flooder)
    await asyncio.sleep(0.5)
    ended.set()
    latencies = await asking

    assert flood.seconds < CLOSED_WITHIN_SECONDS
    assert set(_codes(flood)) == {"TOO_FAST"}
    refusals = [ack["error"] for ack in flood.acks if "error" in ack]
    assert all(refusal["details"]["retryAfterMs"] >= 1 for refusal in refusals)
    assert len(flood.acks) - len(refusals) >= 2000, "the burst is allowed"
    assert flood.goodbye is not None
    assert flood.goodbye["code"] == 3003
    assert flood.goodbye["reconnectAfterMs"] >= 1000
    assert len(latencies) > 20
    assert quantiles(latencies, n=100)[98] < BYSTANDER_LIMIT_SECONDS
    bystander.close()
    flooder.close()


async def test_a_flood_costs_little_of_two_seconds(gateway: GatewayProcess) -> None:
    flooder = await _member(gateway.port, "city:flood")
    before_seconds = _cpu_seconds(gateway.process_id)
    flood = await _flood(flooder)
    await asyncio.sleep(max(0.0, CLOSED_WITHIN_SECONDS - flood.seconds))
    cpu_seconds = _cpu_seconds(gateway.process_id) - before_seconds
    assert cpu_seconds < 0.2 * CLOSED_WITHIN_SECONDS
    flooder.close()


async def test_a_flood_of_packets_that_want_no_answer_is_ended_as_well(
    gateway: GatewayProcess,
) -> None:
    flooder = await _member(gateway.port, "city:flood")
    flooder.write(masked_frame(f'42["bike-update",{PAYLOAD}]') * 4000)
    heard = await flooder.hear_all()
    assert any(packet.startswith('42["goodbye",{"code":3003') for packet in heard)
    flooder.close()


@pytest.mark.parametrize(
    "noise",
    [
        pytest.param(masked_frame(b"here?", PING), id="pings"),
        pytest.param(masked_frame(b"", PONG), id="pongs that nobody asked for"),
        pytest.param(masked_frame("3"), id="pongs of Engine.IO that nobody asked for"),
        pytest.param(masked_frame("", 0, is_final=False) * 200, id="a message without an end"),
    ],
)
async def test_a_flood_that_says_nothing_is_ended_as_well(
    gateway: GatewayProcess, noise: bytes
) -> None:
    flooder = await _member(gateway.port, "city:flood")
    flooder.write(masked_frame("4", is_final=False) if noise[0] == 0 else b"")
    began_seconds, heard = time.monotonic(), asyncio.create_task(flooder.hear_all(1))
    while not heard.done() and time.monotonic() - began_seconds < CLOSED_WITHIN_SECONDS:
        flooder.write(noise * 100)
        await asyncio.sleep(TICK_SECONDS)

    assert any(packet.startswith('42["goodbye",{"code":3003') for packet in await heard)
    flooder.close()


async def test_leaving_and_joining_the_namespace_is_no_way_to_a_fresh_burst(
    gateway: GatewayProcess,
) -> None:
    flooder = await _member(gateway.port, "city:flood")
    began_seconds = time.monotonic()
    flooder.write((masked_frame("41") + masked_frame("40")) * 3000)
    await flooder.end()
    assert time.monotonic() - began_seconds < CLOSED_WITHIN_SECONDS
    flooder.close()


async def test_coming_back_is_no_way_to_a_fresh_burst(tmp_path: Path) -> None:
    gateway = GatewayProcess(tmp_path, PACELINE_JWT_SECRET=SECRET)
    gateway.start()
    hello = "40" + json.dumps({"token": _token("rider")})
    try:
        flooder, _ = await connect(gateway.port, hello)
        flood = await _flood(flooder)
        assert flood.goodbye is not None
        again, answer = await connect(gateway.port, hello)
        assert answer.startswith('40{"sid"')
        second = await _flood(again)
        assert len(second.acks) - len(_codes(second)) < 1000
        flooder.close()
        again.close()
    finally:
        gateway.kill()


async def test_a_rider_that_slows_down_when_told_is_kept(tmp_path: Path) -> None:
    gateway = GatewayProcess(
        tmp_path, PACELINE_MESSAGES_PER_SECOND_PER_PEER="20", PACELINE_MESSAGES_BURST_PER_PEER="5"
    )
    gateway.start()
    try:
        rider = await _member(gateway.port, "city:calm")
        accepted = refused = 0
        while accepted < 20:
            rider.say('427["bike-update",{"roomId":"city:calm","vehicle_id":"b3"}]')
            answer = json.loads((await rider.hear())[3:])[0]
            if "error" in answer:
                refused += 1
                await asyncio.sleep(answer["error"]["details"]["retryAfterMs"] / 1000)
            else:
                accepted += 1
        assert 10 <= refused <= 40
        rider.close()
    finally:
        gateway.kill()


async def test_joins_beyond_their_allowance_are_put_off(tmp_path: Path) -> None:
    gateway = GatewayProcess(
        tmp_path, PACELINE_JOINS_PER_SECOND_PER_PEER="2", PACELINE_JOINS_BURST_PER_PEER="3"
    )
    gateway.start()
    try:
        rider = await _member(gateway.port, "city:0")
        answers = []
        for number in range(1, 6):
            rider.say(f'428["join-room","city:{number}"]')
            answers.append(json.loads((await rider.hear())[3:])[0])
        codes = [answer.get("error", {}).get("code") for answer in answers]
        assert codes == [None, None, "TOO_FAST", "TOO_FAST", "TOO_FAST"]
        wait_ms = answers[-1]["error"]["details"]["retryAfterMs"]
        assert 0 < wait_ms <= 500
        await asyncio.sleep(wait_ms / 1000)
        rider.say('428["join-room","city:5"]')
        assert '"data"' in await rider.hear()
        rider.close()
    finally:
        gateway.kill()


async def test_a_backend_is_not_slowed_down(tmp_path: Path) -> None:
    gateway = GatewayProcess(
        tmp_path,
        PACELINE_JWT_SECRET=SECRET,
        PACELINE_MESSAGES_PER_SECOND_PER_PEER="20",
        PACELINE_MESSAGES_BURST_PER_PEER="5",
    )
    gateway.start()
    try:
        hello = "40" + json.dumps({"token": _token("service")})
        depot, answer = await connect(gateway.port, hello)
        assert answer.startswith('40{"sid"')
        depot.say(*(f'42{n}["bike-update",{PAYLOAD}]' for n in range(500)))
        acks = [packet for packet in await depot.hear_all() if packet.startswith("43")]
        assert len(acks) == 500
        assert not [ack for ack in acks if "error" in ack]
        depot.close()
    finally:
        gateway.kill()


async def test_handshakes_beyond_the_allowance_of_an_address_are_put_off(tmp_path: Path) -> None:
    gateway = GatewayProcess(
        tmp_path,
        PACELINE_HANDSHAKES_PER_SECOND_PER_ADDRESS="1",
        PACELINE_HANDSHAKES_BURST_PER_ADDRESS="5",
        PACELINE_TRUSTED_PROXIES="127.0.0.0/8",
    )
    gateway.start()
    target = "/socket.io/?EIO=4&transport=polling"
    try:
        hasty = {"X-Forwarded-For": "192.0.2.1"}
        answers = [await request(gateway.port, "GET", target, None, hasty) for _ in range(10)]
        assert [answer.status for answer in answers[:5]] == [200] * 5
        assert {answer.status for answer in answers[5:]} == {429}
        assert int(answers[-1].headers["retry-after"]) >= 1
        other = {"X-Forwarded-For": "192.0.2.2"}
        assert (await request(gateway.port, "GET", target, None, other)).status == 200
    finally:
        gateway.kill()
