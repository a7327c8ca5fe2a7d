"""This module owns what is answered to a tracker's report, for people who try it by hand."""

from __future__ import annotations

import msgspec
from msgspec import UNSET, UnsetType

from protocol.events import CursorText, RoomId


class Reported(msgspec.Struct, frozen=True, rename="camel", omit_defaults=True):
    """Where the report went; without a cursor it went nowhere, and `ignored` says why."""

    room_id: RoomId
    bike_id: str
    cursor: CursorText | UnsetType = UNSET
    ignored: str | UnsetType = UNSET
