"""The user that the documentation gives the gateway may do what the gateway does, and no more."""

from __future__ import annotations

import re

import pytest
import redis

from gateway.settings import RoomKind
from protocol.events import Member
from tests.gateway.broker.redis.workers import healthy, worker_over
from tests.gateway.broker.worker import Worker, eventually
from tests.gateway.rooms.drafts import ROOM, removal, update
from tests.toolbox.programs import REPOSITORY
from tests.toolbox.redis_cluster import RedisCluster
from tests.toolbox.redis_server import RedisServer

PAGE = REPOSITORY / "docs" / "how-to" / "set-up-redis.md"
KIND = RoomKind(presence=True, expire_seconds=60.0, values_limit=2)


def rule() -> list[str]:
    """The words of the page's ACL line, for the prefix that tests use."""
    found = re.search(r"^ +(ACL SETUSER .*)$", PAGE.read_text(), re.MULTILINE)
    assert found is not None
    return found[1].replace("~paceline:", "~test:").replace("&paceline:", "&test:").split()


async def do_everything(worker: Worker) -> None:
    """Run each script, and each command that is sent without one."""
    await worker.broker.start(worker.deliver)
    await healthy(worker)
    start = await worker.broker.follow(ROOM)
    for number in range(40):
        await worker.publish(update(f"b{number % 4}", idempotency_key=f"{number}"))
    await worker.publish(removal("b1"))
    assert await worker.broker.history(ROOM, start) is not None
    assert (await worker.broker.snapshot(ROOM)).values != b"[]"
    member = Member("peer-1", "ann")
    assert await worker.broker.enter(ROOM, member)
    assert await worker.broker.members(ROOM) == [member]
    await eventually(lambda: len(worker.deliveries) > 40)
    assert await worker.broker.leave(ROOM, member.peer_id)
    await worker.broker.unfollow(ROOM)


async def test_one_server(redis_server: RedisServer) -> None:
    redis_server.command(*rule())
    worker = worker_over(
        f"redis://paceline:PASSWORD@127.0.0.1:{redis_server.port}", KIND, alive_seconds=0.4
    )

    await do_everything(worker)

    await worker.broker.stop()
    with redis.Redis(port=redis_server.port) as client:
        assert client.acl_log() == [], "nothing was refused, by beats and burials neither"
    stranger = redis.Redis(port=redis_server.port, username="paceline", password="PASSWORD")
    for words in (("FLUSHALL",), ("GET", "other:key"), ("CONFIG", "GET", "*"), ("KEYS", "*")):
        with pytest.raises(redis.exceptions.NoPermissionError):
            stranger.execute_command(*words)  # type: ignore[no-untyped-call]
    stranger.close()


async def test_every_node_of_a_cluster(shared_redis_cluster: RedisCluster) -> None:
    for server in shared_redis_cluster.servers:
        server.command(*rule())
    hosts = shared_redis_cluster.url.removeprefix("redis+cluster://")
    worker = worker_over(f"redis+cluster://paceline:PASSWORD@{hosts}", KIND)

    await do_everything(worker)

    await worker.broker.stop()
    for server in shared_redis_cluster.servers:
        with redis.Redis(port=server.port) as client:
            assert client.acl_log() == []
