"""This module owns one timer for everybody: callbacks that are due at about the same time share it.

Nothing is ever cancelled: whoever is called looks whether there is still something to do. So a
connection costs one entry in a list for its heartbeat, and no timer of the event loop.
"""

from __future__ import annotations

import asyncio
import heapq
from collections.abc import Callable

import structlog

Due = Callable[[float], None]

logger = structlog.get_logger(__name__)


class TimerWheel:
    """Callbacks in slots of `slot_seconds`; each is called once, at most one slot late."""

    def __init__(self, slot_seconds: float) -> None:
        self._slot_seconds = slot_seconds
        self._slots: dict[int, list[Due]] = {}
        self._order: list[int] = []
        self._timer: asyncio.TimerHandle | None = None
        self._timer_slot = 0

    def at(self, when_seconds: float, due: Due) -> None:
        """Call `due(now)` at a time of the event loop's clock."""
        slot = int(when_seconds / self._slot_seconds) + 1
        entries = self._slots.get(slot)
        if entries is None:
            self._slots[slot] = [due]
            heapq.heappush(self._order, slot)
            if self._timer is None or slot < self._timer_slot:
                self._arm()
        else:
            entries.append(due)

    def stop(self) -> None:
        """Forget everything that is not due yet."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._slots.clear()
        self._order.clear()

    def _arm(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer_slot = self._order[0]
        loop = asyncio.get_running_loop()
        self._timer = loop.call_at(self._timer_slot * self._slot_seconds, self._turn)

    def _turn(self) -> None:
        self._timer = None
        now = asyncio.get_running_loop().time()
        reached = int(now / self._slot_seconds + 0.001)
        while self._order and self._order[0] <= reached:
            for due in self._slots.pop(heapq.heappop(self._order)):
                try:
                    due(now)
                except Exception:  # one connection's fault is not the others'
                    logger.exception("! timer failed")
        if self._order and self._timer is None:
            self._arm()
