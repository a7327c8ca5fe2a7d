"""This module owns what a change of a user causes: jobs that are owed if and only if it is made."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Literal

import msgspec

from gateway.users.job import NewJob
from gateway.users.user import User


class UserEvent(msgspec.Struct, frozen=True, kw_only=True):
    """What has become of a user. Times are milliseconds since 1970."""

    name: Literal["created", "changed", "deleted"]
    user: User  # as it is after that; of a deleted one, as it was last
    before: User | None = None  # of a changed one
    is_import: bool = False  # one of many
    is_verified: bool = False  # somebody else has made sure of the address
    at_ms: int


# Asked within the transaction, so it is quick and asks nobody itself.
Outbox = Callable[[UserEvent], Sequence[NewJob]]
