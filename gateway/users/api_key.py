"""This module owns the rules of API keys, and the contract of where they are kept.

Pure. Times are milliseconds since 1970.
"""

from __future__ import annotations

import datetime as dt
import hmac
from collections.abc import Sequence
from typing import Protocol

import msgspec
from msgspec import UNSET, UnsetType

from gateway.identity import (
    Grants,
    Identity,
    PresentedKey,
    Role,
    is_tracker_id,
    subject_of_key,
)
from protocol.keys import KeyView
from protocol.refusals import Refusal, Refused


class ApiKey(msgspec.Struct, frozen=True, kw_only=True):
    """What is kept of a key; for as long as a rotation overlaps, of two secrets."""

    id: str
    name: str
    digest: str
    previous_digest: str | None = None
    previous_until_ms: int | None = None
    join: tuple[str, ...]
    publish: tuple[str, ...]
    created_at_ms: int
    expires_at_ms: int | None = None
    used_at_ms: int | None = None

    @property
    def is_tracker(self) -> bool:
        """Whether it is a tracker code."""
        return is_tracker_id(self.id)

    def view(self, text: str | UnsetType = UNSET) -> KeyView:
        """What answers show of it; the key itself only where it was made."""
        return KeyView(
            id=self.id,
            name=self.name,
            tracker=self.is_tracker,
            join=self.join,
            publish=self.publish,
            created_at=_time_of(self.created_at_ms),
            expires_at=_time_or_none(self.expires_at_ms),
            used_at=_time_or_none(self.used_at_ms),
            previous_until=_time_or_none(self.previous_until_ms),
            key=text,
        )

    def expires_ms(self, digest: str) -> int | None:
        """When that secret of the key ends; None: never. Raises `Refused` if it is none of its."""
        if hmac.compare_digest(digest, self.digest):
            return self.expires_at_ms
        previous, until_ms = self.previous_digest, self.previous_until_ms
        if previous is None or until_ms is None or not hmac.compare_digest(digest, previous):
            raise unknown_key()
        return until_ms if self.expires_at_ms is None else min(until_ms, self.expires_at_ms)


def rotated(key: ApiKey, digest: str, now_ms: int, overlap_ms: int) -> ApiKey:
    """The key with a new secret; the one before is good for a while, any earlier one is not."""
    return msgspec.structs.replace(
        key, digest=digest, previous_digest=key.digest, previous_until_ms=now_ms + overlap_ms
    )


def identity_of_key(presented: PresentedKey, key: ApiKey | None, now_ms: int) -> Identity:
    """Who shows the key; raises `Refused` (TOKEN_INVALID, TOKEN_EXPIRED)."""
    if key is None:
        raise unknown_key()
    expires_ms = key.expires_ms(presented.digest)
    if expires_ms is not None and expires_ms <= now_ms:
        raise Refused(Refusal.TOKEN_EXPIRED, "The API key has expired.")
    return Identity(
        subject=subject_of_key(key.id),
        # A phone is no backend: it has the limits of any other peer.
        role=Role.RIDER if key.is_tracker else Role.SERVICE,
        grants=Grants(key.join, key.publish),
        expires_at_seconds=None if expires_ms is None else expires_ms / 1000,
        key_digest=presented.digest,
        key_name=key.name,
    )


def unknown_key() -> Refused:
    """The no to a key that is not known, or not any more."""
    return Refused(Refusal.TOKEN_INVALID, "There is no such API key.")


class KeyStore(Protocol):
    """API keys, kept. Everything raises `StoreUnavailable`; changes are told to all workers."""

    async def save(self, key: ApiKey, now_ms: int) -> None:
        """Keep a new key."""

    async def rotate(self, before: ApiKey, after: ApiKey, now_ms: int) -> bool:
        """Put the next secret in the place of the one before; False when that is not there."""

    async def find(self, key_id: str) -> ApiKey | None:
        """The key of that id."""

    async def all(self) -> Sequence[ApiKey]:
        """Every key, the newest first."""

    async def delete(self, key_id: str, now_ms: int) -> bool:
        """Drop a key; False when there is none."""

    async def note_use(self, key_id: str, now_ms: int) -> None:
        """Remember that the key was used."""


def _time_of(milliseconds: int) -> dt.datetime:
    return dt.datetime.fromtimestamp(milliseconds / 1000, dt.UTC)


def _time_or_none(milliseconds: int | None) -> dt.datetime | None:
    return None if milliseconds is None else _time_of(milliseconds)
