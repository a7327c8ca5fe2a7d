"""This module owns the grammar of Socket.IO packets (protocol 5), read strictly.

What the reference parser of JavaScript refuses is refused here, so that nothing passes that would
make another client drop its connection.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from typing import Any, Final

import msgspec
from msgspec import Raw
from socketio.packet import Packet as LibraryPacket

from protocol.catalogue import CLIENT_EVENTS

CONNECT: Final = 0
DISCONNECT: Final = 1
EVENT: Final = 2
ACK: Final = 3
CONNECT_ERROR: Final = 4
BINARY_EVENT: Final = 5
BINARY_ACK: Final = 6

ATTACHMENTS_LIMIT: Final = 10
_FROM_CLIENTS: Final = frozenset({CONNECT, DISCONNECT, EVENT, ACK, BINARY_EVENT, BINARY_ACK})
_WITH_ATTACHMENTS: Final = frozenset({BINARY_EVENT, BINARY_ACK})
_WITH_ARRAY: Final = frozenset({EVENT, ACK, BINARY_EVENT, BINARY_ACK})
# type, attachments, namespace (its query is nobody's), ack id (at most 2^53 - 1), the rest
_GRAMMAR: Final = re.compile(
    rb"([0-6])(?:(\d{1,2})-)?(?:(/[^,?]{0,128})(?:\?[^,]*)?(?:,|$))?(\d{1,15})?(.*)", re.DOTALL
)
_event = re.compile(rb"2(\d{0,15})\[").match
_binary_event = re.compile(rb"5\d{1,2}-\d{0,15}\[").match
# Nearly every event: where its only argument begins and ends shows without reading it.
_UPDATE: Final = "bike-update"
_update = re.compile(rb'2(\d{0,15})\["bike-update",(\{.*\})\]', re.DOTALL).fullmatch
# To look a name up costs less than to decode it.
_KNOWN_NAMES: Final = {msgspec.json.encode(name): name for name in CLIENT_EVENTS}
_decode_array = msgspec.json.Decoder(list[Raw]).decode
_decode_text = msgspec.json.Decoder(str).decode
_decode_any = msgspec.json.Decoder().decode
_encode = msgspec.json.Encoder().encode


class PacketInvalid(ValueError):
    """These bytes are not a Socket.IO packet that a client may send."""


class NotPlain(PacketInvalid):
    """It is an event, and its JSON has what JSON should not: a NaN, or half of a character."""

    def __init__(self, ack_id: bytes) -> None:
        super().__init__()
        self.ack_id = ack_id


class Packet(msgspec.Struct, frozen=True):
    """A packet as it came; `data` is JSON of the form that its kind asks for, not yet decoded."""

    kind: int
    namespace: str
    ack_id: bytes | None
    data: bytes
    attachments: int = 0


class Event(msgspec.Struct, frozen=True, gc=False):
    """An event of the main namespace: its name, its arguments, and the ack id as it was written.

    `fields` is what the only argument of an update says, when that was read on the way; it then
    is bytes.
    """

    name: str
    arguments: Sequence[bytes | Raw]
    ack_id: bytes
    fields: dict[str, Any] | None = None


def main_event_of(text: bytes) -> Event | None:
    """Read an event of the main namespace, which is nearly all that is ever sent; None for others.

    Raises `PacketInvalid` when it is one and cannot be read.
    """
    if (found := _update(text)) is not None:
        ack_id, argument = found.groups()
        try:
            fields = _decode_any(argument)
        except (ValueError, RecursionError):
            fields = None  # more than one object, or none: what is wrong is said below
        if fields is not None:
            return Event(_UPDATE, (argument,), ack_id, fields)
    found = _event(text)
    if found is None:
        return None
    try:
        name, *arguments = _decode_array(text[found.end() - 1 :])
        return Event(_KNOWN_NAMES.get(bytes(name)) or _decode_text(name), arguments, found[1])
    except (ValueError, RecursionError) as error:  # also msgspec's errors and an empty array
        raise _fault_of(text[found.end() - 1 :], found[1]) from error


def ack_id_of(text: bytes) -> bytes:
    """Where the answer to a packet goes, found without reading it; empty when none is wanted."""
    found = _event(text)
    return b"" if found is None else found[1]


def binary_event_of(text: bytes) -> Packet | None:
    """Read an event of the main namespace that attachments follow; None for others.

    Raises `PacketInvalid` when it is one and cannot be read.
    """
    return packet_of(text) if _binary_event(text) else None


def _fault_of(data: bytes, ack_id: bytes) -> PacketInvalid:
    """What is wrong with an event's data; the standard library reads what msgspec does not."""
    try:
        name, *_ = json.loads(data)
    except (ValueError, TypeError, RecursionError):
        return PacketInvalid()
    return NotPlain(ack_id) if isinstance(name, str) else PacketInvalid()


