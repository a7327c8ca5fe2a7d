"""This module owns a room's history over HTTP: what is asked, and what is answered."""

from __future__ import annotations

from typing import Annotated, Final

import msgspec
from msgspec import Meta, Raw

from protocol.events import CursorText, RoomId

LIMIT_MOST_PUBLICATIONS: Final = 1000


class HistoryQuery(msgspec.Struct, frozen=True, kw_only=True):
    """After which cursor, and how many publications at most."""

    since: CursorText
    limit: Annotated[int, Meta(ge=1, le=LIMIT_MOST_PUBLICATIONS)] = 100


class Told(msgspec.Struct, frozen=True):
    """A publication as members were told it, and the place just behind it."""

    event: str
    cursor: CursorText
    data: Raw


class RoomHistory(msgspec.Struct, frozen=True, rename="camel"):
    """A page, in the room's order; what comes next is after `cursor`, some of it already there."""

    room_id: RoomId
    publications: list[Told]
    cursor: CursorText
    has_more: bool
