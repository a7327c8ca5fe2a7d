"""This module owns what was read of the stream and has to wait: by room, and until when.

What is left over of a room goes before all that comes later for it, so that is left over too. The
other rooms go on, until too much is waiting: then nobody reads until less is.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import msgspec

from gateway.feeds.entries import Entry, room_of

LIMIT_ENTRIES: Final = 10_000
LIMIT_BYTES: Final = 16_777_216
FIRST_WAIT_SECONDS: Final = 0.5
LONGEST_WAIT_SECONDS: Final = 8.0


class _Waiting(msgspec.Struct):
    entries: list[Entry]
    due_seconds: float
    wait_seconds: float


class Leftovers:
    """Entries by room, in the order of the stream. `now_seconds` is any clock that goes forward."""

    def __init__(self) -> None:
        self._rooms: dict[str, _Waiting] = {}
        self._entries = 0
        self._bytes = 0

    def __bool__(self) -> bool:
        return bool(self._rooms)

    @property
    def space(self) -> int:
        """How many entries may still be read; an entry is as large as Redis lets it be."""
        return 0 if self._bytes >= LIMIT_BYTES else max(0, LIMIT_ENTRIES - self._entries)

    def takes(self, entry: Entry) -> bool:
        """Keep one that was read, if its room waits already; False when it does not."""
        waiting = self._rooms.get(room_of(entry) or "")
        if waiting is None:
            return False
        waiting.entries.append(entry)
        self._count(entry, 1)
        return True

    def put_back(self, room: str, entries: Sequence[Entry], now_seconds: float) -> None:
        """Tried in vain: they go before what waits already, and the room waits longer each time."""
        waiting = self._rooms.get(room)
        if waiting is None:
            waiting = self._rooms[room] = _Waiting([], 0.0, FIRST_WAIT_SECONDS / 2)
        waiting.entries[:0] = entries
        waiting.wait_seconds = min(waiting.wait_seconds * 2, LONGEST_WAIT_SECONDS)
        waiting.due_seconds = now_seconds + waiting.wait_seconds
        for entry in entries:
            self._count(entry, 1)

    def due_in_seconds(self, now_seconds: float) -> float | None:
        """How long until some room's turn; None when none waits."""
        if not self._rooms:
            return None
        return max(0.0, min(each.due_seconds for each in self._rooms.values()) - now_seconds)

    def take_due(self, now_seconds: float, limit: int) -> list[Entry]:
        """Up to `limit` entries of rooms whose turn it is; the rooms wait until `release`."""
        taken: list[Entry] = []
        for waiting in self._rooms.values():
            if waiting.due_seconds <= now_seconds and len(taken) < limit:
                count = limit - len(taken)
                taken += waiting.entries[:count]
                del waiting.entries[:count]
        for entry in taken:
            self._count(entry, -1)
        return taken

    def release(self) -> None:
        """Rooms of which nothing waits any more go on as all others."""
        for room in [room for room, waiting in self._rooms.items() if not waiting.entries]:
            del self._rooms[room]

    def _count(self, entry: Entry, sign: int) -> None:
        self._entries += sign
        self._bytes += sign * entry.size_bytes
