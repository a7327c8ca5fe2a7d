"""This module owns the bodies by which an operator says whom to remove."""

from __future__ import annotations

from typing import Annotated

import msgspec
from msgspec import Meta

from protocol.events import RoomId

Id = Annotated[str, Meta(min_length=1, max_length=200)]


class Whom(msgspec.Struct, frozen=True, kw_only=True, rename="camel", omit_defaults=True):
    """All sockets of a subject, or one peer: one of the two. The answer says it again."""

    subject: Id | None = None
    peer_id: Id | None = None


class Removed(msgspec.Struct, frozen=True, rename="camel"):
    """A peer that was taken out of a room, if it was there."""

    room_id: RoomId
    peer_id: Id
