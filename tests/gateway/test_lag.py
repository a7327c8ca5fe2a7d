from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Any

import pytest

from gateway.lag import INTERVAL_SECONDS, LoopLag
from tests.toolbox import virtual_time


async def test_a_loop_that_is_free_is_not_late() -> None:
    async def watch() -> float:
        lag = LoopLag()
        lag.start()
        await asyncio.sleep(10)
        lag.stop()
        return lag.take_seconds()

    assert await asyncio.to_thread(virtual_time.run, watch()) == pytest.approx(0, abs=1e-6)


class _Loop:
    """Wakes as late as the test says."""

    def __init__(self) -> None:
        self.seconds = 100.0
        self._waiting: list[tuple[float, Callable[[Any], None]]] = []

    def time(self) -> float:
        return self.seconds

    def call_at(self, when: float, wake: Callable[[Any], None], loop: object) -> _Loop:
        assert loop is self
        self._waiting.append((when, wake))
        return self

    def cancel(self) -> None:
        self._waiting.clear()

    def wake_late(self, seconds: float) -> None:
        when, wake = self._waiting.pop()
        self.seconds = when + seconds
        wake(self)

    @property
    def wait_seconds(self) -> float:
        """How long it is until the next wake."""
        return self._waiting[-1][0] - self.seconds


@pytest.fixture
def loop(monkeypatch: pytest.MonkeyPatch) -> _Loop:
    loop = _Loop()
    monkeypatch.setattr("gateway.lag.asyncio.get_running_loop", lambda: loop)
    return loop


def test_the_worst_is_told_once(loop: _Loop) -> None:
    lag = LoopLag()
    lag.start()
    for seconds in (0.01, 0.4, 0.02):
        loop.wake_late(seconds)

    assert lag.take_seconds() == pytest.approx(0.4)
    assert lag.take_seconds() == 0
    loop.wake_late(0.03)
    assert lag.take_seconds() == pytest.approx(0.03)


def test_one_reader_does_not_take_from_another(loop: _Loop) -> None:
    lag = LoopLag()
    reading = lag.late_reading()
    lag.start()
    loop.wake_late(0.4)
    assert lag.take_seconds() == pytest.approx(0.4)
    assert reading.take_seconds() == pytest.approx(0.4)
    assert reading.take_seconds() == 0


def test_being_late_once_makes_nothing_late_after_it(loop: _Loop) -> None:
    lag = LoopLag()
    lag.start()
    loop.wake_late(5)
    lag.take_seconds()
    loop.wake_late(0)

    assert lag.take_seconds() == pytest.approx(0)


async def test_a_loop_that_is_held_up_is_late() -> None:
    lag = LoopLag()
    lag.start()
    await asyncio.sleep(INTERVAL_SECONDS / 2)
    time.sleep(INTERVAL_SECONDS * 2)  # noqa: ASYNC251 - it is what must not happen in a worker
    await asyncio.sleep(INTERVAL_SECONDS)
    lag.stop()
    lag.stop()

    assert lag.take_seconds() > INTERVAL_SECONDS
    assert lag.take_busy_seconds() < INTERVAL_SECONDS, "it slept"


async def test_a_loop_that_works_without_letting_go_is_busy() -> None:
    lag = LoopLag()
    lag.start()
    began_seconds = time.thread_time()
    while time.thread_time() - began_seconds < INTERVAL_SECONDS * 2:
        pass
    await asyncio.sleep(INTERVAL_SECONDS)
    lag.stop()

    assert lag.take_busy_seconds() > INTERVAL_SECONDS / 2
    assert lag.take_busy_seconds() == 0


def test_a_loop_with_nothing_to_do_is_looked_at_less_often(
    loop: _Loop, monkeypatch: pytest.MonkeyPatch
) -> None:
    worked_seconds = 0.0
    monkeypatch.setattr("gateway.lag.time.thread_time", lambda: worked_seconds)
    lag = LoopLag()
    lag.start()
    assert loop.wait_seconds == pytest.approx(INTERVAL_SECONDS)

    loop.wake_late(0)
    assert loop.wait_seconds > 2 * INTERVAL_SECONDS
    assert lag.take_busy_seconds() == 0

    worked_seconds = 0.3
    loop.wake_late(0.1)
    assert loop.wait_seconds == pytest.approx(INTERVAL_SECONDS), "it works again"
    assert lag.take_busy_seconds() > INTERVAL_SECONDS
