"""This module owns the bodies of the trail: what is answered of it, and what may be asked for."""

from __future__ import annotations

import datetime as dt
from typing import Annotated, Final, Literal

import msgspec
from msgspec import Meta

from protocol.users import Cursor, UserBody, line

ENTRIES_MOST: Final = 500  # on one page
_Milliseconds = Annotated[int, Meta(ge=0, le=2**53 - 1, description="milliseconds since 1970, UTC")]


class AuditListing(UserBody, frozen=True, kw_only=True):
    """Which entries a list shows, the newest first unless told: the parameters of its URL.

    `subject` is who did it, `whom` to whom or what. `until_ms` itself is not among them.
    """

    subject: Annotated[str, line(200)] | None = None
    whom: Annotated[str, line(200)] | None = None
    action: Annotated[str, line(50)] | None = None
    since_ms: _Milliseconds | None = None
    until_ms: _Milliseconds | None = None
    sort: Literal["number", "-number"] = "-number"
    limit: Annotated[int, Meta(ge=1, le=ENTRIES_MOST)] = 50
    cursor: Cursor | None = None


class AuditView(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """An entry: `subject` did it, `via` says how that is known, `whom` is an id."""

    number: int
    at: dt.datetime
    subject: str
    via: str
    action: str
    whom: str
    details: dict[str, str | int | bool | list[str]]
    request_id: str
    address: str
