"""This module owns the bodies by which an operator says whom to remove."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar, Final

import msgspec
from msgspec import Meta

from protocol.events import RoomId

ID_LIMIT_CHARACTERS: Final = 200
Id = Annotated[str, Meta(min_length=1, max_length=ID_LIMIT_CHARACTERS)]


class Whom(msgspec.Struct, frozen=True, kw_only=True, rename="camel", omit_defaults=True):
    """All sockets of a subject, or one peer: one of the two. The answer says it again."""

    schema_rules: ClassVar[dict[str, Any]] = {
        "oneOf": [{"required": ["subject"]}, {"required": ["peerId"]}]
    }

    subject: Id | None = None
    peer_id: Id | None = None


class Removed(msgspec.Struct, frozen=True, rename="camel"):
    """A peer that was taken out of a room, if it was there."""

    room_id: RoomId
    peer_id: Id
