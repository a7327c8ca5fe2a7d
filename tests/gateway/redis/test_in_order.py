from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest
from hiredis import ReplyError

from gateway.redis.client import Redis, call_at, redis_of
from gateway.redis.connection import pack
from gateway.redis.errors import RedisAway
from gateway.redis.in_order import LIMIT_BYTES, LIMIT_SECONDS, InOrder
from gateway.redis.shard import Patience
from gateway.redis.slots import slot_of
from gateway.settings.redis_url import address_of
from tests.gateway.redis.listening import Listener, eventually
from tests.toolbox.redis_cluster import RedisCluster
from tests.toolbox.redis_server import RedisServer

# The second key never exists, so nothing of it is executed while the slot is on its way.
APPEND = "return redis.call('RPUSH', KEYS[1], ARGV[1])"


class Slot:
    """A slot of the cluster that nobody else uses, what is sent about it, and the answers."""

    def __init__(self, redis: Redis, servers: RedisCluster) -> None:
        tag = secrets.token_hex(8)
        self.redis, self._servers = redis, servers
        self.list, self.other = f"{{{tag}}}:list", f"{{{tag}}}:none"
        self.number = slot_of(self.list.encode())
        self.old = servers.master_of(self.number)
        self.new = next(each for each in servers.servers[:3] if each is not self.old)
        self.in_order = InOrder(redis)
        self.answers: dict[str, Any] = {}
        self._gate = (self.old, "")

    def append(self, *texts: str) -> list[bool]:
        """Send each to the end of the list."""
        return [self._append(text) for text in texts]

    def _append(self, text: str) -> bool:
        command = pack(("EVAL", APPEND, 2, self.list, self.other, text))

        def take(reply: Any) -> None:  # noqa: ANN401 - whatever Redis says
            is_error = isinstance(reply, Exception)
            if not is_error or not self.in_order.again(reply, self.number, command, take):
                assert text not in self.answers, "answered once"
                self.answers[text] = reply

        return self.in_order.send(self.number, command, take)

    def close_gate(self) -> None:
        """From now on nothing is answered that is sent to the old master, until it is opened."""
        shard = self.redis.shard_of(self.number)
        assert shard is not None
        names = (f"gate:{secrets.token_hex(4)}" for _ in range(1000))
        self._gate = (
            self.old,
            next(
                name
                for name in names
                if self.redis.shard_of(slot_of(name.encode())) is shard
                and slot_of(name.encode()) != self.number
            ),
        )
        shard.send(pack(("BLPOP", self._gate[1], 0)), lambda _: None)

    def open_gate(self) -> None:
        server, name = self._gate
        server.command("RPUSH", name, "open")

    async def content(self) -> list[str]:
        found = await call_at(self.redis, self.number, "LRANGE", self.list, 0, -1)
        return [text.decode() for text in found]

    def set_out(self) -> None:
        self._set(self.new, "IMPORTING", self._servers.id_of(self.old))
        self._set(self.old, "MIGRATING", self._servers.id_of(self.new))

    def move_keys(self) -> None:
        self.old.command("MIGRATE", "127.0.0.1", str(self.new.port), self.list, "0", "5000")

    def arrive(self) -> None:
        for server in (self.new, self.old):
            self._set(server, "NODE", self._servers.id_of(self.new))
        self.old, self.new = self.new, self.old

    def stay(self) -> None:
        for server in (self.new, self.old):
            self._set(server, "STABLE")

    def _set(self, server: RedisServer, *words: str) -> None:
        server.command("CLUSTER", "SETSLOT", str(self.number), *words)


@pytest.fixture
async def redis(shared_redis_cluster: RedisCluster) -> AsyncIterator[Redis]:
    address, patience = address_of(shared_redis_cluster.url), Patience(command_seconds=15.0)
    redis = redis_of(address, [], "beat", Listener(), patience)
    await redis.start()
    yield redis
    await redis.stop()


