"""When a process is to go, and what hurries it."""

from __future__ import annotations

import asyncio

import pytest

from gateway.workers.leaving import LAST_WORDS_SHARE, REQUESTS_SHARE, SPREAD_SHARE, Leaving
from tests.toolbox import virtual_time


def test_the_shares_fit_into_the_whole() -> None:
    assert SPREAD_SHARE + LAST_WORDS_SHARE + 2 * REQUESTS_SHARE <= 1


def test_the_first_who_asks_says_how() -> None:
    async def scenario() -> None:
        leaving = Leaving()
        leaving.ask(gives_notice=True)
        leaving.ask(is_replaced=True)
        await leaving.wait()

        assert (leaving.gives_notice, leaving.is_replaced) == (True, False)

    virtual_time.run(scenario())


async def _seconds_that_a_step_takes(leaving: Leaving) -> float:
    loop = asyncio.get_running_loop()
    began = loop.time()
    await leaving.unless_hurried(asyncio.sleep(100))
    return loop.time() - began


def test_a_signal_beside_an_order_does_not_hurry() -> None:
    """As when a service manager signals every process, and the supervisor orders it too."""

    async def scenario() -> None:
        leaving = Leaving()
        leaving.signal(gives_notice=True)
        leaving.ask()
        leaving.ask(gives_notice=True)

        assert await _seconds_that_a_step_takes(leaving) == pytest.approx(100)

    virtual_time.run(scenario())


def test_a_second_signal_hurries() -> None:
    async def scenario() -> None:
        leaving = Leaving()
        leaving.signal(gives_notice=True)
        asyncio.get_running_loop().call_later(3, leaving.signal)

        assert await _seconds_that_a_step_takes(leaving) == pytest.approx(3)
        assert await _seconds_that_a_step_takes(leaving) == pytest.approx(0)

    virtual_time.run(scenario())


def test_an_order_to_hurry_is_an_order_to_go() -> None:
    async def scenario() -> None:
        leaving = Leaving()
        leaving.hurry()
        await leaving.wait()

        assert await _seconds_that_a_step_takes(leaving) == pytest.approx(0)

    virtual_time.run(scenario())


def test_what_goes_wrong_in_a_step_is_not_hidden() -> None:
    async def fail() -> None:
        raise RuntimeError("wrong")

    async def scenario() -> None:
        await Leaving().unless_hurried(fail())

    with pytest.raises(RuntimeError, match="wrong"):
        virtual_time.run(scenario())
