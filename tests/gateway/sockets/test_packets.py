import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from socketio.packet import Packet as LibraryPacket

from gateway.sockets import packets
from gateway.sockets.packets import PacketInvalid, StrictPacket, main_event_of, packet_of
from protocol import codec

VALID = [
    (b"0", (packets.CONNECT, "/", None, b"", 0)),
    (b"0{}", (packets.CONNECT, "/", None, b"{}", 0)),
    (b'0{"token":"123"}', (packets.CONNECT, "/", None, b'{"token":"123"}', 0)),
    (b'0/admin,{"token":"123"}', (packets.CONNECT, "/admin", None, b'{"token":"123"}', 0)),
    (b"0/admin", (packets.CONNECT, "/admin", None, b"", 0)),
    (b"0/admin?token=1,", (packets.CONNECT, "/admin", None, b"", 0)),
    (b"0/admin?token=1", (packets.CONNECT, "/admin", None, b"", 0)),
    (b"1", (packets.DISCONNECT, "/", None, b"", 0)),
    (b"1/admin,", (packets.DISCONNECT, "/admin", None, b"", 0)),
    (b'2["foo"]', (packets.EVENT, "/", None, b'["foo"]', 0)),
    (b'2/,["foo"]', (packets.EVENT, "/", None, b'["foo"]', 0)),
    (b'2/admin,["bar",1]', (packets.EVENT, "/admin", None, b'["bar",1]', 0)),
    (b'212["foo"]', (packets.EVENT, "/", b"12", b'["foo"]', 0)),
    (b'2/admin,0["foo"]', (packets.EVENT, "/admin", b"0", b'["foo"]', 0)),
    (b"3/admin,13[]", (packets.ACK, "/admin", b"13", b"[]", 0)),
    (b'51-["baz",{"_placeholder":true,"num":0}]', (5, "/", None, None, 1)),
    (b'52-/admin,["baz",{"_placeholder":true,"num":0}]', (5, "/admin", None, None, 2)),
    (b'61-/admin,15[{"_placeholder":true,"num":0}]', (6, "/admin", b"15", None, 1)),
    (b'50-["no attachments"]', (5, "/", None, b'["no attachments"]', 0)),
]
INVALID = [
    b"",
    b"7",
    b"9",
    b"a",
    b"-1",
    "²".encode(),
    b"4",
    b'4{"message":"only servers say this"}',
    b"0[]",
    b'0"text"',
    b"0null",
    b"0{",
    b'0{"token":NaN}',
    b"1{}",
    b"2",
    b"2{}",
    b"2[]",
    b"2[1]",
    b"2[[1]]",
    b"2[{}]",
    b"2[null]",
    b'2"foo"',
    b'2abc["foo"]',
    b'2["foo",NaN]',
    b'2["foo",Infinity]',
    b'2["foo"',
    b'2["foo"]x',
    b'2["foo",]',
    b'2["foo",\xff]',
    b'2["\\ud800"]',
    b'21234567890123456["an id above 2^53"]',
    b"2" + b"[" * 400_000,
    b'2["foo",' + b"[" * 100_000 + b"]" * 100_000 + b"]",
    b"3[]",
    b"3",
    b"31",
    b"31{}",
    b'5["no count"]',
    b'51["no dash"]',
    b'5-["no count"]',
    b'5-1-["negative"]',
    b'511-["more than ten"]',
    b'5999999999-["far more than ten"]',
    b'51.5-["half of one"]',
    b'21-["attachments of a text event"]',
    b"61-[]",
    b"0/" + b"n" * 200,
    b"0/op\x9e,{}",
    b'2\r["an id of blanks"]',
    b'2/admin, ["another one"]',
]
json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**53), 2**53)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=10,
)

# The library takes digits or dashes at the start of what follows for an id or a count of its own.
namespaces = st.sampled_from(["/", "/admin", "/a b", "/ünï"])
names = st.text(min_size=1, max_size=20)


@pytest.mark.parametrize(("text", "expected"), VALID)
def test_a_packet_is_taken_apart(text: bytes, expected: tuple[object, ...]) -> None:
    packet = packet_of(text)
    kind, namespace, ack_id, data, attachments = expected

    assert (packet.kind, packet.namespace, packet.ack_id) == (kind, namespace, ack_id)
    assert packet.attachments == attachments
    assert data is None or packet.data == data


@pytest.mark.parametrize("text", INVALID, ids=lambda text: repr(text[:24]))
def test_what_is_no_packet_of_a_client_is_refused(text: bytes) -> None:
    with pytest.raises(PacketInvalid):
        packet_of(text)
    if text[:1] == b"2":
        try:
            event = main_event_of(text)
        except PacketInvalid:
            event = None

        assert event is None


