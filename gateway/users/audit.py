"""This module owns the trail of what concerns security: what is in it, and its contract.

What every backend guarantees (the numbers are those of the contract suite):

1.  An entry is written in the transaction of the change that it tells of: both or neither.
2.  Numbers go up by one, in the order in which the changes counted. None is missing but before the
    first one, and then a cut tells through which number there are none.
3.  An entry never changes. It goes with those before it, when it is old, and not by itself.
4.  A page holds the entries of a query in order; the one after it goes on without hole or
    repetition.

No entry holds a secret, a name or an e-mail address: whom it is about is an id. Who that was goes
with the user.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, Protocol, TypeAlias, get_args

import msgspec

from gateway.users.user import User, folded

Action = Literal[
    "user.created",
    "user.changed",
    "user.disabled",
    "user.enabled",
    "user.deleted",
    "role.changed",
    "address.changed",
    "password.changed",
    "session.revoked",
    "sessions.revoked",
    "sign-in.slowed",
    "identity.linked",
    "key.created",
    "key.rotated",
    "key.revoked",
    "tracker.created",
    "tracker.rotated",
    "tracker.revoked",
    "peer.removed",
    "sockets.ended",
    "worker.drained",
    "audit.cut",
]
ACTIONS: tuple[str, ...] = get_args(Action)
Details: TypeAlias = dict[str, str | int | bool | list[str]]


class Deed(msgspec.Struct, frozen=True):
    """What was done, and to whom or to what: an id."""

    action: Action
    whom: str
    details: Details = {}


class Entry(msgspec.Struct, frozen=True, kw_only=True):
    """A line of the trail: a deed, with its number, its time, and who did it."""

    number: int
    at_ms: int
    subject: str
    via: str
    action: str
    whom: str
    details: Details
    request_id: str
    address: str


class AuditQuery(msgspec.Struct, frozen=True, kw_only=True):
    """Which entries, from which on, and how many; `after` is the last number of the page before."""

    subject: str | None = None
    whom: str | None = None
    action: str | None = None
    since_ms: int | None = None
    until_ms: int | None = None  # and not at that moment
    is_descending: bool = True
    after: int | None = None
    limit: int = 50


class AuditPage(msgspec.Struct, frozen=True):
    """Some entries of a query, in order; `total` counts those of all pages."""

    entries: Sequence[Entry]
    total: int
    has_more: bool


class AuditStore(Protocol):
    """The trail, kept; see the guarantees above. Everything raises `StoreUnavailable`."""

    async def note(self, now_ms: int, *deeds: Deed) -> None:
        """Write of what is no change of the store itself."""

    async def page(self, query: AuditQuery) -> AuditPage:
        """A page of a query."""

    async def cut(self, before_ms: int, now_ms: int) -> int:
        """Drop the oldest entries, those from before, and note it; how many there were."""


def deeds_of_new(user: User, *, is_import: bool = False) -> list[Deed]:
    """What it is to make a user."""
    details: Details = {"role": user.role}
    if is_import:
        details["imported"] = True
    return [Deed("user.created", user.id, details)]


def deeds_of_change(before: User, after: User) -> list[Deed]:
    """What a change of a user is, each kind of it by itself."""
    deeds: list[Deed] = []
    if before.role != after.role:
        deeds.append(Deed("role.changed", after.id, {"from": before.role, "to": after.role}))
    if before.disabled != after.disabled:
        deeds.append(Deed("user.disabled" if after.disabled else "user.enabled", after.id))
    if before.email != after.email:
        is_another = folded(before.email) != folded(after.email)
        deeds.append(Deed("address.changed", after.id, {"another": is_another}))
    fields = [name for name in ("name", "age") if getattr(before, name) != getattr(after, name)]
    if fields:
        deeds.append(Deed("user.changed", after.id, {"fields": fields}))
    return deeds
