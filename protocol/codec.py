"""This module owns the way from a packet's arguments to an event, or a refusal, and back to bytes."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Final

import msgspec
from msgspec import Raw

from protocol import bikes, events
from protocol.catalogue import (
    CLIENT_EVENTS,
    EVENT_DATA_LIMIT_BYTES,
    EVENT_NAME_LIMIT_CHARACTERS,
    RESERVED_NAMES,
)
from protocol.refusals import Refusal, Refused
from protocol.rooms import check_room_name

# JSON.parse reads an integer of 309 digits or more as an infinity; the decoder here does not mind.
_endless_integer = re.compile(rb"\d{309}").search
_two_digits = re.compile(rb"\d\d").search
_DIGIT_PROBE_BYTES: Final = 150
_MALFORMED_JSON: Final = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)
_encode = msgspec.json.Encoder().encode
_decode_any = msgspec.json.Decoder().decode
_decode_text = msgspec.json.Decoder(str).decode


class _UpdateOptions(msgspec.Struct, frozen=True, rename="camel"):
    idempotency_key: events.IdempotencyKey | None = None


_decode_options = msgspec.json.Decoder(_UpdateOptions).decode


def check_json(raw: bytes | Raw) -> None:
    """Refuse what is not JSON, and what would reach a JavaScript peer as an infinity or broken text.

    A typed decoder skips over the values that it does not know: it looks at their syntax, but
    neither at the size of numbers nor at the encoding of strings. This one builds them all.
    """
    data = raw if isinstance(raw, bytes) else bytes(raw)
    try:
        _decode_any(data)
    except _MALFORMED_JSON as error:
        raise Refused(Refusal.MALFORMED, f"Not plain JSON: {error}") from error
    # A run of 309 digits shows in two neighbours of any sample taken every 150 bytes.
    if _two_digits(data[::_DIGIT_PROBE_BYTES]) is not None and _endless_integer(data) is not None:
        raise Refused(Refusal.MALFORMED, "Not plain JSON: an integer beyond every limit.")


def decode(name: str, arguments: Sequence[Raw]) -> events.Event:
    """Turn a client's event into one of the catalogue's classes.

    Raises `Refused`: UNKNOWN_EVENT or RESERVED_EVENT for the name, and MALFORMED, INVALID_ROOM or
    TOO_LARGE for what came with it.
    """
    decoder = _DECODERS.get(name)
    if decoder is None:
        raise Refused(
            Refusal.RESERVED_EVENT if name in RESERVED_NAMES else Refusal.UNKNOWN_EVENT,
            details={"events": sorted(CLIENT_EVENTS)},
        )
    if not arguments:
        raise Refused(Refusal.MALFORMED, f"{name} needs an argument.")
    try:
        return decoder(arguments)
    except _MALFORMED_JSON as error:
        raise Refused(Refusal.MALFORMED, f"{name}: {error}") from error


def bike_update_of(
    payload: bytes | Raw, idempotency_key: str | None = None, room: str | None = None
) -> events.BikeUpdate:
    """Read one bike-update object; `room` stands in where the object does not name one itself.

    Raises `Refused`; also when the object names another room than `room`.
    """
    data = payload if isinstance(payload, bytes) else bytes(payload)
    if len(data) > EVENT_DATA_LIMIT_BYTES:
        raise Refused(Refusal.TOO_LARGE, details={"limitBytes": EVENT_DATA_LIMIT_BYTES})
    check_json(data)
    try:
        header = bikes.header_of(data)
    except _MALFORMED_JSON as error:
        raise Refused(Refusal.MALFORMED, f"bike-update: {error}") from error
    named = header.room_id
    if room is None:
        room = check_room_name(named)
    elif named is not None and named != room:
        raise Refused(Refusal.INVALID_ROOM, "The object names another room.")
    key = bikes.key_of(header)
    return events.BikeUpdate(
        room,
        data,
        key,
        removes=header.op == "remove" and key is not None,
        time_ms=None if key is None else bikes.own_time_ms(header),
        idempotency_key=idempotency_key,
    )


def publish_of(
    room: str, event: str, data: bytes | Raw, idempotency_key: str | None = None
) -> events.Publish:
    """Build a checked `publish`; raises `Refused`."""
    check_room_name(room)
    check_event_name(event)
    if len(bytes(data)) > EVENT_DATA_LIMIT_BYTES:
        raise Refused(Refusal.TOO_LARGE, details={"limitBytes": EVENT_DATA_LIMIT_BYTES})
    check_json(data)
    return events.Publish(room, event, Raw(bytes(data)), idempotency_key)


def check_event_name(name: str) -> None:
    """Raise `Refused` unless an application may give its event this name."""
    if name in RESERVED_NAMES:
        raise Refused(Refusal.RESERVED_EVENT)
    if not 0 < len(name) <= EVENT_NAME_LIMIT_CHARACTERS or not name.isprintable():
        raise Refused(Refusal.MALFORMED, "An event's name is 1 to 64 printable characters.")


def packet_of(name: str, payload: bytes | events.Event) -> bytes:
    """Build the finished Socket.IO EVENT packet of the main namespace: `2["name",payload]`."""
    data = payload if isinstance(payload, bytes) else _encode(payload)
    return b"".join((b"2[", _name_text(name), b",", data, b"]"))


def payload_of(packet: bytes, name: str) -> bytes:
    """Take the payload back out of what `packet_of` built for `name`."""
    return packet[3 + len(_name_text(name)) : -1]


_NAME_TEXTS: dict[str, bytes] = {name: _encode(name) for name in RESERVED_NAMES}


def _name_text(name: str) -> bytes:
    return _NAME_TEXTS.get(name) or _encode(name)


def _room_alone_or(kind: type[events.Event]) -> Callable[[Sequence[Raw]], events.Event]:
    decode_object = msgspec.json.Decoder(kind).decode

    def decode_argument(arguments: Sequence[Raw]) -> events.Event:
        raw = bytes(arguments[0])
        event = kind(check_room_name(_decode_text(raw))) if raw[:1] == b'"' else decode_object(raw)
        check_room_name(event.room_id)  # type: ignore[attr-defined] # all rows with room_alone have it
        return event

    return decode_argument


def _bike_update(arguments: Sequence[Raw]) -> events.Event:
    key = _decode_options(arguments[1]).idempotency_key if len(arguments) > 1 else None
    return bike_update_of(arguments[0], key)


def _publish(arguments: Sequence[Raw]) -> events.Event:
    event = _decode_publish(arguments[0])
    return publish_of(event.room_id, event.event, event.data, event.idempotency_key)


_decode_publish = msgspec.json.Decoder(events.Publish).decode
_decode_authenticate = msgspec.json.Decoder(events.Authenticate).decode

_DECODERS: Final[dict[str, Callable[[Sequence[Raw]], events.Event]]] = {
    **{name: _room_alone_or(row.argument) for name, row in CLIENT_EVENTS.items() if row.room_alone},
    "bike-update": _bike_update,
    "publish": _publish,
    "authenticate": lambda arguments: _decode_authenticate(arguments[0]),
}
