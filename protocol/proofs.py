"""This module owns the bodies about proving an e-mail address: verification, a lost password."""

from __future__ import annotations

import datetime as dt
from typing import Annotated

import msgspec
from msgspec import Meta

from protocol.passwords import NewPassword
from protocol.sessions import SessionBody
from protocol.users import Email

# What a mail brought; whoever has it can read that mailbox. Good once.
ProofToken = Annotated[
    str,
    Meta(
        min_length=20,
        max_length=100,
        pattern=r"^[A-Za-z0-9_-]+$(?!\n)",
        description="the token out of a mail",
    ),
]


class Verification(SessionBody, frozen=True, kw_only=True):
    """Who shows that a mail was read."""

    token: ProofToken


class PasswordLost(SessionBody, frozen=True, kw_only=True):
    """Who cannot sign in any more."""

    email: Email


class PasswordReset(SessionBody, frozen=True, kw_only=True):
    """A new password, by somebody who can read the mail of the account."""

    token: ProofToken
    password: NewPassword


class VerificationView(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """An address, and since when it is known to be read by its user; null: it is not."""

    email: Email
    verified_at: dt.datetime | None
