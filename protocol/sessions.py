"""This module owns the bodies of signing in: what is sent, and the tokens and sessions answered."""

from __future__ import annotations

import datetime as dt
from typing import Annotated

import msgspec
from msgspec import UNSET, Meta, UnsetType

from protocol.passwords import NewPassword, PresentPassword
from protocol.users import EMAIL_MOST_CHARACTERS, UserView, line


class SessionBody(msgspec.Struct, frozen=True, rename="camel", forbid_unknown_fields=True):
    """A body of these resources."""

    def __repr__(self) -> str:
        """Empty, because a repr ends up in tracebacks, and all of these hold secrets."""
        return f"{type(self).__name__}(...)"


class SignIn(SessionBody, frozen=True, kw_only=True):
    """Who wants in."""

    email: Annotated[str, line(EMAIL_MOST_CHARACTERS)]
    password: PresentPassword


class Refresh(SessionBody, frozen=True, kw_only=True):
    """The token that is exchanged for new ones; it is good once."""

    refresh_token: Annotated[str, Meta(min_length=1, max_length=8192)]


class OwnPassword(SessionBody, frozen=True, kw_only=True):
    """A new password, by somebody who knows the present one.

    Who has none, because a provider signs them in, has signed in a moment ago.
    """

    current_password: PresentPassword | UnsetType = UNSET
    new_password: NewPassword


class GivenPassword(SessionBody, frozen=True, kw_only=True):
    """A new password, by an administrator."""

    new_password: NewPassword


class SessionView(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """A session as answers show it; `is_current` is the one that asks."""

    id: str
    created_at: dt.datetime
    used_at: dt.datetime
    expires_at: dt.datetime
    agent: str
    address: str
    is_current: bool


class Tokens(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """What signing in, or refreshing, gives."""

    access_token: str
    expires_in_seconds: int
    refresh_token: str
    session: SessionView
    user: UserView
