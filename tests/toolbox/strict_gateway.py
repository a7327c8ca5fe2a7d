"""This module owns a gateway that strangers do their worst to, and what must be true afterwards."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import json
import re
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

from gateway.identity import Grants, KeySet, Role, sign_token
from tests.toolbox.gateway_process import GatewayProcess
from tests.toolbox.raw_client import RawSocket, connect, request

SECRET = "a-secret-of-more-than-thirty-two-bytes-for-tests-alone"
LIMIT_BYTES = 65_536
SOON_SECONDS = 3.0
BACK_TO_BASE_SECONDS = 5.0
_GAUGES = ("paceline_peers", "paceline_rooms", "paceline_connections", "paceline_tasks")
_numbers = itertools.count(1)


def token_of(
    subject: str,
    role: Role = Role.RIDER,
    lifetime_seconds: float = 3600,
    grants: Grants | None = None,
) -> str:
    return sign_token(
        KeySet.of((SECRET,)),
        subject=subject,
        role=role,
        now_seconds=time.time(),
        lifetime_seconds=lifetime_seconds,
        grants=grants,
    )


BYSTANDER = token_of("bystander")
RIDER = token_of("rider")
NARROW = token_of("narrow", grants=Grants(join=("city:*",), publish=("city:paris",)))
VIEWER = token_of("viewer", Role.VIEWER)
EXPIRED = token_of("expired", lifetime_seconds=-3600)


def strict_gateway(folder: Path) -> GatewayProcess:
    """Production, tokens required, and the short limits that let a test be short; not started."""
    return GatewayProcess(
        folder,
        PACELINE_ENV="production",
        PACELINE_JWT_SECRET=SECRET,
        PACELINE_RUN_JOBS="never",  # they come and go, and so do their tasks
        PACELINE_CONNECT_TIMEOUT_SECONDS="1",
        PACELINE_UPGRADE_TIMEOUT_SECONDS="1",
        PACELINE_ROOMS_PER_PEER_LIMIT="5",
        PACELINE_OUTBOX_LIMIT_BYTES="500000",
        # What holds without it must hold; how fast a peer may go has tests of its own.
        PACELINE_MESSAGES_PER_SECOND_PER_PEER="0",
        PACELINE_BYTES_PER_SECOND_PER_PEER="0",
        PACELINE_JOINS_PER_SECOND_PER_PEER="0",
        LOG_LEVEL="DEBUG",
    )


async def entered(port: int, token: str = RIDER) -> RawSocket:
    """A peer that was let in."""
    peer, answer = await connect(port, f'40{{"token":"{token}"}}')
    assert answer.startswith("40{"), answer
    peer.sid = json.loads(answer[2:])["sid"]
    return peer


async def ask(peer: RawSocket, event: str, argument: object) -> dict[str, Any]:
    """Emit, and return what the ack holds."""
    number = next(_numbers)
    peer.say(f"42{number}" + json.dumps([event, argument]))
    while not (text := await peer.hear()).startswith(f"43{number}["):
        pass
    answer: dict[str, Any] = json.loads(text[text.index("[") :])[0]
    return answer


async def gauges(port: int) -> dict[str, float]:
    text = (await request(port, "GET", "/metrics")).body.decode()
    return {name: float(re.findall(rf"^{name} (\S+)$", text, re.MULTILINE)[0]) for name in _GAUGES}


async def is_back_at(port: int, before: dict[str, float]) -> bool:
    """No more of anything than there was: requests just answered may have been among the tasks."""
    now = await gauges(port)
    return all(now[name] <= before[name] for name in before)


def _sockets_of(gateway: GatewayProcess) -> int:
    """How many it has open. Not all descriptors: the pool of the database opens files by need."""
    opened = Path(f"/proc/{gateway.process_id}/fd").iterdir()
    return sum(_target_of(each).startswith("socket:") for each in opened)


def _target_of(descriptor: Path) -> str:
    try:
        return str(descriptor.readlink())
    except FileNotFoundError:  # closed while we looked
        return ""


async def memory_bytes(port: int) -> float:
    text = (await request(port, "GET", "/metrics")).body.decode()
    return float(re.findall(r"^process_resident_memory_bytes (\S+)$", text, re.MULTILINE)[0])


async def goodbyes(port: int, code: int) -> float:
    text = (await request(port, "GET", "/metrics")).body.decode()
    name = rf'^paceline_goodbyes_total\{{code="{code}"\}} (\S+)$'
    return float(re.findall(name, text, re.MULTILINE)[0])


@contextlib.asynccontextmanager
async def watched(gateway: GatewayProcess) -> AsyncIterator[int]:
    """The gateway's port; what a test did to it is looked at when the test is over."""
    port = gateway.port
    canary, source = await entered(port, BYSTANDER), await entered(port, BYSTANDER)
    await ask(canary, "join-room", "canary")
    before, log_before = await gauges(port), len(gateway.log)
    sockets_before = _sockets_of(gateway)
    try:
        yield port
        receipt = await ask(source, "bike-update", {"roomId": "canary", "number": 1})
        assert "data" in receipt, receipt
        assert (
            await canary.hear(SOON_SECONDS)
            == '42["bike-updated",{"roomId": "canary", "number": 1}]'
        )
        await _gauges_are(port, before)
        await _sockets_are(gateway, sockets_before)
    finally:
        RawSocket.close_all()
    said = gateway.log[log_before:]
    assert "Traceback" not in said, said
    assert [token for token in (BYSTANDER, RIDER, NARROW, VIEWER, EXPIRED) if token in said] == []
    assert len(said.splitlines()) < 60, f"a flood of lines:\n{said}"


async def _gauges_are(port: int, expected: dict[str, float]) -> None:
    """Members that have gone are forgotten within seconds."""
    deadline = time.monotonic() + BACK_TO_BASE_SECONDS
    while not await is_back_at(port, expected):
        assert time.monotonic() < deadline, (await gauges(port), expected)
        await asyncio.sleep(0.05)


async def _sockets_are(gateway: GatewayProcess, expected: int) -> None:
    """No more than there were: one that asked for the gauges may have been among those."""
    deadline = time.monotonic() + BACK_TO_BASE_SECONDS
    while (now := _sockets_of(gateway)) > expected and time.monotonic() < deadline:  # noqa: ASYNC110 - the same
        await asyncio.sleep(0.05)
    assert now <= expected, (now, expected)