def packet_of(text: bytes) -> Packet:
    """Read any packet that a client may send. Raises `PacketInvalid`."""
    found = _GRAMMAR.fullmatch(text)
    if found is None:
        raise PacketInvalid
    kind = int(found[1])
    attachments = int(found[2] or 0)
    if kind not in _FROM_CLIENTS or (found[2] is not None) != (kind in _WITH_ATTACHMENTS):
        raise PacketInvalid
    if attachments > ATTACHMENTS_LIMIT or (kind in {ACK, BINARY_ACK} and found[4] is None):
        raise PacketInvalid
    _check_data(kind, found[5])
    try:
        namespace = (found[3] or b"/").decode()
    except UnicodeDecodeError as error:
        raise PacketInvalid from error
    return Packet(kind, namespace, found[4], found[5], attachments)


def ack_packet(ack_id: bytes, body: bytes) -> bytes:
    """The answer to an event: one argument, which is JSON already."""
    return b"3%b[%b]" % (ack_id, body)


def connect_packet(sid: str, pid: str | None = None) -> bytes:
    """The acceptance of a client into the main namespace; `pid` is what it may come back with.

    JavaScript takes itself for recovered when it gets the `pid` that it has come back with.
    """
    if pid is None:
        return b'0{"sid":"%b"}' % sid.encode()
    return b'0{"sid":"%b","pid":"%b"}' % (sid.encode(), pid.encode())


def connect_error_packet(message: str, data: Any = None) -> bytes:  # noqa: ANN401 - any JSON
    """The refusal of a client; JavaScript makes an Error of it, with `message` and `data`."""
    body = {"message": message} if data is None else {"message": message, "data": data}
    return b"4" + _encode(body)


def disconnect_packet() -> bytes:
    """The end of a namespace; a client that gets it does not come back by itself."""
    return b"1"


def _check_data(kind: int, data: bytes) -> None:
    if kind == CONNECT:
        is_right = not data or (data[:1] == b"{" and _is_json(data))
    elif kind == DISCONNECT:
        is_right = not data
    else:
        items = _array_of(data)
        is_right = kind not in {EVENT, BINARY_EVENT} or (items != [] and _is_name(items[0]))
    if not is_right:
        raise PacketInvalid


def _array_of(data: bytes) -> list[Raw]:
    # JavaScript takes a space for a digit, and would answer an event that asked for no answer.
    if data[:1] != b"[":
        raise PacketInvalid
    try:
        items = _decode_array(data)
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError) as error:
        raise PacketInvalid from error
    return items


def _is_name(raw: Raw) -> bool:
    return bytes(raw)[:1] == b'"'


def _is_json(data: bytes) -> bool:
    try:
        _decode_any(data)
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError):
        return False
    return True


class WireJson:
    """JSON for python-socketio: what msgspec reads and writes, so no NaN passes either way."""

    @staticmethod
    def dumps(obj: Any, **_options: Any) -> str:  # noqa: ANN401 - json's own signature
        """Write without spaces."""
        return _encode(obj).decode()

    @staticmethod
    def loads(text: str | bytes, **_options: Any) -> Any:  # noqa: ANN401 - json's own signature
        """Read."""
        return _decode_any(text)


class StrictPacket(LibraryPacket):  # type: ignore[misc] # python-socketio has no types
    """python-socketio's packet, read by the grammar above."""

    json = WireJson

    def decode(self, encoded_packet: str) -> int:
        """Read a packet; return how many attachments follow. Raises `PacketInvalid`."""
        packet = packet_of(encoded_packet.encode())
        self.packet_type = packet.kind
        self.namespace = packet.namespace
        self.id = None if packet.ack_id is None else int(packet.ack_id)
        self.data = _decode_any(packet.data) if packet.data else None
        return packet.attachments

    @property
    def is_whole(self) -> bool:
        """Whether all attachments are there."""
        return len(self.attachments) == int(self.attachment_count)

    def may_take(self, attachment: bytes) -> bool:
        """Take the next attachment; False when the packet has no such place for it."""
        if not _are_places_right(self.data, self.attachment_count):
            return False
        try:
            self.add_attachment(attachment)
        except (ValueError, IndexError, TypeError, RecursionError):
            return False
        return True


def _are_places_right(data: Any, count: int) -> bool:  # noqa: ANN401 - any JSON
    """Whether every placeholder names an attachment; Python takes -1 for the last one."""
    numbers, values = [], [data]
    while values:
        value = values.pop()
        if isinstance(value, dict) and value.get("_placeholder"):
            numbers.append(value.get("num"))
        elif isinstance(value, dict):
            values.extend(value.values())
        elif isinstance(value, list):
            values.extend(value)
    return all(type(number) is int and 0 <= number < count for number in numbers)
