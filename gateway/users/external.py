"""This module owns who users are elsewhere, and the contract of where that is kept.

Beyond what the contract of users guarantees (`store.py`):

1.  An identity of an issuer belongs to one user, for as long as there is that user.
2.  `create` makes the user and what it is elsewhere at once: both or neither. The address counts
    as verified from then on, because the issuer has done that.
3.  `spend` of one id is True once, whoever asks and how often, until it has expired.
"""

from __future__ import annotations

from typing import Protocol

import msgspec

from gateway.users.user import User


class ExternalIdentity(msgspec.Struct, frozen=True):
    """A user, as an OpenID issuer calls it. `subject` means nothing without the issuer."""

    issuer: str
    subject: str


class IdentityTaken(Exception):
    """The identity belongs to somebody by now, or the user is not there any more."""


class ExternalStore(Protocol):
    """Identities of issuers, kept. Everything raises `StoreUnavailable`."""

    async def find_user(self, identity: ExternalIdentity) -> User | None:
        """The user to whom the identity belongs."""

    async def link(self, identity: ExternalIdentity, user_id: str, now_ms: int) -> None:
        """Give the identity to a user; raises `IdentityTaken`."""

    async def create(self, user: User, identity: ExternalIdentity) -> None:
        """Keep a new user to whom the identity belongs; raises `EmailTaken`, `IdentityTaken`."""

    async def note_use(self, identity: ExternalIdentity, now_ms: int) -> None:
        """Remember when the identity was last used."""

    async def spend(self, sign_in_id: str, now_ms: int, expires_at_ms: int) -> bool:
        """Note that a sign-in has ended; False when that was noted before."""
