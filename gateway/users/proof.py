"""This module owns what a mail proves, and the contract of where that is kept.

Whoever brings back the token of a mail can read that mailbox. A token is kept as a hash, is good
once, for one purpose, until it expires, and only while the user has the address it was sent to.
Times are milliseconds since 1970.
"""

from __future__ import annotations

import hashlib
from typing import Final, Literal, Protocol

import msgspec

from gateway.users.user import User

Purpose = Literal["verification", "reset"]
LIFETIME_SECONDS: Final[dict[Purpose, float]] = {
    "verification": 3 * 86_400.0,
    "reset": 3_600.0,
}
TOKEN_BYTES: Final = 32


class Proof(msgspec.Struct, frozen=True, kw_only=True):
    """What is kept of a token."""

    digest: str
    user_id: str
    purpose: Purpose
    email_folded: str
    expires_at_ms: int


def proof_digest_of(token: str) -> str:
    """What is kept in the place of a token, which holds enough chance not to need a slow hash."""
    return hashlib.sha256(token.encode()).hexdigest()


class ProofStore(Protocol):
    """Tokens and verified addresses, kept. Everything raises `StoreUnavailable`."""

    async def keep(self, proof: Proof, now_ms: int) -> None:
        """Keep a token; those of the user that have expired are forgotten."""

    async def count(self, user_id: str, purpose: Purpose, expiring_after_ms: int) -> int:
        """How many tokens of a user there are that expire later than that."""

    async def find(self, digest: str, purpose: Purpose, now_ms: int) -> User | None:
        """Whose token it is, if it is good."""

    async def verify(self, digest: str, now_ms: int) -> User | None:
        """Take the token and verify the address, both or neither; None: it is not good."""

    async def reset(self, digest: str, password_hash: str, now_ms: int) -> User | None:
        """Take the token, set the password, end all sessions, and verify the address.

        All of it or nothing; None: it is not good.
        """

    async def verified_at_ms(self, user_id: str) -> int | None:
        """Since when the address that the user has is verified; None: it is not."""

    async def forget(self, before_ms: int) -> int:
        """Drop tokens that expired before; how many there were."""
