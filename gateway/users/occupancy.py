"""This module owns the contract of which rooms are told of as occupied, and by whom: once.

Everything raises `StoreUnavailable`. Times are milliseconds since 1970.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from typing import Protocol

from gateway.users.job import NewJob

# What is owed, given the rooms that were not occupied before, and those that were.
OwedBy = Callable[[Collection[str], Collection[str]], Sequence[NewJob]]


class OccupancyStore(Protocol):
    """Occupied rooms, kept."""

    async def settle(
        self, occupied: Collection[str], vacated: Collection[str], owed_by: OwedBy, now_ms: int
    ) -> set[str]:
        """Keep what these rooms are, and what is owed for it, both or neither.

        Of several workers that say the same at once, one makes the difference. Gives the rooms that
        were vacated by it.
        """

    async def unseen(self, before_ms: int, now_ms: int, limit: int) -> Sequence[str]:
        """Occupied rooms that nobody has looked at since, which count as looked at now."""
