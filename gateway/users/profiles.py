"""This module owns users for reading: from memory, else from what workers share, else the store.

What somebody may do is never decided by these: a shared cache may be written to by others than us,
so that what it says is shown, and nothing follows from it.
"""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Collection
from typing import Protocol

import msgspec

from gateway.metrics import Metrics
from gateway.users.cache import Cache
from gateway.users.user import User


class Shelf(Protocol):
    """Users that all workers may take from, each for an hour. Nothing here raises or takes long.

    What was taken from the store before `forget` is not there after it, whoever puts it there.
    """

    async def find(self, user_id: str) -> User | str | None:
        """The user; else what allows to put it there, or None when that cannot be now."""

    def put(self, user: User, permit: str) -> None:
        """Leave a user for all workers, unless it has changed since the permit was given."""

    async def forget(self, user_ids: Collection[str]) -> None:
        """What is there of these does not hold any more."""

    def forget_all(self) -> None:
        """Nothing that is there holds any more."""

    async def stop(self) -> None:
        """End; a second call does nothing."""


class _Shown(msgspec.Struct, frozen=True):
    """What is remembered of an id; None: there is no such user."""

    user: User | None


class Profiles:
    """One worker's users for reading. Whoever changes them says `forget`, before and after."""

    def __init__(
        self,
        find_by_id: Callable[[str], Awaitable[User | None]],
        shelf: Shelf | None = None,
        metrics: Metrics | None = None,
    ) -> None:
        self._find_by_id = find_by_id
        self._shelf = shelf
        self._metrics = metrics or Metrics()
        self._cache: Cache[_Shown] = Cache(self._load)

    def find(self, user_id: str) -> User | None:
        """The user of that id, if it is in memory."""
        shown = self._cache.find(user_id)
        if shown is None or shown.user is None:
            return None
        self._metrics.user_reads["memory"] += 1
        return shown.user

    async def get(self, user_id: str) -> User | None:
        """The user of that id; raises `StoreUnavailable`."""
        shown = self._cache.find(user_id)
        if shown is None:
            return (await self._cache.renew(user_id)).user
        self._metrics.user_reads["memory"] += 1
        return shown.user

    async def forget(self, user_ids: Collection[str]) -> None:
        """Have nobody read what these were before a change."""
        if not user_ids:
            return
        self._forget_here(user_ids)
        if self._shelf is not None:
            await self._shelf.forget(user_ids)
            # What was taken from the shelf in between may be from before.
            self._forget_here(user_ids)

    def forget_all(self) -> None:
        """Nothing that was known holds any more."""
        if self._shelf is not None:
            self._shelf.forget_all()
        self._cache.forget_all()

    async def stop(self) -> None:
        """End; a second call does nothing."""
        if self._shelf is not None:
            await self._shelf.stop()

    def _forget_here(self, user_ids: Collection[str]) -> None:
        for user_id in user_ids:
            self._cache.forget(user_id)

    async def _load(self, user_id: str) -> _Shown:
        permit: str | None = None
        if self._shelf is not None:
            began_seconds = time.perf_counter()
            found = await self._shelf.find(user_id)
            if isinstance(found, User):
                self._note("shared", began_seconds)
                return _Shown(found)
            permit = found
        began_seconds = time.perf_counter()
        user = await self._find_by_id(user_id)
        self._note("store", began_seconds)
        if self._shelf is not None and user is not None and permit is not None:
            self._shelf.put(user, permit)
        return _Shown(user)

    def _note(self, source: str, began_seconds: float) -> None:
        self._metrics.user_reads[source] += 1
        elapsed_us = round((time.perf_counter() - began_seconds) * 1e6)
        self._metrics.user_read_seconds[source].note(elapsed_us)
