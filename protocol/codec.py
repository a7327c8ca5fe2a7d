"""This module owns the way from a packet's arguments to an event, or a refusal, and to bytes."""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable, Sequence
from typing import Any, Final

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

# Far more than anybody means, far less than what decoders anywhere take before they overflow.
NESTING_LIMIT_LEVELS: Final = 100
# Whatever is no longer than this is neither nested too deeply nor an infinity.
_SHORT_BYTES: Final = 2 * NESTING_LIMIT_LEVELS

# JSON.parse may read an integer of 309 digits as an infinity; the decoder here does not mind.
_endless_integer = re.compile(rb"(?<![\d.eE+])(?<![eE]-)\d{309,}+(?![.eE])").search
_NINES: Final = bytes.maketrans(b"012345678", b"9" * 9)
_ENDLESS_NINES: Final = b"9" * 309
_two_digits = re.compile(rb"\d\d").search
_DIGIT_PROBE_BYTES: Final = 150
_event_opening = re.compile(rb'(?:2|5\d+-)\["((?:[^"\\]|\\.)*)",').match
_SQUARE: Final = bytes.maketrans(b"{}", b"[]")
_NOT_BRACKETS: Final = bytes(set(range(256)) - set(b"[]{}"))
_STEPS: Final = {ord("["): 1, ord("]"): -1}
_PAIRING_ROUNDS: Final = 4

_KNOWN_NAMES: Final[dict[tuple[str, ...], tuple[str, ...]]] = {}
_KNOWN_NAMES_LIMIT: Final = 256

_MALFORMED_JSON: Final = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)
_encode = msgspec.json.Encoder().encode
_decode_any = msgspec.json.Decoder().decode
_decode_text = msgspec.json.Decoder(str).decode
_decode_options = msgspec.json.Decoder(events.UpdateOptions).decode
# A field that has a refusal of its own, in whatever way it is wrong.
_REFUSALS_OF_FIELDS: Final = {
    "`$.roomId`": Refusal.INVALID_ROOM,
    "field `roomId`": Refusal.INVALID_ROOM,
    "`$.since`": Refusal.INVALID_CURSOR,
}


def plain_json(data: bytes) -> object:
    """Decode JSON; refuse what is none, is nested too deeply, or is an infinity in JavaScript.

    A typed decoder skips over the values that it does not know: it looks at their syntax, but
    neither at the size of numbers nor at the encoding of strings. This one builds them all.
    """
    try:
        value = _decode_any(data)
    except _MALFORMED_JSON as error:
        raise Refused(Refusal.MALFORMED, f"Not plain JSON: {error}") from error
    if len(data) > _SHORT_BYTES:
        _check_extremes(data)
    return value


def _check_extremes(data: bytes) -> None:
    """Refuse what takes many bytes to say: a number without an end, nesting without a bottom."""
    # From the cheapest question to the exact one; nearly every payload is done after the first.
    # A run of 309 digits shows in two neighbours of any sample taken every 150 bytes.
    if _two_digits(data[::_DIGIT_PROBE_BYTES]) is not None and _holds_endless_integer(data):
        raise Refused(Refusal.MALFORMED, "Not plain JSON: an integer beyond every limit.")
    # How deep the decoder can go depends on how deep in calls it is, so it cannot be the limit.
    if _is_too_deep(data):
        raise Refused(Refusal.MALFORMED, f"Nested more than {NESTING_LIMIT_LEVELS} levels deep.")


def _holds_endless_integer(data: bytes) -> bool:
    if _ENDLESS_NINES not in data.translate(_NINES):
        return False
    return _endless_integer(_outside_strings(data)) is not None


def _is_too_deep(data: bytes) -> bool:
    if data.count(b"{") + data.count(b"[") <= NESTING_LIMIT_LEVELS:
        return False
    brackets = _outside_strings(data).translate(_SQUARE, _NOT_BRACKETS)
    # A round takes one level off, from the inside; a few leave next to nothing of most payloads.
    for _ in range(_PAIRING_ROUNDS):
        brackets = brackets.replace(b"[]", b"")
    depths = itertools.accumulate(map(_STEPS.__getitem__, brackets))
    return max(depths, default=0) > NESTING_LIMIT_LEVELS - _PAIRING_ROUNDS


