"""This module owns which rooms of a worker are worth a line: the largest and the busiest ones.

Nobody counts publications by room: how far a room's offset has moved says it.
"""

from __future__ import annotations

import asyncio
import heapq
from collections.abc import Iterable, Iterator, Mapping
from itertools import islice
from operator import attrgetter
from typing import Final, TypeVar

from gateway.rooms.membership import Audience, RoomReaders
from protocol.reports import RoomLine

KEPT: Final = 50  # by size, and as many by rate
# How many are looked at before others may have the event loop: about a millisecond's worth.
PER_TURN: Final = 1000

Thing = TypeVar("Thing")


class RoomWatch:
    """Remembers where the rooms stood, from one look to the next."""

    def __init__(self) -> None:
        self._offsets: dict[str, tuple[str, int]] = {}
        self._looked_seconds: float | None = None

    async def look(self, rooms: Mapping[str, RoomReaders], now_seconds: float) -> list[RoomLine]:
        """The rooms worth a line, with what was published since the look before."""
        before, self._offsets = self._offsets, {}
        looked_seconds, self._looked_seconds = self._looked_seconds, now_seconds
        elapsed_seconds = now_seconds - (looked_seconds or now_seconds)
        lines: list[RoomLine] = []
        for some in _turns(tuple(rooms.values())):
            for readers in some:
                epoch, offset = readers.place.epoch, readers.place.offset
                self._offsets[readers.room] = epoch, offset
                known_epoch, known_offset = before.get(readers.room, (epoch, offset))
                moved = offset - known_offset if known_epoch == epoch else 0
                rate = moved / elapsed_seconds if elapsed_seconds > 0 else 0.0
                lines.append(RoomLine(room_id=readers.room, members=readers.count, per_second=rate))
            lines = worth_a_line(lines)
            await asyncio.sleep(0)
        return lines


async def lane_counts(audiences: Iterable[Audience]) -> tuple[int, int]:
    """How many of the peers that are live in a room are in the fast lane, and in the slow one."""
    fast = slow = 0
    for some in _turns(tuple(audiences)):
        for audience in some:
            fast += len(audience.fast)
            slow += len(audience.slow)
        await asyncio.sleep(0)
    return fast, slow


def worth_a_line(lines: Iterable[RoomLine]) -> list[RoomLine]:
    """The largest rooms and the busiest ones, each once, the largest first."""
    found = list(lines)
    if len(found) > KEPT:
        largest = heapq.nlargest(KEPT, found, key=attrgetter("members"))
        busiest = heapq.nlargest(KEPT, found, key=attrgetter("per_second"))
        found = list({line.room_id: line for line in (*largest, *busiest)}.values())
    return sorted(found, key=lambda line: (-line.members, line.room_id))


def _turns(things: Iterable[Thing]) -> Iterator[list[Thing]]:
    left = iter(things)
    while some := list(islice(left, PER_TURN)):
        yield some
