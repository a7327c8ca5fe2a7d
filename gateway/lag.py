"""This module owns how late the event loop wakes: the number that shows a worker that is stuck."""

from __future__ import annotations

import asyncio
import time
from typing import Final

INTERVAL_SECONDS: Final = 0.05
# To wake an idle process costs a tenth of a millisecond, so one that has nothing to do is woken
# less often; what holds it up for longer than that is seen all the same.
_IDLE_INTERVAL_SECONDS: Final = 0.2
_IDLE_SHARE: Final = 0.05


class LagReading:
    """The most of one number since whoever reads it asked before."""

    def __init__(self) -> None:
        self._most_seconds = 0.0

    def note(self, seconds: float) -> None:
        """Remember it if it is the most."""
        self._most_seconds = max(self._most_seconds, seconds)

    def take_seconds(self) -> float:
        """The most since this was asked before."""
        most, self._most_seconds = self._most_seconds, 0.0
        return most


class LoopLag:
    """Wakes at regular times and compares; `start` and `stop` are called in the loop.

    Late is also who was not given a processor. So it says too for how long the loop has worked
    without letting go, in processor time, which other programs do not change.
    """

    def __init__(self) -> None:
        self._handle: asyncio.TimerHandle | None = None
        self._due_seconds = 0.0
        self._worked_seconds = 0.0
        self._interval_seconds = INTERVAL_SECONDS
        self._late = [LagReading()]
        self._busiest_seconds = 0.0

    def start(self) -> None:
        self._wait(asyncio.get_running_loop())

    def stop(self) -> None:
        """End; a second call does nothing."""
        if self._handle is not None:
            self._handle.cancel()
            self._handle = None

    def take_seconds(self) -> float:
        """How late it was at most since this was asked before."""
        return self._late[0].take_seconds()

    def late_reading(self) -> LagReading:
        """The same for somebody else, who does not take it from those who ask here."""
        reading = LagReading()
        self._late.append(reading)
        return reading

    def take_busy_seconds(self) -> float:
        """The most processor time between two wakes, less what fits in between, likewise."""
        busiest, self._busiest_seconds = self._busiest_seconds, 0.0
        return busiest

    def _wait(self, loop: asyncio.AbstractEventLoop) -> None:
        self._due_seconds = loop.time() + self._interval_seconds
        self._worked_seconds = time.thread_time()
        self._handle = loop.call_at(self._due_seconds, self._wake, loop)

    def _wake(self, loop: asyncio.AbstractEventLoop) -> None:
        worked = time.thread_time() - self._worked_seconds
        late_seconds = loop.time() - self._due_seconds
        for reading in self._late:
            reading.note(late_seconds)
        self._busiest_seconds = max(self._busiest_seconds, worked - self._interval_seconds)
        is_idle = worked < _IDLE_SHARE * self._interval_seconds
        self._interval_seconds = _IDLE_INTERVAL_SECONDS if is_idle else INTERVAL_SECONDS
        self._wait(loop)
