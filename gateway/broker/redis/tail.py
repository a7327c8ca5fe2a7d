"""This module owns the end of one followed room's log, kept while many ask what they missed.

Thousands that come back within seconds each ask from a place of their own, and Redis would be asked
as often. What is delivered here is the log from now on; a tail keeps it, and one read of what came
before joins it from the other side. An answer is the log up to the last delivery, which is where
its reader goes on; whoever has been further than that, at another worker, is not answered here.
"""

from __future__ import annotations

import collections
from collections.abc import Sequence
from itertools import islice
from typing import Final

from gateway.broker.redis.reads import Entry, Log
from protocol.cursor import Cursor

TAIL_LIMIT_BYTES: Final = 262_144
_OVERHEAD_BYTES: Final = 512  # what an entry takes besides its packet and its attachments
# A crowd is back within seconds; whoever comes by alone may as well ask Redis.
_UNASKED_SECONDS: Final = 10.0


class Tail:
    """Everything that was published between two places. Times are seconds of any one clock."""

    __slots__ = (
        "__weakref__",
        "_asked_seconds",
        "_end",
        "_entries",
        "_seconds",
        "_size_bytes",
        "_start",
    )

    def __init__(self, place: Cursor, now_seconds: float) -> None:
        """Empty: its end, which is what was delivered up to, is its start."""
        self._start = self._end = place
        self._entries: collections.deque[Entry] = collections.deque()
        self._seconds: collections.deque[float] = collections.deque()  # when each was published
        self._size_bytes = 0
        self._asked_seconds = now_seconds

    def is_wanted(self, now_seconds: float) -> bool:
        """Whether anybody has asked within the last seconds."""
        return now_seconds - self._asked_seconds < _UNASKED_SECONDS

    def append(self, entry: Entry, now_seconds: float) -> None:
        """Take in what has just been delivered."""
        self._entries.append(entry)
        self._seconds.append(now_seconds)
        self._end = entry[1].cursor
        self._size_bytes += _size_of(entry)
        while self._size_bytes > TAIL_LIMIT_BYTES:
            self._drop_first()

    def reach_back(self, log: Log, now_seconds: float) -> None:
        """Take in what was read of the log before the start, if it leads there."""
        start = self._start
        earlier = [
            (entry, time_ms)
            for entry, time_ms in zip(log.entries, log.times_ms, strict=True)
            if entry[1].offset <= start.offset
        ]
        if not earlier or earlier[-1][0][1].cursor != start:
            return
        for entry, time_ms in reversed(earlier):
            before, publication = entry
            size_bytes = self._size_bytes + _size_of(entry)
            if publication.cursor != self._start or size_bytes > TAIL_LIMIT_BYTES:
                return
            self._entries.appendleft(entry)
            self._seconds.appendleft(now_seconds - (log.now_ms - time_ms) / 1000)
            self._size_bytes = size_bytes
            self._start = Cursor(publication.epoch, publication.offset - 1, before)

    def after(
        self, since: Cursor, now_seconds: float, within: int, within_seconds: float
    ) -> Sequence[Entry] | None:
        """Everything after `since`; None when that is not known here.

        No more than `within` publications, none of them older than `within_seconds`.
        """
        self._asked_seconds = now_seconds
        index, behind = since.offset - self._start.offset, self._end.offset - since.offset
        if since.epoch != self._start.epoch or index < 0 or not 0 <= behind <= within:
            return None
        if behind == 0:
            return () if since == self._end else None
        is_kept = now_seconds - self._seconds[index] < within_seconds
        if self._entries[index][0] != since.proof or not is_kept:
            return None
        return list(islice(self._entries, index, None))

    @property
    def end(self) -> Cursor:
        """The place after the last publication."""
        return self._end

    def _drop_first(self) -> None:
        first = self._entries.popleft()
        self._seconds.popleft()
        self._size_bytes -= _size_of(first)
        self._start = first[1].cursor


def _size_of(entry: Entry) -> int:
    publication = entry[1]
    attachments_bytes = sum(map(len, publication.attachments))
    return len(publication.packet) + attachments_bytes + _OVERHEAD_BYTES
