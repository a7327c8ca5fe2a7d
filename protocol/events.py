"""This module owns one class for each event: what a client may send and what it may receive."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec
from msgspec import UNSET, Meta, Raw, UnsetType


class Event(msgspec.Struct, frozen=True, rename="camel", omit_defaults=True):
    """A named message; its fields are written in camelCase on the wire."""


RoomId = Annotated[str, Meta(min_length=1, max_length=200, description="a room's name")]
CursorText = Annotated[str, Meta(max_length=80, description="an opaque place in a room's history")]
IdempotencyKey = Annotated[str, Meta(min_length=1, max_length=128)]
Snapshot = Annotated[
    Raw,
    Meta(
        description="the last value of every bike, as far as its updates told it",
        extra_json_schema={"type": "array", "items": {"type": "object"}},
        extra={"typescript": "BikeUpdateBody[]"},  # raw bytes have no fields to derive it from
    ),
]


def _null() -> Raw:
    return Raw(b"null")


# ---- from clients


class JoinRoom(Event, frozen=True):
    """Enter a room; `since` asks for what was missed after a cursor, `snapshot` for the present."""

    room_id: RoomId
    since: CursorText | None = None
    snapshot: bool = False


class LeaveRoom(Event, frozen=True):
    """Leave a room; leaving a room one is not in is no fault."""

    room_id: RoomId


class BikeUpdate(Event, frozen=True, gc=False):
    """News of one bike, or of anything else: the object reaches the others verbatim.

    `key` is whom it is about (None: no entity), `removes` whether it says that the entity is gone,
    `time_ms` when it was observed by its own clock. `names` are the object's fields, in order; None
    when one of them may be null, or it does not matter.
    """

    room_id: RoomId
    payload: bytes
    key: str | None = None
    removes: bool = False
    time_ms: int | None = None
    idempotency_key: IdempotencyKey | None = None
    names: tuple[str, ...] | None = None


class BikeUpdateBody(msgspec.Struct, frozen=True, kw_only=True, rename={"room_id": "roomId"}):
    """The object of a bike-update: the fields that the gateway reads; all others pass untouched."""

    room_id: RoomId
    op: Literal["upsert", "remove"] = "upsert"
    bike_id: str | int | None = None
    vehicle_id: str | int | None = None
    bikeId: str | int | None = None  # noqa: N815 - accepted spelling of clients
    id: str | int | None = None
    station_id: str | int | None = None
    timestamp: int | float | str | None = None
    last_reported: int | float | str | None = None


class UpdateOptions(Event, frozen=True):
    """What may stand beside a bike-update, as a second argument: the object itself is verbatim."""

    idempotency_key: IdempotencyKey | None = None


class Publish(Event, frozen=True):
    """Any other event for a room; `data` reaches the others verbatim."""

    room_id: RoomId
    event: Annotated[str, Meta(min_length=1, max_length=64)]
    data: Raw = msgspec.field(default_factory=_null)
    idempotency_key: IdempotencyKey | None = None


class Presence(Event, frozen=True):
    """Ask who is in a room."""

    room_id: RoomId


class Authenticate(Event, frozen=True):
    """Replace the token of a live socket; the subject must stay the same."""

    token: Annotated[str, Meta(min_length=1, max_length=8192)]


# ---- to clients


class BikeRemoved(Event, frozen=True):
    """A bike (or a station) is gone: an update said so, or nothing was heard of it for too long."""

    room_id: RoomId
    reason: str
    bike_id: str | UnsetType = UNSET
    station_id: str | UnsetType = UNSET


class Member(Event, frozen=True):
    """A peer in a room, as others see it."""

    peer_id: str
    subject: str


class MemberJoined(Event, frozen=True):
    """Somebody came in; only in rooms of a kind with presence."""

    room_id: RoomId
    member: Member


class MemberLeft(Event, frozen=True):
    """Somebody went out; only in rooms of a kind with presence."""

    room_id: RoomId
    member: Member


class RoomReset(Event, frozen=True):
    """Continuity of a room is lost: fetch the snapshot again."""

    room_id: RoomId
    reason: str


class TokenExpiring(Event, frozen=True):
    """The socket's token is about to expire: send `authenticate` with a new one."""

    expires_at_ms: int


class GoodbyeNotice(Event, frozen=True):
    """Said just before the gateway closes the socket."""

    code: int
    reason: str
    reconnect_after_ms: int | UnsetType = UNSET


# ---- acknowledgements


class Joined(Event, frozen=True):
    """Answer to `join-room`; `recovered` and `missed` only when `since` was given."""

    room_id: RoomId
    cursor: CursorText
    recovered: bool | UnsetType = UNSET
    missed: int | UnsetType = UNSET
    snapshot: Snapshot | UnsetType = UNSET


class Left(Event, frozen=True):
    """Answer to `leave-room`."""

    room_id: RoomId


class Published(Event, frozen=True):
    """Answer to `bike-update` and `publish`: where the publication stands in the room's history."""

    room_id: RoomId
    cursor: CursorText


class Members(Event, frozen=True):
    """Answer to `presence`."""

    room_id: RoomId
    members: list[Member]


class Authenticated(Event, frozen=True):
    """Answer to `authenticate`."""

    subject: str
    role: str
    expires_at_ms: int | None = None
