"""This module owns the bodies of webhooks: what is told to those who want to hear of events."""

from __future__ import annotations

import datetime as dt
from typing import Any, Literal

import msgspec

RoomEventName = Literal["room.occupied", "room.vacated", "peer.joined", "peer.left"]


class Message(msgspec.Struct, frozen=True, kw_only=True):
    """What is sent.

    `type` is `user.created`, `user.changed`, `user.disabled` or `user.deleted`, whose data is the
    user as it was then, or `room.activity`, whose data is a `RoomActivity`.
    """

    type: str
    timestamp: dt.datetime
    data: Any


class RoomEvent(msgspec.Struct, frozen=True, kw_only=True, rename="camel", omit_defaults=True):
    """Who came or went, or what that meant to the room."""

    type: RoomEventName
    room_id: str
    at: dt.datetime
    peer_id: str | None = None
    subject: str | None = None


class RoomActivity(msgspec.Struct, frozen=True, kw_only=True):
    """Some events of rooms, the oldest first of each room; a crowd is told of in few messages."""

    events: list[RoomEvent]
