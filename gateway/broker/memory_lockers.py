"""This module owns lockers within one process."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from typing import Final

# Those that were put first go when there are too many.
LOCKERS_LIMIT: Final = 10_000


class MemoryLockers:
    """Values in a dictionary, the one that was put first in front."""

    def __init__(self, now: Callable[[], float], lockers_limit: int = LOCKERS_LIMIT) -> None:
        self._now = now
        self._lockers_limit = lockers_limit
        self._values: OrderedDict[str, tuple[float, bytes]] = OrderedDict()

    def __len__(self) -> int:
        return len(self._values)

    async def put(self, key: str, value: bytes, keep_seconds: float) -> None:
        """Keep a value."""
        self._values[key] = (self._now() + keep_seconds, value)
        self._values.move_to_end(key)
        if len(self._values) > self._lockers_limit:
            self._drop_old()
        while len(self._values) > self._lockers_limit:
            self._values.popitem(last=False)

    async def look(self, key: str) -> bytes | None:
        """What is there."""
        return self._fresh(self._values.get(key))

    async def take(self, key: str) -> bytes | None:
        """What is there, once."""
        return self._fresh(self._values.pop(key, None))

    def _fresh(self, found: tuple[float, bytes] | None) -> bytes | None:
        return None if found is None or found[0] <= self._now() else found[1]

    def _drop_old(self) -> None:
        now_seconds = self._now()
        over = [key for key, (until, _) in self._values.items() if until <= now_seconds]
        for key in over:
            del self._values[key]
