"""This module owns publications: events on their way into a room, and events accepted there."""

from __future__ import annotations

import enum

import msgspec

from protocol import codec, events
from protocol.bikes import STATION_KEY_PREFIX
from protocol.cursor import Cursor

# An observation from the future would make every honest update after it look old.
FUTURE_LIMIT_MS = 60_000


class Op(enum.IntEnum):
    """What a publication does to the room's last values."""

    NONE = 0
    UPSERT = 1
    REMOVE = 2


# A member of an enumeration costs a look-up each time it is named.
_NONE, _UPSERT = Op.NONE, Op.UPSERT


class Outcome(enum.IntEnum):
    """What became of a draft."""

    ACCEPTED = 0
    REPEATED = 1  # its idempotency key was seen before: the answer of then, again
    DUPLICATE = 2  # same entity, same own time, same content: not fanned out
    STALE = 3  # an older observation than the one the room has: not fanned out

    def __init__(self, _value: int) -> None:
        self.label = self.name.lower()


class Draft(msgspec.Struct, frozen=True, gc=False):
    """An event that asks to be accepted into a room.

    `packet` is the finished Socket.IO packet; `author` the peer that must not get it back.
    `key`, `op`, `time_ms` say which last value it changes, and how; a `time_ms` of None stands for
    the moment of acceptance. `names` are the fields that it sets, None when it clears any.
    `idempotency_key` is already scoped to its sender. `attachments` are what the packet's
    placeholders stand for; an event with any has no last value, which is JSON. `payload` is what
    an UPSERT patches the last value with. `accepted_us` is when it came in at a door, by the wall
    clock of that worker in microseconds; 0 for what the gateway says of itself. `trace` is the
    W3C `traceparent` of one that is followed on its way, which few are. `after` is the idempotency
    key of the draft that must be here first, scoped as well: without it this one is not accepted.
    """

    room: str
    event: str
    packet: bytes
    author: str | None = None
    key: str | None = None
    op: Op = Op.NONE
    time_ms: int | None = None
    idempotency_key: str | None = None
    names: tuple[str, ...] | None = None
    attachments: tuple[bytes, ...] = ()
    payload: bytes = b""
    accepted_us: int = 0
    trace: str = ""
    after: str | None = None


class Publication(msgspec.Struct, frozen=True, gc=False):
    """An event that was accepted: the `offset`-th of its room in `epoch`, the same for everyone.

    `names` are those of its draft, where they are known: with them an update that makes an older
    one void is told without reading either. `accepted_us` and `trace` are
    those of its draft.
    """

    room: str
    epoch: str
    offset: int
    proof: int
    event: str
    packet: bytes
    author: str | None = None
    key: str | None = None
    op: Op = Op.NONE
    attachments: tuple[bytes, ...] = ()
    names: tuple[str, ...] | None = None
    accepted_us: int = 0
    trace: str = ""

    @property
    def cursor(self) -> Cursor:
        """The place in the room's history just after this publication."""
        return Cursor(self.epoch, self.offset, self.proof)

    @property
    def payload(self) -> bytes:
        """The JSON that the event carries."""
        return codec.parts_of(self.packet)[1]


class Receipt(msgspec.Struct, frozen=True, gc=False):
    """The broker's answer to a draft; for one that is not fanned out, the room's present place."""

    cursor: Cursor
    outcome: Outcome


def draft_of_update(
    update: events.BikeUpdate,
    author: str | None,
    accepted_us: int,
    idempotency_key: str | None = None,
    attachments: tuple[bytes, ...] = (),
) -> Draft:
    """Turn a bike-update into what its room will be told: `bike-updated` or `bike-removed`."""
    if attachments:
        return draft_of_event(
            update.room_id,
            "bike-updated",
            update.payload,
            author,
            idempotency_key,
            attachments,
            accepted_us,
        )
    time_ms = update.time_ms
    if time_ms is not None and accepted_us < (time_ms - FUTURE_LIMIT_MS) * 1000:
        time_ms = accepted_us // 1000
    if update.removes:
        assert update.key is not None
        removal = removal_of(update.room_id, update.key, "removed", author, time_ms)
        return msgspec.structs.replace(
            removal, idempotency_key=idempotency_key, accepted_us=accepted_us
        )
    return Draft(
        update.room_id,
        "bike-updated",
        codec.updated_packet(update.payload),
        author,
        update.key,
        _NONE if update.key is None else _UPSERT,
        time_ms,
        idempotency_key,
        update.names,
        (),
        update.payload,
        accepted_us,
    )


def removal_of(
    room: str, key: str, reason: str, author: str | None = None, time_ms: int | None = None
) -> Draft:
    """Say that an entity is gone."""
    if key.startswith(STATION_KEY_PREFIX):
        station_id = key.removeprefix(STATION_KEY_PREFIX)
        body = events.BikeRemoved(room, reason, station_id=station_id)
    else:
        body = events.BikeRemoved(room, reason, bike_id=key)
    packet = codec.packet_of("bike-removed", body)
    return Draft(room, "bike-removed", packet, author, key, Op.REMOVE, time_ms)


def reset_of(room: str, reason: str) -> Publication:
    """Tell members that they may have missed something; it has no place in the room's order."""
    packet = codec.packet_of("room-reset", events.RoomReset(room, reason))
    return Publication(room, "", 0, 0, "room-reset", packet)


def draft_of_event(  # noqa: PLR0913, PLR0917 - one fact each about the event
    room: str,
    name: str,
    body: bytes | events.Event,
    author: str | None = None,
    idempotency_key: str | None = None,
    attachments: tuple[bytes, ...] = (),
    accepted_us: int = 0,
) -> Draft:
    """Any other event: relayed, kept in history, without a last value."""
    packet = codec.packet_of(name, body, len(attachments))
    return Draft(
        room,
        name,
        packet,
        author,
        idempotency_key=idempotency_key,
        attachments=attachments,
        accepted_us=accepted_us,
    )
