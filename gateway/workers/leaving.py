"""This module owns when a process is to go, how much time it has, and what hurries it."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any, Final

# What each step of going away may take of the whole time. The last one counts twice, because
# aiohttp waits for a request that has begun, and then for the task that handled it.
SPREAD_SHARE: Final = 0.6
LAST_WORDS_SHARE: Final = 0.1
REQUESTS_SHARE: Final = 0.15


class Leaving:
    """Signalled once, a process takes its time; signalled again, it does not."""

    def __init__(self) -> None:
        self._is_asked = asyncio.Event()
        self._is_hurried = asyncio.Event()
        self._is_signalled = False
        self.gives_notice = False
        self.is_replaced = False

    def ask(self, *, gives_notice: bool = False, is_replaced: bool = False) -> None:
        """Ask it to go: with notice to balancers, or because another one has taken its place.

        Only the first time counts: who stops a whole family of processes often asks each of them,
        and their parent asks them too.
        """
        if not self._is_asked.is_set():
            self.gives_notice = gives_notice
            self.is_replaced = is_replaced
            self._is_asked.set()

    def signal(self, *, gives_notice: bool = False) -> None:
        """Somebody has sent a signal; with the second one, they have lost their patience."""
        if self._is_signalled:
            self.hurry()
        self._is_signalled = True
        self.ask(gives_notice=gives_notice)

    def hurry(self) -> None:
        """Have it over with."""
        self._is_hurried.set()
        self.ask()

    async def wait(self) -> None:
        """Wait until it is asked to go."""
        await self._is_asked.wait()

    async def unless_hurried(self, step: Coroutine[Any, Any, None]) -> None:
        """Take a step of going away; it is given up when somebody asks again."""
        hurry = asyncio.create_task(self._is_hurried.wait())
        stepping = asyncio.create_task(step)
        try:
            await asyncio.wait({hurry, stepping}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            hurry.cancel()
            stepping.cancel()
            await asyncio.wait({hurry, stepping})
        if not stepping.cancelled():
            stepping.result()
