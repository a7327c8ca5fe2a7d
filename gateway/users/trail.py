"""This module owns deeds that change nothing in the store, and are put down in its trail yet.

An operator's order counts without the store; a flood of wrong passwords is noticed in memory. They
are written when they have happened, and a store that is away costs a line of the log.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Final

import structlog

from gateway.rooms.buckets import Allowance, Buckets
from gateway.users.acting import actor
from gateway.users.audit import Action, AuditStore, Deed, Details
from gateway.users.store import StoreUnavailable
from gateway.users.user import User

logger = structlog.get_logger(__name__)

# Of accounts that are slowed down, each of which costs the store a question: strangers decide how
# many there are, and the trail is no place for them to fill.
_SLOWED: Final = Allowance(per_second=1 / 6, burst=100.0)


class Trail:
    """Nothing here raises, and what is written later nobody waits for."""

    def __init__(
        self, store: AuditStore, find_by_email: Callable[[str], Awaitable[User | None]]
    ) -> None:
        self._store = store
        self._find_by_email = find_by_email
        self._slowed = Buckets(_SLOWED, 1)
        self._writing: set[asyncio.Task[None]] = set()

    async def note(self, action: Action, whom: str, **details: str | None) -> None:
        """Put a deed down, here and in the log."""
        given: Details = {name: value for name, value in details.items() if value is not None}
        logger.info("= audit", by=actor().subject, action=action, whom=whom, **given)
        await self._write(Deed(action, whom, given))

    def note_slowed(self, email: str) -> None:
        """Put down later that an account is tried too often, if there is one of that address.

        Later, so that nobody learns from the time of an answer whether there is.
        """
        if self._slowed.take("", 1.0, time.monotonic()):
            return
        task = asyncio.create_task(self._write_slowed(email))
        self._writing.add(task)
        task.add_done_callback(self._writing.discard)

    async def stop(self) -> None:
        """Finish what is being written."""
        await asyncio.gather(*self._writing)

    async def _write_slowed(self, email: str) -> None:
        try:
            user = await self._find_by_email(email)
        except StoreUnavailable:
            return
        if user is not None:
            await self._write(Deed("sign-in.slowed", user.id))

    async def _write(self, deed: Deed) -> None:
        try:
            await self._store.note(time.time_ns() // 1_000_000, deed)
        except StoreUnavailable as unavailable:
            logger.warning("! not in the trail", action=deed.action, why=unavailable.reason)
        except Exception:
            logger.exception("! not in the trail", action=deed.action)
