"""This module owns the turnstile: of a crowd that comes at once, so many pass in each loop turn."""

from __future__ import annotations

import asyncio
import collections
from collections.abc import Callable
from typing import Generic, TypeVar

import structlog

logger = structlog.get_logger(__name__)

Item = TypeVar("Item")


class Turnstile(Generic[Item]):
    """Does `work` for each item, in order: at once, but for at most `per_turn` in one turn."""

    def __init__(self, per_turn: int, work: Callable[[Item], None]) -> None:
        self._per_turn = per_turn
        self._work = work
        self._passed = 0
        self._waiting: collections.deque[Item] = collections.deque()

    def take(self, item: Item) -> None:
        """Do the work for an item, now or after those that wait already."""
        self._passed += 1
        if self._passed == 1:
            asyncio.get_running_loop().call_soon(self._turn)
        if self._passed <= self._per_turn:
            self._pass(item)
        else:
            self._waiting.append(item)

    def finish(self) -> None:
        """Do all that waits now."""
        while self._waiting:
            self._pass(self._waiting.popleft())

    def _pass(self, item: Item) -> None:
        try:
            self._work(item)
        except Exception:  # one's fault is neither the others' nor that of whoever brought it
            logger.exception("! work of a turnstile failed")

    def _turn(self) -> None:
        self._passed = 0
        for _ in range(min(self._per_turn, len(self._waiting))):
            self._pass(self._waiting.popleft())
        if self._waiting:
            self._passed = self._per_turn  # whoever comes now waits in line
            asyncio.get_running_loop().call_soon(self._turn)
