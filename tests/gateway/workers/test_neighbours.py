"""Sessions of workers on other hosts: found through Redis, asked and carried over the network.

Two hosts are two run directories: neither can reach into the other's.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.gateway.workers.fleet import Worker, fleet, until
from tests.toolbox.raw_client import RawPoller, RawSocket, masked_frame, request
from tests.toolbox.redis_server import RedisServer

UNKNOWN = b'{"code":1,"message":"Session ID unknown"}'


@pytest.fixture
async def hosts(tmp_path: Path, redis_url: str) -> AsyncIterator[list[list[Worker]]]:
    """Two hosts of two workers each."""
    async with contextlib.AsyncExitStack() as stack:
        yield [
            await stack.enter_async_context(fleet(tmp_path / name, 2, REDIS_URL=redis_url))
            for name in ("one", "two")
        ]
        RawSocket.close_all()


async def test_polling_goes_on_at_any_worker_of_any_host(hosts: list[list[Worker]]) -> None:
    (owner, near), (far, farther) = hosts
    poller = await RawPoller.open(owner.port, "/socket.io/")
    poller.port = far.port
    posted = await poller.post(b"40")
    poller.port = farther.port
    polled = await poller.get()
    poller.port = near.port
    posted_near = await poller.post(b'421["presence","r"]')

    assert (posted.status, posted.body) == (200, b"ok")
    assert posted.headers["content-type"] == "text/html"
    assert polled.body.startswith(b'40{"sid":"')
    assert polled.headers["cache-control"] == "no-store"
    assert posted_near.body == b"ok"
    assert (far.handovers, farther.handovers) == ({"asked": 1}, {"asked": 1})
    assert (near.handovers, owner.handovers) == ({"given": 1}, {"taken": 1})


async def test_a_websocket_is_carried_to_the_host_of_its_session(
    hosts: list[list[Worker]],
) -> None:
    (owner, _), (far, _) = hosts
    poller = await RawPoller.open(owner.port, "/socket.io/")
    peer = await RawSocket.open(far.port, query=f"&sid={poller.sid}")
    peer.say("2probe")
    assert await peer.hear() == "3probe"
    peer.say("5", "40")
    assert (await peer.hear()).startswith('40{"sid":"')
    peer.write(masked_frame('42["join-room",{"roomId":"r","x":"' + "y" * 30_000 + '"}]'))
    peer.say('421["join-room","r"]')

    assert (await peer.hear()).startswith('431[{"data":{"roomId":"r"')
    assert far.handovers == {"carried": 1}
    assert [len(worker.gateway.server.engine.sockets) for worker in (owner, far)] == [1, 0]


@pytest.mark.parametrize("is_late", [False, True])
async def test_no_request_is_smuggled_to_another_host_behind_a_refused_upgrade(
    hosts: list[list[Worker]], *, is_late: bool
) -> None:
    (owner, near), (far, _) = hosts
    upgrade = (
        f"GET /socket.io/?EIO=4&transport=websocket&sid={owner.gateway.worker_id}xyz HTTP/1.1\r\n"
        "Host: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
        "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n"
    )
    smuggled = (
        "GET /socket.io/?EIO=4&transport=polling HTTP/1.1\r\nHost: x\r\n"
        "X-Forwarded-For: 192.0.2.66\r\n\r\n"
    )
    reader, writer = await asyncio.open_connection("127.0.0.1", far.port)
    writer.write((upgrade if is_late else upgrade + smuggled).encode())
    heard = b""
    with contextlib.suppress(ConnectionError):
        heard = await reader.readuntil(UNKNOWN)
        if is_late:
            writer.write(smuggled.encode())
        heard += await reader.read()
    writer.close()

    assert heard.startswith(b"HTTP/1.1 400 ")
    assert heard.count(b"HTTP/1.1") == 1
    assert owner.gateway.server.engine.sockets == near.gateway.server.engine.sockets == {}


async def test_a_page_of_an_allowed_origin_may_read_the_answer_of_another_host(
    hosts: list[list[Worker]],
) -> None:
    (owner, _), (far, _) = hosts
    poller = await RawPoller.open(owner.port, "/socket.io/")
    own = {"Origin": f"http://127.0.0.1:{far.port}"}
    answer = await request(far.port, "POST", poller.target, b"40", own)
    foreign = await request(far.port, "POST", poller.target, b"40", {"Origin": "https://evil"})

    assert answer.status == 200
    assert answer.headers["access-control-allow-origin"] == own["Origin"]
    assert foreign.status == 403


async def test_a_poll_that_is_given_up_is_given_up_at_the_other_host_too(
    hosts: list[list[Worker]],
) -> None:
    (owner, _), (far, _) = hosts
    poller = await RawPoller.open(owner.port, "/socket.io/")
    _, writer = await asyncio.open_connection("127.0.0.1", far.port)
    writer.write(f"GET {poller.target} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
    (connection,) = owner.gateway.server.engine.sockets.values()
    await until(lambda: connection.pollbox is not None and connection.pollbox.is_polled)
    writer.transport.abort()

    await until(lambda: not owner.gateway.server.engine.sockets)


async def test_a_host_that_is_gone_costs_a_client_its_session_and_no_time(
    hosts: list[list[Worker]],
) -> None:
    (owner, _), (far, _) = hosts
    poller = await RawPoller.open(owner.port, "/socket.io/")
    poller.port = far.port
    assert (await poller.post(b"40")).status == 200
    for worker in hosts[0]:
        await worker.stop()
    async with asyncio.timeout(5):
        answers = [await poller.get() for _ in range(3)]

    assert [(answer.status, answer.body) for answer in answers] == [(400, UNKNOWN)] * 3


async def test_what_is_asked_of_the_wrong_worker_of_a_host_is_given_to_the_right_one(
    hosts: list[list[Worker]],
) -> None:
    """The workers of one port have one URL: which of them takes the connection is chance."""
    (owner, near), (far, _) = hosts
    poller = await RawPoller.open(owner.port, "/socket.io/")
    assert far.gateway.neighbourhood is not None
    place = await far.gateway.neighbourhood.find(owner.gateway.worker_id)
    assert place is not None
    assert not place.is_near
    to_host = {"X-Paceline-Handed-On": "host"}
    answer = await request(near.port, "POST", poller.target, b"40", to_host)
    lost = await request(far.port, "POST", poller.target, b"40", to_host)

    assert answer.status == 200
    assert (lost.status, lost.body) == (400, UNKNOWN)  # or it would go in circles


async def test_who_was_carried_through_a_worker_that_goes_is_let_go_a_few_at_a_time(
    hosts: list[list[Worker]],
) -> None:
    (owner, _), (far, _) = hosts
    peers = []
    for _ in range(25):
        poller = await RawPoller.open(owner.port, "/socket.io/")
        peers.append(await RawSocket.open(far.port, query=f"&sid={poller.sid}"))
    assert far.gateway.neighbourhood is not None
    counts = [len(far.gateway.neighbourhood.lines)]
    stopping = asyncio.create_task(far.stop())
    while counts[-1]:
        await asyncio.sleep(0.01)
        counts.append(len(far.gateway.neighbourhood.lines))
    await stopping
    ends = [await peer.end() for peer in peers]

    assert sorted(set(counts), reverse=True) == [25, 15, 5, 0]
    assert ends == [None] * 25


async def test_while_redis_is_away_workers_of_one_host_still_find_each_other(
    tmp_path: Path, redis_server: RedisServer
) -> None:
    async with fleet(tmp_path, 2, REDIS_URL=redis_server.url) as (one, two):
        poller = await RawPoller.open(one.port, "/socket.io/")
        redis_server.kill()
        poller.port = two.port
        answer = await poller.post(b"40")
        stranger = RawPoller(two.port, "zzzzzz" + "a" * 20, "/socket.io/")
        unknown = await stranger.get()

    assert (answer.status, answer.body) == (200, b"ok")
    assert (unknown.status, unknown.body) == (400, UNKNOWN)


async def test_everybody_is_known_to_everybody(hosts: list[list[Worker]]) -> None:
    for host in hosts:
        for worker in host:
            found = {
                other.port: await _found_by(worker, other) for others in hosts for other in others
            }

            assert found == {
                other.port: "near" if other in host else "far"
                for others in hosts
                for other in others
            }


async def _found_by(worker: Worker, other: Worker) -> str:
    assert worker.gateway.neighbourhood is not None
    neighbour = await worker.gateway.neighbourhood.find(other.gateway.worker_id)
    return "nowhere" if neighbour is None else "near" if neighbour.is_near else "far"


async def test_everyone_is_known_on_every_host(hosts: list[list[Worker]]) -> None:
    (one, _), (_, other) = hosts
    ids = {worker.gateway.worker_id for host in hosts for worker in host}
    for worker in (one, other):
        assert worker.gateway.neighbourhood is not None
        places = await worker.gateway.neighbourhood.everyone()
        assert {place.worker_id for place in places} == ids
        assert len(places) == len(ids)
