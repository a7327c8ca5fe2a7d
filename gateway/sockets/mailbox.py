"""This module owns work of one connection that has to wait: one after the other, and so much."""

from __future__ import annotations

import asyncio
import collections
from collections.abc import Coroutine
from typing import Any, Final

import structlog

logger = structlog.get_logger(__name__)

Farewell = Coroutine[Any, Any, Any] | None  # what still has to be done for one that is gone
WAITING_LIMIT: Final = 256
# Tasks that nobody awaits must be held, or they may be collected half done.
_running: set[asyncio.Task[None]] = set()


class Mailbox:
    """Coroutines, run one at a time in the order of posting by a task that lives only meanwhile."""

    __slots__ = ("_is_closed", "_task", "_waiting")

    def __init__(self) -> None:
        self._waiting: collections.deque[Coroutine[Any, Any, Any]] = collections.deque()
        self._task: asyncio.Task[None] | None = None
        self._is_closed = False

    def post(self, work: Coroutine[Any, Any, Any]) -> bool:
        """Add work; False, and the work is dropped, when too much is waiting or all is over."""
        if self._is_closed or len(self._waiting) >= WAITING_LIMIT:
            work.close()
            return False
        self._waiting.append(work)
        if self._task is None:
            self._task = asyncio.create_task(self._work_off())
            _running.add(self._task)
            self._task.add_done_callback(_running.discard)
        return True

    def close(self, last: Coroutine[Any, Any, Any] | None = None) -> None:
        """Drop what has not begun; what has begun ends in its own time, and then `last` is run."""
        while self._waiting:
            self._waiting.popleft().close()
        if last is not None:
            self.post(last)
        self._is_closed = True

    async def _work_off(self) -> None:
        while self._waiting:
            work = self._waiting.popleft()
            try:
                await work
            except Exception:
                logger.exception("! work of a connection failed")
        self._task = None
