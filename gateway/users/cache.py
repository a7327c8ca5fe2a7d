"""This module owns what a worker remembers of accounts, so that not each request asks the store."""

from __future__ import annotations

import asyncio
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from typing import Final, Generic, TypeVar

Value = TypeVar("Value")

ENTRIES_LIMIT: Final = 50_000
LIFETIME_SECONDS: Final = 3600.0


class Cache(Generic[Value]):
    """Values by key, loaded when they are missing: once, however many ask at the same time.

    What is forgotten while it is being loaded may be from before the change: it is not kept, and
    who waits for it waits for what is loaded after that.
    """

    def __init__(
        self, load: Callable[[str], Awaitable[Value]], clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._load = load
        self._clock = clock
        self._entries: OrderedDict[str, tuple[Value, float]] = OrderedDict()
        self._loading: dict[str, asyncio.Task[None]] = {}
        self.hits = 0
        self.misses = 0

    def __len__(self) -> int:
        return len(self._entries)

    def find(self, key: str) -> Value | None:
        """What is remembered, if it is."""
        entry = self._entries.get(key)
        if entry is None:
            return None
        value, until_seconds = entry
        if until_seconds <= self._clock():
            del self._entries[key]
            return None
        self._entries.move_to_end(key)
        self.hits += 1
        return value

    async def get(self, key: str) -> Value:
        """What is remembered, else what is loaded now; raises what the loading raises."""
        value = self.find(key)
        return await self.renew(key) if value is None else value

    def is_loading(self, key: str) -> bool:
        """Whether somebody is told something new in a moment."""
        return key in self._loading

    async def renew(self, key: str) -> Value:
        """What is loaded now; where that fails, what was remembered stays."""
        while True:
            task = self._loading.get(key)
            if task is None:
                self.misses += 1
                task = asyncio.create_task(self._loaded(key))
                self._loading[key] = task
            # Shielded: who gives up does not take it away from the others.
            await asyncio.shield(task)
            entry = self._entries.get(key)
            if entry is not None:
                return entry[0]

    def forget(self, key: str) -> None:
        """What was known of it does not hold any more."""
        self._entries.pop(key, None)
        self._loading.pop(key, None)

    def forget_all(self) -> None:
        """Nothing that was known holds any more."""
        self._entries.clear()
        self._loading.clear()

    async def _loaded(self, key: str) -> None:
        task = asyncio.current_task()
        try:
            value = await self._load(key)
            if self._loading.get(key) is task:
                self._entries[key] = (value, self._clock() + LIFETIME_SECONDS)
                if len(self._entries) > ENTRIES_LIMIT:
                    self._entries.popitem(last=False)
        finally:
            if self._loading.get(key) is task:
                del self._loading[key]
