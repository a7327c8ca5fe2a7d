from __future__ import annotations

import asyncio

import pytest

from gateway.redis.asking import answers_of, ask
from gateway.redis.errors import RedisAway, RedisRefused
from gateway.settings.redis_url import Endpoint, address_of
from tests.toolbox import virtual_time


async def answer_after(seconds: float, answer: str | Exception) -> str:
    await asyncio.sleep(seconds)
    if isinstance(answer, Exception):
        raise answer
    return answer


def answers(*questions: tuple[float, str | Exception], grace: float = 0.0) -> list[str]:
    async def ask_all() -> list[str]:
        return await answers_of((answer_after(*each) for each in questions), grace)

    return virtual_time.run(ask_all())


def test_the_first_answer_does_not_wait_for_the_others() -> None:
    assert answers((3600.0, "late"), (0.1, "first")) == ["first"]


def test_others_have_a_moment_after_the_first() -> None:
    found = answers((0.3, "late"), (0.15, "second"), (0.1, "first"), grace=0.1)

    assert found == ["first", "second"]


def test_a_failure_is_no_answer() -> None:
    found = answers((0.0, RedisAway("dead")), (0.1, RedisRefused("deaf")), (0.2, "alive"))

    assert found == ["alive"]


def test_when_nobody_answers_the_reasons_are_told() -> None:
    with pytest.raises(RedisAway, match="dead; deaf"):
        answers((0.0, RedisAway("dead")), (0.1, RedisRefused("deaf")))


async def test_questions_are_answered_by_a_real_server(redis_url: str) -> None:
    address = address_of(redis_url)

    assert await ask(address.endpoints[0], address, ("ECHO", "a"), ("ECHO", "b")) == [b"a", b"b"]
    with pytest.raises(RedisRefused, match="unknown command"):
        await ask(address.endpoints[0], address, ("WHAT",))


async def test_a_server_that_is_not_there_is_away(free_port: int) -> None:
    with pytest.raises(RedisAway):
        await ask(Endpoint("127.0.0.1", free_port), address_of("redis://localhost"), ("PING",))
