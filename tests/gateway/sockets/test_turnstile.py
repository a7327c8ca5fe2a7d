import asyncio
import logging

import pytest

from gateway.sockets.turnstile import Turnstile


async def test_a_few_pass_at_once() -> None:
    passed: list[int] = []
    turnstile = Turnstile(3, passed.append)
    for number in range(3):
        turnstile.take(number)
    assert passed == [0, 1, 2]
    await asyncio.sleep(0)
    turnstile.take(3)
    assert passed == [0, 1, 2, 3], "a new turn"


async def test_a_crowd_passes_in_order_and_so_many_in_each_turn() -> None:
    passed: list[int] = []
    turnstile = Turnstile(3, passed.append)
    for number in range(10):
        turnstile.take(number)
    assert passed == [0, 1, 2]
    await asyncio.sleep(0)
    assert passed == list(range(6))
    turnstile.take(10)  # and not before those that were there first
    await asyncio.sleep(0)
    assert passed == list(range(9))
    await asyncio.sleep(0)
    assert passed == list(range(11))


async def test_what_waits_can_be_done_at_once() -> None:
    passed: list[int] = []
    turnstile = Turnstile(1, passed.append)
    for number in range(5):
        turnstile.take(number)
    turnstile.finish()
    assert passed == list(range(5))
    await asyncio.sleep(0)
    assert passed == list(range(5)), "nothing twice"


async def test_one_that_fails_takes_nobody_with_it(caplog: pytest.LogCaptureFixture) -> None:
    passed: list[int] = []

    def work(number: int) -> None:
        if number % 2 == 0:
            raise KeyError
        passed.append(number)

    turnstile = Turnstile(1, work)
    with caplog.at_level(logging.CRITICAL):
        for number in range(4):
            turnstile.take(number)
        for _ in range(4):
            await asyncio.sleep(0)
    assert passed == [1, 3]
