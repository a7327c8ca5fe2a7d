from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from typing import Any

import pytest

from gateway.redis.client import RETRIES, Redis, call, call_at, redis_of
from gateway.redis.cluster import Cluster
from gateway.redis.errors import RedisAway, RedisRefused
from gateway.redis.one_master import OneMaster
from gateway.settings.redis_url import address_of
from tests.gateway.redis.listening import IMPATIENT, Listener


@pytest.mark.parametrize(
    ("url", "kind"),
    [
        ("redis://localhost", OneMaster),
        ("unix:///run/redis.sock", OneMaster),
        ("redis+sentinel://localhost/bikes", OneMaster),
        ("redis+cluster://localhost", Cluster),
    ],
)
async def test_the_address_decides(url: str, kind: type[Redis]) -> None:
    assert type(redis_of(address_of(url), [], "beat", Listener())) is kind


@pytest.fixture
async def redis(redis_url: str) -> AsyncIterator[Redis]:
    found = redis_of(address_of(redis_url), [], "beat", Listener(), IMPATIENT)
    await found.start()
    yield found
    await found.stop()


async def test_a_reply_is_returned_and_a_mistake_raised(redis: Redis) -> None:
    await call(redis, b"key", "SET", b"key", 5)

    assert await call(redis, b"key", "INCR", b"key") == 6
    with pytest.raises(RedisRefused, match="WRONGTYPE"):
        await call(redis, b"key", "LPOP", b"key")


async def test_who_is_not_connected_is_away(free_port: int) -> None:
    redis = redis_of(address_of(f"redis://127.0.0.1:{free_port}"), [], "beat", Listener())

    with pytest.raises(RedisAway, match="not connected"):
        await call(redis, b"key", "GET", b"key")


class Misleading:
    """A Redis that is never where it was said to be; only what a call needs of it."""

    shards: Sequence[Any] = ()
    is_healthy = True

    def __init__(self) -> None:
        self.attempts = 0

    async def start(self) -> None:
        """Nothing to do."""

    async def stop(self) -> None:
        """Nothing to do."""

    def shard_of(self, _slot: int) -> Any:  # noqa: ANN401 - itself, as far as it is used
        return self

    def learn(self, _error: Exception) -> None:
        """Nothing is learnt."""

    def send(self, _command: bytes, on_reply: Any) -> bool:  # noqa: ANN401
        self.attempts += 1
        on_reply(Exception("MOVED 1 127.0.0.1:7001"))
        return True

    def retry(self, _error: Exception, _slot: int, command: bytes, on_reply: Any) -> bool:  # noqa: ANN401
        return self.send(command, on_reply)


async def test_redirections_without_end_are_given_up() -> None:
    redis = Misleading()

    with pytest.raises(RedisAway, match="MOVED"):
        await call_at(redis, 1, "GET", "key")

    assert redis.attempts == 1 + RETRIES
