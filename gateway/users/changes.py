"""This module owns how a worker hears of changes of accounts that others have made."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from typing import Final, Protocol

import msgspec
import structlog

from gateway.users.store import StoreUnavailable

logger = structlog.get_logger(__name__)

LOOK_SECONDS: Final = 0.4  # two looks within the second in which everybody has to know
_FRESH_SECONDS: Final = 1.0
_LOOK_BACK: Final = 500  # changes that may have been made while a later one was told already
KEPT_SECONDS: Final = 3600.0
_FORGET_EVERY_SECONDS: Final = 600.0


class Change(msgspec.Struct, frozen=True):
    """Something about a subject is not what it was: its rights, its sessions, its fields."""

    number: int
    subject: str


class ChangeStore(Protocol):
    """Changes, in the order of their numbers, nearly. Everything raises `StoreUnavailable`."""

    async def latest(self) -> int:
        """The highest number there is."""

    async def after(self, number: int) -> Sequence[Change]:
        """Changes of higher numbers, the lowest first."""

    async def forget(self, before_ms: int) -> None:
        """Drop the changes from before; times are milliseconds since 1970."""


Hear = Callable[[set[str] | None], Awaitable[None]]


class ChangeWatch:
    """Looks for changes from `start` to `stop`.

    `hear` is told of subjects, also of none at all when the store is back after it was away; None
    stands for anybody, when there is no telling who has changed.
    """

    def __init__(self, store: ChangeStore, hear: Hear) -> None:
        self._store = store
        self._hear = hear
        self._last = 0
        self._seen: set[int] = set()
        self._is_away = False  # whether the last look has failed
        self._is_in_doubt = True  # whether changes may have passed unseen, or numbers begun anew
        self._looked_at_seconds = float("-inf")
        self._forget_at_seconds = 0.0
        self._watching: asyncio.Task[None] | None = None
        self._catching_up: asyncio.Task[None] | None = None
        self._looking = asyncio.Lock()

    async def start(self) -> None:
        """Begin to look; a store that is away is looked at again."""
        await self._try_to_look()
        self._watching = asyncio.create_task(self._watch_forever())

    async def stop(self) -> None:
        """End; a second call does nothing."""
        tasks = [task for task in (self._watching, self._catching_up) if task is not None]
        self._watching = self._catching_up = None
        async with self._looking:  # a question that was asked is not broken off
            for task in tasks:
                task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    @property
    def is_up_to_date(self) -> bool:
        """Whether what others have changed more than a second ago is known here."""
        return time.monotonic() - self._looked_at_seconds < _FRESH_SECONDS

    async def catch_up(self) -> bool:
        """Look now, once for all who ask meanwhile; whether what is known is of a moment ago.

        A worker that has too little of the processor looks late. To ask the store about each user
        instead would make that worse. Where the store is away, it is not waited for.
        """
        asked_seconds = time.monotonic()
        if self._is_away:
            return False
        if self._catching_up is None or self._catching_up.done():
            self._catching_up = asyncio.create_task(self._try_to_look())
        await asyncio.shield(self._catching_up)
        return asked_seconds - self._looked_at_seconds < _FRESH_SECONDS

    def doubt(self) -> None:
        """Tell of the next look that succeeds, whether it has news or not."""
        self._is_in_doubt = True

    async def look(self) -> None:
        """Hear of what has changed since the last look; raises `StoreUnavailable`."""
        began_seconds = time.monotonic()
        was_in_doubt, self._is_in_doubt = self._is_in_doubt, False
        if was_in_doubt and await self._begins_anew():
            await self._hear(None)
        found = await self._store.after(self._last - _LOOK_BACK)
        fresh = {change.subject for change in found if change.number not in self._seen}
        if fresh or was_in_doubt:
            await self._hear(fresh)
        # Only now: what could not be heard of is told again at the next look.
        self._seen = {change.number for change in found}
        self._last = max([self._last, *self._seen])
        self._looked_at_seconds = began_seconds
        await self._forget_now_and_then(began_seconds)

    async def _begins_anew(self) -> bool:
        """Whether this is the first look, or the database is one from before the last look."""
        latest = await self._store.latest()
        if self._seen and latest >= self._last:
            return False
        self._last = latest
        self._seen = {change.number for change in await self._store.after(latest - _LOOK_BACK)}
        return True

    async def _forget_now_and_then(self, now_seconds: float) -> None:
        if now_seconds >= self._forget_at_seconds:
            self._forget_at_seconds = now_seconds + _FORGET_EVERY_SECONDS
            await self._store.forget(int((time.time() - KEPT_SECONDS) * 1000))

    async def _watch_forever(self) -> None:
        while True:
            await asyncio.sleep(LOOK_SECONDS)
            await self._try_to_look()

    async def _try_to_look(self) -> None:
        async with self._looking:
            try:
                await self.look()
            except StoreUnavailable:
                self._is_in_doubt = self._is_away = True
            except Exception:
                self._is_in_doubt = self._is_away = True
                logger.exception("! looking for changes of accounts failed")
            else:
                self._is_away = False
