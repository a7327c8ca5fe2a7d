"""A hundred members whose network has died without a word: no FIN, no RST, nothing."""

from __future__ import annotations

import asyncio
import os
import socket

import pytest

from tests.conftest import StartGateway
from tests.toolbox.dead_network import DeadNetwork
from tests.toolbox.raw_client import OPENING, RawSocket
from tests.toolbox.siege import member, publish, say, until
from tests.toolbox.strict_gateway import ask, gauges

pytestmark = pytest.mark.journey

DEAD_CLIENTS = 100
# A twentieth of the usual times, so that the test does not take half a minute.
INTERVAL_SECONDS, TIMEOUT_SECONDS = 1.0, 0.5


async def member_over(opened: socket.socket) -> RawSocket:
    """A member on a connection that is open already."""
    opened.setblocking(False)  # noqa: FBT003 - the standard library's signature
    reader, writer = await asyncio.open_connection(sock=opened)
    writer.write(OPENING)
    await reader.readuntil(b"\r\n\r\n")
    peer = RawSocket(reader, writer)
    await peer.hear()
    peer.say("40")
    await peer.hear()
    assert "data" in await ask(peer, "join-room", "r")
    return peer


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may make a network of its own")
async def test_members_whose_network_has_died_are_forgotten_by_the_next_heartbeat(
    start_gateway: StartGateway,
) -> None:
    port = start_gateway(
        HOST="0.0.0.0",  # noqa: S104 - the far end of the test's own network has to reach it
        PACELINE_ALLOW_PUBLIC_DEVELOPMENT="1",
        PACELINE_PING_INTERVAL_SECONDS=str(INTERVAL_SECONDS),
        PACELINE_PING_TIMEOUT_SECONDS=str(TIMEOUT_SECONDS),
    ).port
    near = await member(port, "r")
    with DeadNetwork() as network:
        opened = await asyncio.to_thread(network.connect, port, DEAD_CLIENTS)
        far = [await member_over(connection) for connection in opened]
        answering = [asyncio.create_task(peer.hear_all(60)) for peer in (near, *far)]
        assert (await gauges(port))["paceline_peers"] == DEAD_CLIENTS + 1
        network.fall_silent()
        await publish(port, "r", [{"event": "e", "data": 1}])  # to everybody, the dead ones too

        async def is_alone() -> bool:
            return (await gauges(port))["paceline_peers"] == 1

        took_seconds = await until(is_alone, INTERVAL_SECONDS + TIMEOUT_SECONDS + 2)
        assert not answering[0].done(), "who is there is still a member"
        for task in answering:
            task.cancel()
        await asyncio.gather(*answering, return_exceptions=True)
        RawSocket.close_all()
    say(f"{DEAD_CLIENTS} dead clients were forgotten after {took_seconds:.1f} s")
