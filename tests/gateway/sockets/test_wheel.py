import asyncio
import logging

import pytest

from gateway.sockets.wheel import TimerWheel
from tests.toolbox import virtual_time

SLOT_SECONDS = 0.1


def test_each_is_called_once_never_early_and_at_most_a_slot_late() -> None:
    async def scenario() -> None:
        loop = asyncio.get_running_loop()
        wheel, called = TimerWheel(SLOT_SECONDS), dict[float, float]()
        start = loop.time()
        # in no order, some in the past, some twice in one slot
        for wait in (5.0, 0.33, 0.31, 20.0, 0.0, -1.0, 7.77, 0.1):
            wheel.at(start + wait, lambda now, wait=wait: called.__setitem__(wait, now - start))  # type: ignore[misc] # mypy cannot infer a default
        await asyncio.sleep(30)

        assert sorted(called) == [-1.0, 0.0, 0.1, 0.31, 0.33, 5.0, 7.77, 20.0]
        for wait, at in called.items():
            assert max(wait, 0) - 1e-6 <= at <= max(wait, 0) + 2 * SLOT_SECONDS, (wait, at)

    virtual_time.run(scenario())


def test_ten_thousand_in_one_slot_take_one_timer() -> None:
    async def scenario() -> None:
        loop = asyncio.get_running_loop()
        wheel, called = TimerWheel(SLOT_SECONDS), list[float]()
        timers_before = len(loop._scheduled)  # type: ignore[attr-defined] # noqa: SLF001 - asyncio's own heap
        for _ in range(10_000):
            wheel.at(loop.time() + 3, called.append)

        assert len(loop._scheduled) == timers_before + 1  # type: ignore[attr-defined] # noqa: SLF001
        await asyncio.sleep(4)
        assert len(called) == 10_000

    virtual_time.run(scenario())


def test_one_that_is_called_may_ask_to_be_called_again() -> None:
    async def scenario() -> None:
        wheel, called = TimerWheel(SLOT_SECONDS), list[float]()

        def beat(now: float) -> None:
            called.append(now)
            wheel.at(now + 1, beat)

        wheel.at(asyncio.get_running_loop().time() + 1, beat)
        await asyncio.sleep(10.5)
        wheel.stop()
        await asyncio.sleep(10)

        assert 9 <= len(called) <= 10

    virtual_time.run(scenario())


def test_an_earlier_one_is_not_kept_waiting_by_a_later_one() -> None:
    async def scenario() -> None:
        loop = asyncio.get_running_loop()
        wheel, called = TimerWheel(SLOT_SECONDS), list[str]()
        wheel.at(loop.time() + 100, lambda _: called.append("late"))
        wheel.at(loop.time() + 1, lambda _: called.append("early"))
        await asyncio.sleep(2)

        assert called == ["early"]
        wheel.stop()

    virtual_time.run(scenario())


def test_one_that_fails_takes_nobody_with_it(caplog: pytest.LogCaptureFixture) -> None:
    async def scenario() -> None:
        wheel, called = TimerWheel(SLOT_SECONDS), list[float]()
        due = asyncio.get_running_loop().time() + 1

        def fail(_now: float) -> None:
            raise ValueError

        wheel.at(due, fail)
        wheel.at(due, called.append)
        wheel.at(due + 1, called.append)
        await asyncio.sleep(5)

        assert len(called) == 2

    with caplog.at_level(logging.CRITICAL):
        virtual_time.run(scenario())
