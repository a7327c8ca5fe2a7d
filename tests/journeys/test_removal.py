"""An operator removes somebody, through a worker where that somebody is not."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Iterator

import aiohttp
import pytest

from gateway.identity import KeySet, Role, sign_token
from tests.toolbox.gateway_process import GatewayProcess
from tests.toolbox.raw_client import RawSocket, connect
from tests.toolbox.redis_server import RedisServer

pytestmark = pytest.mark.journey

SECRET = "a-secret-of-more-than-thirty-two-bytes-for-tests-alone"
ROOM = "city:paris"
LIMIT_SECONDS = 1.0


@pytest.fixture(scope="module")
def workers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[GatewayProcess]]:
    redis = RedisServer(tmp_path_factory.mktemp("redis"))
    redis.start()
    workers = [
        GatewayProcess(
            tmp_path_factory.mktemp("gateway"),
            PACELINE_ENV="production",
            PACELINE_JWT_SECRET=SECRET,
            REDIS_URL=redis.url,
        )
        for _ in range(2)
    ]
    for worker in workers:
        worker.start()
    yield workers
    for worker in workers:
        worker.kill()
    redis.kill()


def token_of(subject: str, role: Role) -> str:
    return sign_token(
        KeySet.of([SECRET]),
        subject=subject,
        role=role,
        now_seconds=time.time(),
        lifetime_seconds=600,
    )


async def enter(worker: GatewayProcess, subject: str) -> tuple[RawSocket, str]:
    """A rider in the room, and its peer id."""
    credentials = json.dumps({"token": token_of(subject, Role.RIDER)})
    socket, accepted = await connect(worker.port, f"40{credentials}")
    socket.say(f'421["join-room","{ROOM}"]')
    assert (await socket.hear()).startswith("431")
    peer_id: str = json.loads(accepted[2:])["sid"]
    return socket, peer_id


async def delete(worker: GatewayProcess, path: str) -> None:
    headers = {"Authorization": f"Bearer {token_of('olga', Role.OPERATOR)}"}
    async with (
        aiohttp.ClientSession(headers=headers) as session,
        session.delete(f"{worker.url}{path}") as response,
    ):
        assert response.status == 200


async def test_a_peer_is_out_of_the_room_within_a_second(workers: list[GatewayProcess]) -> None:
    ann, peer_id = await enter(workers[0], "ann")
    began = time.monotonic()
    await delete(workers[1], f"/api/rooms/{ROOM}/members/{peer_id}")
    heard = json.loads((await ann.hear(LIMIT_SECONDS))[2:])
    assert heard == ["room-reset", {"roomId": ROOM, "reason": "removed"}]
    assert time.monotonic() - began < LIMIT_SECONDS
    ann.say(f'422["presence","{ROOM}"]')
    members = json.loads((await ann.hear())[3:])[0]["data"]["members"]
    assert members == []
    ann.close()


async def test_all_sockets_of_a_subject_are_closed_within_a_second(
    workers: list[GatewayProcess],
) -> None:
    sockets = [(await enter(worker, "ben"))[0] for worker in workers]
    bystander, _ = await enter(workers[0], "cid")
    began = time.monotonic()
    await delete(workers[1], "/api/peers?subject=ben")
    said = await asyncio.gather(*(socket.hear(LIMIT_SECONDS) for socket in sockets))
    assert all(json.loads(each[2:])[1]["code"] == 3500 for each in said)
    for socket in sockets:
        await socket.hear_all()
        await socket.end()
    assert time.monotonic() - began < 2 * LIMIT_SECONDS
    bystander.say(f'423["presence","{ROOM}"]')
    members = json.loads((await bystander.hear())[3:])[0]["data"]["members"]
    assert [member["subject"] for member in members] == ["cid"]
    bystander.close()
