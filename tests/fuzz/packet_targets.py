"""This module owns what must be true of every reader of packets, whatever bytes it is given."""

from __future__ import annotations

import json
from typing import Final

from gateway.sockets import packets, polling
from gateway.sockets.packets import Event, Packet, PacketInvalid
from gateway.sockets.polling import PayloadInvalid
from protocol import codec
from protocol.catalogue import SOCKET_IO_NAMES
from protocol.refusals import Refused
from tests.fuzz.judge import Judge

_KIND_WITHOUT_ATTACHMENTS: Final = {
    packets.BINARY_EVENT: packets.EVENT,
    packets.BINARY_ACK: packets.ACK,
}

PACKET_SEEDS: Final = (
    b"0",
    b'0{"token":"abc","cursors":true}',
    b'0/ops,{"a":1}',
    b"0/ops?x=1,",
    b"1",
    b"1/ops,",
    b'2["join-room","city:paris"]',
    b'212["bike-update",{"roomId":"r","bike_id":"b","lat":48.5,"lon":2.25e0}]',
    b'2/ops,0["publish",{"roomId":"r","event":"e","data":[1,null]}]',
    b"3/ops,13[]",
    b'51-["publish",{"roomId":"r","event":"e","data":{"_placeholder":true,"num":0}}]',
    b'61-/ops,15[{"_placeholder":true,"num":0}]',
)
PAYLOAD_SEEDS: Final = (
    b'40{"token":"abc"}\x1e42["join-room","r"]\x1e3',
    b'451-["e",{"_placeholder":true,"num":0}]\x1ebAAECAw==',
    b"2probe\x1e5\x1e6\x1e1",
)


def check_packet(judge: Judge, text: bytes) -> None:
    """What is taken for a packet here, the official parser takes for the same packet."""
    event, packet = _event_of(text), _packet_of(text)
    if packet is None:
        assert event is None, "the short way takes what the long way refuses"
        return
    if event is not None:
        _check_same_event(event, packet)
    if packet.kind == packets.EVENT and packet.namespace == "/":
        # As the server reads it when the namespace is spelled out.
        spelled = _event_of(b"2" + (packet.ack_id or b"") + packet.data)
        assert event is None or spelled == event
    if _is_judged(text, packet):
        _check_same_packet(packet, judge.packet(text, packet.attachments))


def check_payload(payload: bytes) -> None:
    """A payload of polling survives being taken apart and put together."""
    try:
        parts = polling.packets_of(payload)
    except PayloadInvalid:
        return
    assert len(parts) == payload.count(polling.SEPARATOR) + 1
    assert polling.packets_of(polling.payload_of(parts)) == parts
    for packet, is_binary in parts:
        assert is_binary or packet.decode()


def _event_of(text: bytes) -> Event | None:
    try:
        return packets.main_event_of(text)
    except PacketInvalid:
        return None


def _packet_of(text: bytes) -> Packet | None:
    try:
        return packets.packet_of(text)
    except PacketInvalid:
        return None


def _check_same_event(event: Event, packet: Packet) -> None:
    assert (packet.kind, packet.namespace) == (packets.EVENT, "/")
    assert (packet.ack_id or b"") == event.ack_id
    again = b"[" + b",".join([json.dumps(event.name).encode(), *map(bytes, event.arguments)]) + b"]"
    try:
        codec.plain_json(packet.data)
    except Refused:
        return
    assert _plain(again) == _plain(packet.data)


def _is_judged(text: bytes, packet: Packet) -> bool:
    """Whether JavaScript is to read it too; not what is refused one step later."""
    try:
        text.decode()  # a WebSocket's text is UTF-8 before it comes here
        items = codec.plain_json(packet.data) if packet.data else None
        if packet.attachments:
            codec.check_placeholders(packet.data, packet.attachments)
    except (UnicodeDecodeError, Refused):
        return False
    is_reserved = isinstance(items, list) and bool(items) and items[0] in tuple(SOCKET_IO_NAMES)
    is_empty_binary = packet.kind in _KIND_WITHOUT_ATTACHMENTS and not packet.attachments
    return not is_reserved and not is_empty_binary


def _check_same_packet(packet: Packet, theirs: dict[str, object]) -> None:
    assert "error" not in theirs, f"JavaScript refuses it: {theirs}"
    kind = _KIND_WITHOUT_ATTACHMENTS.get(packet.kind, packet.kind)
    assert theirs["type"] == kind, theirs
    assert str(theirs["nsp"]).partition("?")[0] == packet.namespace, theirs
    assert theirs.get("id") == (None if packet.ack_id is None else int(packet.ack_id)), theirs
    if not packet.attachments:
        written = json.dumps(theirs.get("data")).encode()
        assert _plain(written) == (_plain(packet.data) if packet.data else None), theirs


def _plain(text: bytes) -> object:
    return json.loads(text, parse_int=float)