def _outside_strings(data: bytes) -> bytes:
    """What of a JSON text stands outside of quotes."""
    without_escapes = data.replace(b"\\\\", b"").replace(b'\\"', b"")
    return b"".join(without_escapes.split(b'"')[::2])


def decode(name: str, arguments: Sequence[bytes | Raw]) -> events.Event:
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
        raise Refused(_refusal_of(error), f"{name}: {error}") from error


def _refusal_of(error: Exception) -> Refusal:
    found = (no for field, no in _REFUSALS_OF_FIELDS.items() if str(error).endswith(field))
    return next(found, Refusal.MALFORMED)


def bike_update_of(
    payload: bytes | Raw, idempotency_key: str | None = None, room: str | None = None
) -> events.BikeUpdate:
    """Read one bike-update object; where it does not name its room, `room` is written into it.

    Raises `Refused`; also when the object names another room than `room`.
    """
    data = bytes(payload)
    _check_size(data)
    fields = _fields_of(data)
    named = fields.get("roomId")
    if room is None:
        room = check_room_name(named)
    elif named is None:
        data = _with_room(data, room)
        fields["roomId"] = room
    elif named != room:
        raise Refused(Refusal.INVALID_ROOM, "The object names another room.")
    return _update_of(room, data, fields, idempotency_key)


def bike_update_read(data: bytes, fields: dict[str, Any]) -> events.BikeUpdate:
    """The same of an object that names its room, and that the caller has decoded to `fields`.

    Nearly every update comes this way.
    """
    if len(data) > _SHORT_BYTES:
        _check_size(data)
        _check_extremes(data)
    return _update_of(check_room_name(fields.get("roomId")), data, fields, None)


def _check_size(data: bytes) -> None:
    if len(data) > EVENT_DATA_LIMIT_BYTES:
        raise Refused(Refusal.TOO_LARGE, details={"limitBytes": EVENT_DATA_LIMIT_BYTES})


def _update_of(
    room: str, data: bytes, fields: dict[str, Any], idempotency_key: str | None
) -> events.BikeUpdate:
    key = bikes.key_of(fields)
    if key is None:
        return events.BikeUpdate(room, data, idempotency_key=idempotency_key)
    return events.BikeUpdate(
        room,
        data,
        key,
        "op" in fields and fields["op"] == "remove",
        bikes.own_time_ms(fields),
        idempotency_key,
        None if b"null" in data else _names_of(fields),
    )


def _names_of(fields: dict[str, Any]) -> tuple[str, ...]:
    """The names of the fields: the same object each time, as rooms remember many of them."""
    names = tuple(fields)
    known = _KNOWN_NAMES.get(names)
    if known is None:
        if len(_KNOWN_NAMES) >= _KNOWN_NAMES_LIMIT:
            _KNOWN_NAMES.clear()  # they come from strangers
        _KNOWN_NAMES[names] = known = names
    return known


def _fields_of(data: bytes) -> dict[str, Any]:
    fields = plain_json(data)
    if type(fields) is not dict:
        raise Refused(Refusal.MALFORMED, "bike-update: Expected an object.")
    return fields


def _with_room(data: bytes, room: str) -> bytes:
    """Append `roomId` to an object: of two fields with one name every reader takes the last."""
    fields = data.strip()[1:-1]
    return b"".join(
        (b"{", fields, b"," if fields.strip() else b"", b'"roomId":', _encode(room), b"}")
    )


def publish_of(
    room: str, event: str, data: bytes | Raw, idempotency_key: str | None = None
) -> events.Publish:
    """Build a checked `publish`; raises `Refused`."""
    check_room_name(room)
    check_event_name(event)
    payload = bytes(data)
    _check_size(payload)
    plain_json(payload)
    return events.Publish(room, event, Raw(payload), idempotency_key)


def check_event_name(name: str) -> None:
    """Raise `Refused` unless an application may give its event this name."""
    if name in RESERVED_NAMES:
        raise Refused(Refusal.RESERVED_EVENT)
    if not 0 < len(name) <= EVENT_NAME_LIMIT_CHARACTERS or not name.isprintable():
        raise Refused(Refusal.MALFORMED, "An event's name is 1 to 64 printable characters.")


