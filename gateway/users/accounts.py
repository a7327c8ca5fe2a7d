"""This module owns what can be done with users: the rules, applied to the store, once and whole."""

from __future__ import annotations

import secrets
from collections.abc import Awaitable, Callable, Container
from typing import Final

from msgspec import UNSET

from gateway.users.standings import Standings
from gateway.users.store import (
    Creation,
    EmailTaken,
    KeyReused,
    UserPage,
    UserQuery,
    UserStore,
    VersionStale,
)
from gateway.users.user import ID_RANDOM_BYTES, User, changed, is_user_id, new_user
from protocol.refusals import Refusal, Refused
from protocol.users import NewUser, OwnChanges, UserChanges

# Each attempt that fails is one that somebody else's did not: a hundred writers at once are served.
_ATTEMPTS: Final = 100

# Asks for proof that it is the user who is asking; raises `Refused`.
Confirm = Callable[[User], Awaitable[None]]


class Accounts:
    """Users, for the doors. Raises `Refused` for a no and `StoreUnavailable` for not now."""

    def __init__(self, store: UserStore, standings: Standings | None = None) -> None:
        self._store = store
        self._standings = standings

    async def create(
        self, body: NewUser, now_ms: int, key: str | None = None, fingerprint: str = ""
    ) -> User:
        """Make a user; under a key once, however often it is asked for."""
        user = new_user(body, now_ms, secrets.token_bytes(ID_RANDOM_BYTES))
        try:
            if key is not None:
                return await self._store.create(user, Creation(key, fingerprint, now_ms))
            await self._store.save(user)
        except EmailTaken as taken:
            raise _email_taken() from taken
        except KeyReused as reused:
            raise Refused(Refusal.KEY_REUSED) from reused
        return user

    async def get(self, user_id: str) -> User:
        """The user of that id to be shown, perhaps as it was a moment ago on another worker.

        Nothing may follow from it (`profiles.py`). Raises `Refused` (NOT_FOUND).
        """
        standings = self._standings
        if standings is None or not (standings.are_up_to_date or await standings.catch_up()):
            return await self.get_from_store(user_id)
        user = standings.profiles.find(user_id)  # mostly there is one, and nothing to wait for
        if user is None and is_user_id(user_id):
            user = await standings.profiles.get(user_id)
        return _there(user)

    async def get_from_store(self, user_id: str) -> User:
        """The user of that id, as it is; raises `Refused` (NOT_FOUND)."""
        return _there(await self._store.find_by_id(user_id) if is_user_id(user_id) else None)

    async def page(self, query: UserQuery) -> UserPage:
        """A page of users."""
        return await self._store.page(query)

    async def change(
        self,
        user_id: str,
        changes: UserChanges | OwnChanges,
        now_ms: int,
        versions: Container[int] | None = None,
        confirm: Confirm | None = None,
    ) -> User:
        """Change a user, if it is of one of these versions (None: of any).

        Without versions the changes are made to whatever the user is by then: those of others to
        other fields stay. `confirm` is asked before another address is kept. Raises `Refused`
        (NOT_FOUND, PRECONDITION_FAILED, CONFLICT, EMAIL_TAKEN), and what `confirm` raises.
        """
        for _ in range(_ATTEMPTS):
            user = await self.get_from_store(user_id)
            if versions is not None and user.version not in versions:
                raise Refused(Refusal.PRECONDITION_FAILED)
            if changes.version not in {UNSET, user.version}:
                raise Refused(Refusal.CONFLICT, details={"version": user.version})
            after = changed(user, changes, now_ms)
            if after is user:
                return user
            if confirm is not None and after.email != user.email:
                await confirm(user)
            try:
                await self._store.save(after)
            except VersionStale:
                continue
            except EmailTaken as taken:
                raise _email_taken() from taken
            await self._changed(user_id)
            return after
        raise Refused(Refusal.CONFLICT)

    async def delete(
        self, user_id: str, now_ms: int, versions: Container[int] | None = None
    ) -> None:
        """Delete a user, if it is of one of these versions (None: of any)."""
        for _ in range(_ATTEMPTS):
            user = await self.get_from_store(user_id)
            if versions is not None and user.version not in versions:
                raise Refused(Refusal.PRECONDITION_FAILED)
            try:
                version = None if versions is None else user.version
                is_deleted = await self._store.delete(user_id, now_ms, version)
            except VersionStale:
                continue
            if not is_deleted:
                raise Refused(Refusal.NOT_FOUND, "There is no such user.")
            await self._changed(user_id)
            return
        raise Refused(Refusal.CONFLICT)

    async def _changed(self, user_id: str) -> None:
        if self._standings is not None:
            await self._standings.changed({user_id})


def _there(user: User | None) -> User:
    if user is None:
        raise Refused(Refusal.NOT_FOUND, "There is no such user.")
    return user


def _email_taken() -> Refused:
    said = Refusal.EMAIL_TAKEN.sentence
    return Refused(Refusal.EMAIL_TAKEN, details={"fields": {"email": said}})