@pytest.fixture
def slot(redis: Redis, shared_redis_cluster: RedisCluster) -> Iterator[Slot]:
    slot = Slot(redis, shared_redis_cluster)
    yield slot
    slot.stay()


async def test_what_is_sent_while_a_slot_is_on_its_way_is_executed_in_order_where_it_arrives(
    slot: Slot,
) -> None:
    texts = [str(number) for number in range(60)]
    slot.append(*texts[:20])
    await eventually(lambda: len(slot.answers) == 20)

    slot.set_out()
    slot.append(*texts[20:30])
    await asyncio.sleep(0.05)
    slot.move_keys()
    slot.append(*texts[30:40])
    await asyncio.sleep(0.05)
    assert len(slot.answers) == 20, "nobody is refused, and nothing is executed"
    slot.arrive()
    for text in texts[40:]:
        slot.append(text)
        await asyncio.sleep(0.001)

    await eventually(lambda: len(slot.answers) == 60)
    assert await slot.content() == texts
    assert list(slot.answers.items()) == [(text, int(text) + 1) for text in texts]


async def test_a_move_that_is_called_off_changes_no_order(slot: Slot) -> None:
    slot.append("a")
    await eventually(lambda: len(slot.answers) == 1)
    slot.set_out()
    slot.append("b")
    await asyncio.sleep(0.1)
    slot.stay()

    for text in "cdefgh":
        slot.append(text)
        await asyncio.sleep(0.002)

    await eventually(lambda: len(slot.answers) == 8)
    assert await slot.content() == list("abcdefgh")


async def test_nothing_overtakes_what_the_old_master_has_not_answered_yet(slot: Slot) -> None:
    slot.close_gate()
    slot.append("a", "b")
    await asyncio.sleep(0.05)
    slot.set_out()
    slot.arrive()
    slot.redis.learn(ReplyError(f"MOVED {slot.number} 127.0.0.1:{slot.old.port}"))

    slot.append("c")
    await asyncio.sleep(0.1)
    assert slot.answers == {}, "by another connection it is known where the slot is"
    slot.open_gate()

    await eventually(lambda: len(slot.answers) == 3)
    assert await slot.content() == ["a", "b", "c"]


async def test_what_waits_for_too_long_is_refused_for_sure(slot: Slot) -> None:
    loop = asyncio.get_running_loop()
    slot.append("before")
    await eventually(lambda: len(slot.answers) == 1)
    slot.set_out()
    began_at = loop.time()

    slot.append("a", "b")
    await eventually(lambda: len(slot.answers) == 3)

    assert loop.time() - began_at >= LIMIT_SECONDS
    for text in ("a", "b"):
        assert isinstance(slot.answers[text], RedisAway)
        assert str(slot.answers[text]).startswith("TRYAGAIN")
    slot.stay()
    slot.append("after")
    await eventually(lambda: len(slot.answers) == 4)
    assert await slot.content() == ["before", "after"]


async def test_what_waits_is_bounded(slot: Slot) -> None:
    slot.append("before")
    await eventually(lambda: len(slot.answers) == 1)
    slot.set_out()
    slot.append("first")
    await asyncio.sleep(0.05)
    large = [str(number) * (LIMIT_BYTES // 4) for number in range(4)]

    assert slot.append(*large) == [True, True, True, False]

    slot.move_keys()
    slot.arrive()
    await eventually(lambda: len(slot.answers) == 5)
    assert await slot.content() == ["before", "first", *large[:3]]
    slot.set_out()
    slot.append("second")
    await asyncio.sleep(0.05)
    assert slot.append(large[3]) == [True], "there is room again"


async def test_an_answer_that_cannot_be_used_holds_nobody_up(slot: Slot) -> None:
    slot.append("before")
    await eventually(lambda: len(slot.answers) == 1)
    slot.set_out()
    slot.append("a")
    await asyncio.sleep(0.05)
    slot.answers["a"] = "as if it had been answered before"
    slot.append("b")
    slot.move_keys()
    slot.arrive()

    await eventually(lambda: "b" in slot.answers)
    assert await slot.content() == ["before", "a", "b"]
