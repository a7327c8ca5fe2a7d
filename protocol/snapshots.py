"""This module owns a room's present state over HTTP: what is asked, and what is answered."""

from __future__ import annotations

from typing import Literal

import msgspec

from protocol.events import CursorText, RoomId, Snapshot

Format = Literal["json", "geojson"]


class SnapshotQuery(msgspec.Struct, frozen=True, kw_only=True):
    """In which form; unless told, as `Accept` says."""

    format: Format | None = None


class RoomSnapshot(msgspec.Struct, frozen=True, rename="camel"):
    """The last value of every bike, and the place in the room's history at which it is so."""

    room_id: RoomId
    cursor: CursorText
    bikes: Snapshot
