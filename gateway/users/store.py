"""This module owns the contract of where users are kept.

What every backend guarantees (the numbers are those of the contract suite):

1.  What was saved is found, by its id and by its e-mail in letters of either case, as it was saved.
2.  Two users never have one e-mail: `save` raises `EmailTaken` and changes nothing.
3.  No lost update: a user of version n takes the place of version n - 1 and of no other one, else
    `save` raises `VersionStale`. Version 1 takes the place of nobody.
4.  `delete` of a version deletes that version or nothing; what is deleted is not found any more.
5.  A page holds the users of a query in its order and no others; the page after the last user of
    the one before goes on without hole or repetition among users that did not change meanwhile.
    `total` counts the users of the query, on all pages.
6.  A creation under a key happens once: the same key again gives the user that it made, whoever
    asks at the same time, until the key is forgotten after `KEY_LIFETIME_SECONDS`. With another
    fingerprint it raises `KeyReused`.
7.  `save_new` keeps, of many new users, those whose e-mail is free; of two with one e-mail, one.
8.  Both or neither: what raises has changed nothing. `StoreUnavailable` alone leaves open whether
    the change was made: the answer may have been lost on its way.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, Literal, Protocol

import msgspec

from gateway.users.user import User
from protocol.users import UserRole

KEY_LIFETIME_SECONDS: Final = 86_400.0

SortField = Literal["createdAt", "name", "email"]


class StoreUnavailable(Exception):
    """The store cannot answer right now; trying again later is right."""

    def __init__(self, reason: str = "", retry_after_ms: int = 2000) -> None:
        super().__init__(f"the store is unavailable{reason and ': '}{reason}")
        self.reason = reason
        self.retry_after_ms = retry_after_ms


class EmailTaken(Exception):
    """Another user has that e-mail."""


class VersionStale(Exception):
    """The user has changed in the meantime, or is not there any more."""


class KeyReused(Exception):
    """The idempotency key was used for something else."""


class Creation(msgspec.Struct, frozen=True):
    """What makes a creation happen once. `key` belongs to its sender; times are as in `User`."""

    key: str
    fingerprint: str
    now_ms: int


class UserQuery(msgspec.Struct, frozen=True, kw_only=True):
    """Which users, in which order, and how many of them.

    `after` is the last user of the page before, as `sorting.place_of` gives it; `offset` users are
    skipped.
    """

    role: UserRole | None = None
    disabled: bool | None = None
    email: str | None = None
    name_prefix: str | None = None
    sort: SortField = "createdAt"
    is_descending: bool = False
    after: tuple[int | str, str] | None = None
    offset: int = 0
    limit: int = 50


class UserPage(msgspec.Struct, frozen=True):
    """Some users of a query, in order."""

    users: Sequence[User]
    total: int
    has_more: bool


class UserStore(Protocol):
    """Users, kept; see the guarantees above. Everything raises `StoreUnavailable`."""

    async def save(self, user: User) -> None:
        """Keep a new user, or the next version of one; raises `EmailTaken`, `VersionStale`."""

    async def create(self, user: User, creation: Creation) -> User:
        """Keep a new user, once; gives the user that the key made. Raises `KeyReused` as well."""

    async def save_new(self, people: Sequence[User]) -> set[str]:
        """Keep many new users at once; gives the ids of those that were kept."""

    async def find_by_id(self, user_id: str) -> User | None:
        """The user of that id."""

    async def find_by_email(self, email: str) -> User | None:
        """The user of that e-mail."""

    async def delete(self, user_id: str, now_ms: int, version: int | None = None) -> bool:
        """Delete a user; False when there is none. Raises `VersionStale` for another version."""

    async def page(self, query: UserQuery) -> UserPage:
        """A page of a query."""