def packet_of(name: str, payload: bytes | events.Event, attachments: int = 0) -> bytes:
    """Build the finished Socket.IO EVENT packet of the main namespace: `2["name",payload]`.

    With attachments it is a BINARY_EVENT, `5<count>-["name",payload]`, whose placeholders are in
    the payload already.
    """
    data = payload if isinstance(payload, bytes) else _encode(payload)
    packet = b"%b%b]" % (_OPENINGS.get(name) or _opening_of(name), data)
    return b"5%d-%b" % (attachments, packet[1:]) if attachments else packet


def updated_packet(payload: bytes) -> bytes:
    """What `packet_of` makes of a bike-updated, which nearly every packet is."""
    return b"".join((_UPDATED_OPENING, payload, b"]"))


def with_arguments(packet: bytes, arguments: bytes) -> bytes:
    """Append more arguments, JSON with commas between them, to an event's packet."""
    return b"%b,%b]" % (packet[:-1], arguments) if arguments else packet


def check_placeholders(payload: bytes | Raw, attachments: int) -> None:
    """Raise `Refused` unless each placeholder stands for one of so many attachments.

    A JavaScript client drops its connection over one that does not.
    """
    data = bytes(payload)
    if b"_placeholder" not in data and b"\\" not in data:  # it could be spelled with escapes
        return
    waiting = [_decode_any(data)]
    while waiting:
        value = waiting.pop()
        if isinstance(value, list):
            waiting.extend(value)
        elif isinstance(value, dict):
            if value.get("_placeholder") is True:
                number = value.get("num")
                if type(number) is not int or not 0 <= number < attachments:
                    raise Refused(Refusal.MALFORMED, "A placeholder stands for no attachment.")
            waiting.extend(value.values())


def payload_of(packet: bytes, name: str) -> bytes:
    """Take the payload back out of what `packet_of` built for `name`."""
    return packet[len(_OPENINGS.get(name) or _opening_of(name)) : -1]


def parts_of(packet: bytes) -> tuple[str, bytes]:
    """Take the name and the payload out of any packet that `packet_of` built."""
    found = _event_opening(packet)
    assert found is not None, "packet_of builds no other"
    return _decode_text(b'"%b"' % found[1]), packet[found.end() : -1]


def _opening_of(name: str) -> bytes:
    return b"2[%b," % _encode(name)


_OPENINGS: Final = {name: _opening_of(name) for name in RESERVED_NAMES}
_UPDATED_OPENING: Final = _OPENINGS["bike-updated"]


def _room_alone_or(kind: type[events.Event]) -> Callable[[Sequence[bytes | Raw]], events.Event]:
    decode_object = msgspec.json.Decoder(kind).decode

    def decode_argument(arguments: Sequence[bytes | Raw]) -> events.Event:
        raw = bytes(arguments[0])
        event = kind(check_room_name(_decode_text(raw))) if raw[:1] == b'"' else decode_object(raw)
        check_room_name(event.room_id)  # type: ignore[attr-defined] # all rows with room_alone have it
        return event

    return decode_argument


def _bike_update(arguments: Sequence[bytes | Raw]) -> events.Event:
    key = _decode_options(arguments[1]).idempotency_key if len(arguments) > 1 else None
    return bike_update_of(arguments[0], key)


def _publish(arguments: Sequence[bytes | Raw]) -> events.Event:
    event = _decode_publish(arguments[0])
    return publish_of(event.room_id, event.event, event.data, event.idempotency_key)


_decode_publish = msgspec.json.Decoder(events.Publish).decode
_decode_authenticate = msgspec.json.Decoder(events.Authenticate).decode

_DECODERS: Final[dict[str, Callable[[Sequence[bytes | Raw]], events.Event]]] = {
    **{name: _room_alone_or(row.argument) for name, row in CLIENT_EVENTS.items() if row.room_alone},
    "bike-update": _bike_update,
    "publish": _publish,
    "authenticate": lambda arguments: _decode_authenticate(arguments[0]),
}
