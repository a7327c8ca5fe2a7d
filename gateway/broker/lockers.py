"""This module owns the contract of lockers: small private values that workers share for a while.

What every backend guarantees (the numbers are those of the contract suite):

1.  What was put is there for every worker until its time is over, or somebody takes it.
2.  It is taken once: of several that try, one gets it.
3.  Putting again takes the place of what was there.
"""

from __future__ import annotations

from typing import Protocol


class Lockers(Protocol):
    """Values by key. All raise `BrokerUnavailable`."""

    async def put(self, key: str, value: bytes, keep_seconds: float) -> None:
        """Keep a value under a key for so long."""

    async def look(self, key: str) -> bytes | None:
        """What is there, which stays there."""

    async def take(self, key: str) -> bytes | None:
        """What is there, which then is not there any more."""
