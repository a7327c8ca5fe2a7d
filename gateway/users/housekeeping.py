"""This module owns the contract of forgetting what has ended and nobody asks for any more.

Everything raises `StoreUnavailable`, gives how many there were, and may be done again at any time.
Times are milliseconds since 1970.
"""

from __future__ import annotations

from typing import Protocol


class HousekeepingStore(Protocol):
    """What has ended, forgotten; a piece at a time, so that nobody waits for long."""

    async def forget_sessions(self, before_ms: int) -> int:
        """Drop sessions that expired before."""

    async def forget_keys(self, before_ms: int) -> int:
        """Drop API keys that expired before."""

    async def forget_creations(self, before_ms: int) -> int:
        """Drop idempotency keys from before."""
