"""This module owns the rules of users: how one comes to be, and what a change makes of it.

Pure: the time and what is random are arguments. What a single value must be like stands with the
bodies, in `protocol/users.py`.
"""

from __future__ import annotations

import datetime as dt
import functools
import re
import unicodedata
import uuid
from typing import Final

import msgspec
from msgspec import UNSET

from gateway.identity import Role
from protocol.users import NewUser, OwnChanges, UserChanges, UserRole, UserView

ID_RANDOM_BYTES: Final = 10
_ID_CHARACTERS: Final = 36
_ID: Final = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}")
_CHANGEABLE: Final = ("email", "name", "age", "role", "disabled")


# `dict` is where a cached property is kept; it is no part of what the user is.
class User(msgspec.Struct, frozen=True, kw_only=True, dict=True):
    """A user. Times are milliseconds since 1970; `version` counts the changes from 1 on."""

    id: str
    email: str
    name: str
    age: int | None = None
    role: UserRole = "rider"
    disabled: bool = False
    created_at_ms: int
    updated_at_ms: int
    version: int = 1
    tokens_valid_after_ms: int = 0  # tokens from before are of an earlier role, or revoked

    def view(self) -> UserView:
        """What answers show of it."""
        return UserView(
            id=self.id,
            email=self.email,
            name=self.name,
            age=self.age,
            role=self.role,
            disabled=self.disabled,
            created_at=_time_of(self.created_at_ms),
            updated_at=_time_of(self.updated_at_ms),
            version=self.version,
        )

    @functools.cached_property
    def shown_json(self) -> bytes:
        """The answer that shows it, made once for all who read the user while it is in memory."""
        return msgspec.json.encode({"data": self.view()})

    @property
    def as_role(self) -> Role:
        """The role, as identities have it."""
        return Role(self.role)


def new_user(body: NewUser, now_ms: int, randomness: bytes) -> User:
    """A user from what was asked for; `randomness` is 10 bytes from a good source."""
    return User(
        id=id_of(now_ms, randomness),
        email=body.email,
        name=body.name,
        age=body.age,
        role=body.role,
        disabled=body.disabled,
        created_at_ms=now_ms,
        updated_at_ms=now_ms,
    )


def id_of(now_ms: int, randomness: bytes) -> str:
    """A UUID of version 7 (RFC 9562, section 5.7): in order of time, so that indexes stay dense."""
    random = int.from_bytes(randomness)
    value = (now_ms & 0xFFFF_FFFF_FFFF) << 80
    value |= 0x7 << 76 | (random >> 68 & 0xFFF) << 64
    value |= 0b10 << 62 | random & 0x3FFF_FFFF_FFFF_FFFF
    return str(uuid.UUID(int=value))


def is_user_id(text: str) -> bool:
    """Whether a user may have such an id; what tokens of other issuers call a subject need not."""
    return len(text) == _ID_CHARACTERS and _ID.fullmatch(text) is not None


def changed(user: User, changes: UserChanges | OwnChanges, now_ms: int) -> User:
    """The user after the changes; the very same one when they change nothing."""
    given = {name: getattr(changes, name, UNSET) for name in _CHANGEABLE}
    news = {
        name: value
        for name, value in given.items()
        if value is not UNSET and value != getattr(user, name)
    }
    if not news:
        return user
    if "role" in news or "disabled" in news:
        news["tokens_valid_after_ms"] = now_ms
    return msgspec.structs.replace(
        user, **news, version=user.version + 1, updated_at_ms=max(now_ms, user.updated_at_ms)
    )


def folded(text: str) -> str:
    """The form in which texts are compared: letters of either case, composed or not, are alike."""
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", text).casefold())


def _time_of(milliseconds: int) -> dt.datetime:
    return dt.datetime.fromtimestamp(milliseconds / 1000, dt.UTC)