@given(namespaces, names, st.lists(json_values, max_size=3), st.integers(0, 10**15 - 1))
def test_what_the_library_writes_is_read(
    namespace: str, name: str, arguments: list[Any], ack_id: int
) -> None:
    written = LibraryPacket(
        packets.EVENT, [name, *arguments], namespace=namespace, id=ack_id, binary=False
    ).encode()
    assert isinstance(written, str)

    packet = packet_of(written.encode())

    assert (packet.kind, packet.namespace) == (packets.EVENT, namespace)
    assert packet.ack_id == str(ack_id).encode()
    assert json.loads(packet.data) == [name, *arguments]


@given(names, st.lists(json_values, max_size=3), st.none() | st.integers(0, 10**15 - 1))
def test_the_short_way_and_the_long_way_read_the_same_event(
    name: str, arguments: list[Any], ack_id: int | None
) -> None:
    number = b"" if ack_id is None else str(ack_id).encode()
    text = b"2" + number + json.dumps([name, *arguments]).encode()

    event = main_event_of(text)
    packet = packet_of(text)

    assert event is not None
    assert event.name == name
    assert [json.loads(bytes(raw)) for raw in event.arguments] == arguments
    assert event.ack_id == (packet.ack_id or b"")


@given(st.binary(max_size=40))
def test_no_bytes_do_more_than_to_be_refused(text: bytes) -> None:
    for read in (packet_of, main_event_of):
        try:
            read(text)
        except PacketInvalid:
            continue


def test_arguments_are_kept_as_the_bytes_that_came() -> None:
    event = main_event_of(b'27["bike-update", {"lat" : 1.50 ,"roomId":"r"}]')

    assert event is not None
    assert bytes(event.arguments[0]) == b'{"lat" : 1.50 ,"roomId":"r"}'


def test_only_events_of_the_main_namespace_take_the_short_way() -> None:
    assert main_event_of(b'2/admin,["foo"]') is None
    assert main_event_of(b"0{}") is None
    assert main_event_of(b'51-["foo",{"_placeholder":true,"num":0}]') is None


def test_what_is_sent_can_be_read_by_the_library() -> None:
    accepted = LibraryPacket(encoded_packet=packets.connect_packet("abc").decode())
    refused = LibraryPacket(encoded_packet=packets.connect_error_packet("no", {"c": 1}).decode())
    bare = LibraryPacket(encoded_packet=packets.connect_error_packet("no").decode())
    answered = LibraryPacket(encoded_packet=packets.ack_packet(b"7", b'{"data":1}').decode())
    ended = LibraryPacket(encoded_packet=packets.disconnect_packet().decode())

    assert (accepted.packet_type, accepted.data) == (packets.CONNECT, {"sid": "abc"})
    assert (refused.packet_type, refused.data) == (
        packets.CONNECT_ERROR,
        {"message": "no", "data": {"c": 1}},
    )
    assert bare.data == {"message": "no"}
    assert (answered.packet_type, answered.id, answered.data) == (packets.ACK, 7, [{"data": 1}])
    assert ended.packet_type == packets.DISCONNECT


def test_a_strict_packet_writes_no_value_that_javascript_cannot_read() -> None:
    packet = StrictPacket(packets.EVENT, ["e", float("nan"), "ü"], namespace="/")

    assert packet.encode() == '2["e",null,"ü"]'


@pytest.mark.parametrize("number", [-1, 1, 2.5, "0", "toString", None, True])
def test_a_placeholder_that_points_nowhere_takes_no_attachment(number: object) -> None:
    placeholder = json.dumps({"_placeholder": True, "num": number})
    packet = StrictPacket(encoded_packet=f'51-["e",{placeholder}]')

    assert not packet.may_take(b"data")


def test_attachments_find_their_places() -> None:
    places = '{"_placeholder":true,"num":1},{"_placeholder":true,"num":0}'
    packet = StrictPacket(encoded_packet=f'52-["e",{places}]')

    assert packet.may_take(b"zero")
    assert not packet.is_whole
    assert packet.may_take(b"one")
    assert packet.is_whole
    assert packet.data == ["e", b"one", b"zero"]
    assert not packet.may_take(b"three")


@pytest.mark.parametrize(
    "payload",
    [
        b'{"roomId":"r","vehicle_id":"b-1","lat":1.50,"timestamp":1764000000000}',
        b'{"bike_id":true,"vehicle_id":7,"roomId":"r","op":"remove","last_reported":1764000000}',
        b'{"roomId":"r","bikeId":null,"id":"","lat":null}',
        b'{"roomId":"r","station_id":"s","roomId":"q"}',
    ],
)
def test_an_update_read_on_the_way_is_what_reading_it_anew_makes_of_it(payload: bytes) -> None:
    event = main_event_of(b'27["bike-update",' + payload + b"]")

    assert event is not None
    assert event.fields is not None
    on_the_way = codec.bike_update_read(event.arguments[0], event.fields)
    assert on_the_way == codec.decode("bike-update", [payload])
