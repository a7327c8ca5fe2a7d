import json
from typing import Any

import msgspec
import pytest
from msgspec import Raw

from protocol import codec, events
from protocol.refusals import Refusal, Refused
from tests.protocol.decoding import decode, nested, refusal_of

MALFORMED, TOO_LARGE = Refusal.MALFORMED, Refusal.TOO_LARGE
INVALID_ROOM, INVALID_CURSOR = Refusal.INVALID_ROOM, Refusal.INVALID_CURSOR


# ---- every way in


@pytest.mark.parametrize(
    ("name", "arguments", "event"),
    [
        ("join-room", b'["city:paris"]', events.JoinRoom("city:paris")),
        ("join-room", b'[ "caf\\u00e9" ]', events.JoinRoom("café")),
        ("join-room", b'[{"roomId":"r"}]', events.JoinRoom("r")),
        ("join-room", b'[{"roomId":"r","since":null}]', events.JoinRoom("r")),
        ("join-room", b'[{"roomId":"r","since":"x","snapshot":true}]', events.JoinRoom("r", "x", True)),  # noqa: E501, FBT003 - one case a line, in the order of the wire
        ("join-room", b'["r","an argument of tomorrow"]', events.JoinRoom("r")),
        ("join-room", b'[{"roomId":"r","field":"of tomorrow"}]', events.JoinRoom("r")),
        ("leave-room", b'["r"]', events.LeaveRoom("r")),
        ("leave-room", b'[{"roomId":"r"}]', events.LeaveRoom("r")),
        ("presence", b'["r"]', events.Presence("r")),
        ("presence", b'[{"roomId":"r"}]', events.Presence("r")),
        ("authenticate", b'[{"token":"t"}]', events.Authenticate("t")),
    ],
)  # fmt: skip
def test_requests_are_read(name: str, arguments: bytes, event: events.Event) -> None:
    assert decode(name, arguments) == event


@pytest.mark.parametrize(
    ("fields", "key", "removes", "time_ms"),
    [
        (b"", None, False, None),
        (b',"bike_id":"b"', "b", False, None),
        (b',"bike_id":"b","timestamp":1763884800123', "b", False, 1_763_884_800_123),
        (b',"bike_id":"b","op":"remove"', "b", True, None),
        (b',"op":"remove"', None, False, None),
        (b',"timestamp":1763884800123', None, False, None),
        (b',"id":{"of":"a shop"},"op":7', None, False, None),
    ],
)
def test_a_bike_update_says_whom_it_is_about(
    fields: bytes, key: str | None, time_ms: int | None, *, removes: bool
) -> None:
    payload = b'{"roomId":"r"' + fields + b"}"

    assert decode("bike-update", b"[" + payload + b"]") == events.BikeUpdate(
        "r",
        payload,
        key,
        removes,
        time_ms,
        names=None if key is None else tuple(json.loads(payload)),
    )


@pytest.mark.parametrize(
    ("options", "key"),
    [(b"{}", None), (b'{"idempotencyKey":null}', None), (b'{"idempotencyKey":"k"}', "k")],
)
def test_a_second_argument_carries_the_idempotency_key(options: bytes, key: str | None) -> None:
    update = decode("bike-update", b'[{"roomId":"r"},' + options + b"]")

    assert isinstance(update, events.BikeUpdate)
    assert update.idempotency_key == key


def test_of_two_fields_with_one_name_the_last_counts_as_it_does_in_javascript() -> None:
    update = decode("bike-update", b'[{"roomId":"a","id":1,"roomId":"b","id":2}]')

    assert isinstance(update, events.BikeUpdate)
    assert (update.room_id, update.key) == ("b", "2")


# ---- every no


@pytest.mark.parametrize(
    ("name", "arguments", "refusal"),
    [
        ("no-such-event", b"[]", Refusal.UNKNOWN_EVENT),
        ("", b"[]", Refusal.UNKNOWN_EVENT),
        ("bike-updated", b"[{}]", Refusal.RESERVED_EVENT),
        ("disconnect", b"[]", Refusal.RESERVED_EVENT),
        ("join-room", b"[]", MALFORMED),
        ("join-room", b"[5]", MALFORMED),
        ("join-room", b"[null]", MALFORMED),
        ("join-room", b'[["r"]]', MALFORMED),
        ("join-room", b'[""]', INVALID_ROOM),
        ("join-room", b'["a\\nb"]', INVALID_ROOM),
        ("join-room", b'["a\\u0000b"]', INVALID_ROOM),
        ("join-room", b'["' + b"x" * 201 + b'"]', INVALID_ROOM),
        ("join-room", b"[{}]", INVALID_ROOM),
        ("join-room", b'[{"roomId":""}]', INVALID_ROOM),
        ("join-room", b'[{"roomId":5}]', INVALID_ROOM),
        ("join-room", b'[{"roomId":null}]', INVALID_ROOM),
        ("join-room", b'[{"roomId":"a\\nb"}]', INVALID_ROOM),
        ("join-room", b'[{"roomId":"' + b"x" * 201 + b'"}]', INVALID_ROOM),
        ("join-room", b'[{"roomId":"r","since":5}]', INVALID_CURSOR),
        ("join-room", b'[{"roomId":"r","since":"' + b"x" * 81 + b'"}]', INVALID_CURSOR),
        ("join-room", b'[{"roomId":"r","snapshot":"yes"}]', MALFORMED),
        ("join-room", b'["\xff"]', MALFORMED),
        ("leave-room", b'[""]', INVALID_ROOM),
        ("leave-room", b'[{"roomId":""}]', INVALID_ROOM),
        ("presence", b"[{}]", INVALID_ROOM),
        ("bike-update", b"[]", MALFORMED),
        ("bike-update", b'["r"]', MALFORMED),
        ("bike-update", b"[null]", MALFORMED),
        ("bike-update", b"[[]]", MALFORMED),
        ("bike-update", b"[{}]", INVALID_ROOM),
        ("bike-update", b'[{"roomId":""}]', INVALID_ROOM),
        ("bike-update", b'[{"roomId":5}]', INVALID_ROOM),
        ("bike-update", b'[{"roomId":"r","x":1e999}]', MALFORMED),
        ("bike-update", b'[{"roomId":"r","x":"\xff"}]', MALFORMED),
        ("bike-update", b'[{"roomId":"r","x":"' + b"x" * 32_768 + b'"}]', TOO_LARGE),
        ("bike-update", b'[{"roomId":"r","x":' + nested(100) + b"}]", MALFORMED),
        ("bike-update", b'[{"roomId":"r"},null]', MALFORMED),
        ("bike-update", b'[{"roomId":"r"},"k"]', MALFORMED),
        ("bike-update", b'[{"roomId":"r"},{"idempotencyKey":""}]', MALFORMED),
        ("bike-update", b'[{"roomId":"r"},{"idempotencyKey":"' + b"k" * 129 + b'"}]', MALFORMED),
        ("publish", b"[]", MALFORMED),
        ("publish", b'["r"]', MALFORMED),
        ("publish", b'[{"roomId":"r"}]', MALFORMED),
        ("publish", b'[{"event":"e"}]', INVALID_ROOM),
        ("publish", b'[{"roomId":"\\t","event":"e"}]', INVALID_ROOM),
        ("publish", b'[{"roomId":"r","event":""}]', MALFORMED),
        ("publish", b'[{"roomId":"r","event":5}]', MALFORMED),
        ("publish", b'[{"roomId":"r","event":"a\\nb"}]', MALFORMED),
        ("publish", b'[{"roomId":"r","event":"' + b"e" * 65 + b'"}]', MALFORMED),
        ("publish", b'[{"roomId":"r","event":"bike-updated"}]', Refusal.RESERVED_EVENT),
        ("publish", b'[{"roomId":"r","event":"connect"}]', Refusal.RESERVED_EVENT),
        ("publish", b'[{"roomId":"r","event":"e","data":-1e999}]', MALFORMED),
        ("publish", b'[{"roomId":"r","event":"e","data":"\xed\xa0\x80"}]', MALFORMED),
        ("publish", b'[{"roomId":"r","event":"e","data":' + nested(101) + b"}]", MALFORMED),
        ("publish", b'[{"roomId":"r","event":"e","data":"' + b"x" * 32_767 + b'"}]', TOO_LARGE),
        ("publish", b'[{"roomId":"r","event":"e","idempotencyKey":5}]', MALFORMED),
        ("authenticate", b"[]", MALFORMED),
        ("authenticate", b'["t"]', MALFORMED),
        ("authenticate", b"[{}]", MALFORMED),
        ("authenticate", b'[{"token":""}]', MALFORMED),
        ("authenticate", b'[{"token":"' + b"t" * 8193 + b'"}]', MALFORMED),
    ],
)
def test_requests_are_refused(name: str, arguments: bytes, refusal: Refusal) -> None:
    assert refusal_of(name, arguments) is refusal


@pytest.mark.parametrize("argument", [b'"\\ud800"', b'"\xff"', b"", b'"r', b"[" * 5000])
@pytest.mark.parametrize("name", ["join-room", "bike-update", "publish", "authenticate"])
def test_an_argument_that_is_no_json_is_refused(name: str, argument: bytes) -> None:
    with pytest.raises(Refused) as refused:
        codec.decode(name, [Raw(argument)])
    assert refused.value.refusal is MALFORMED


def test_who_sends_an_unknown_event_is_told_the_known_ones() -> None:
    with pytest.raises(Refused) as refused:
        codec.decode("bike-update ", [])
    assert "bike-update" in refused.value.details["events"]


# ---- publishing into a room that the path names


@pytest.mark.parametrize(
    ("payload", "relayed"),
    [
        (b"{}", b'{"roomId":"r"}'),
        (b" { } ", b'{ "roomId":"r"}'),
        (b'{"id":1}', b'{"id":1,"roomId":"r"}'),
        (b'\n{ "id": 1.50 }\n', b'{ "id": 1.50 ,"roomId":"r"}'),
        (b'{"roomId":null}', b'{"roomId":null,"roomId":"r"}'),
        (b'{"roomId":"r","id":1}', b'{"roomId":"r","id":1}'),
    ],
)
def test_an_object_without_a_room_is_given_that_of_the_path(payload: bytes, relayed: bytes) -> None:
    update = codec.bike_update_of(payload, "k", "r")

    assert (update.room_id, update.payload, update.idempotency_key) == ("r", relayed, "k")
    assert json.loads(update.payload)["roomId"] == "r"


def test_the_rooms_name_is_written_as_json() -> None:
    room = 'a"b\\ü🚲'

    assert json.loads(codec.bike_update_of(b"{}", room=room).payload) == {"roomId": room}


@pytest.mark.parametrize(
    ("payload", "refusal"),
    [
        (b'{"roomId":"other"}', INVALID_ROOM),
        (b'{"roomId":5}', INVALID_ROOM),
        (b"[]", MALFORMED),
        (b"{} {}", MALFORMED),
        (b'{"x":"' + b"x" * 32_768 + b'"}', TOO_LARGE),
    ],
)
def test_an_object_that_does_not_go_with_the_path_is_refused(
    payload: bytes, refusal: Refusal
) -> None:
    with pytest.raises(Refused) as refused:
        codec.bike_update_of(payload, room="r")
    assert refused.value.refusal is refusal


@pytest.mark.parametrize(
    ("room", "event", "data", "refusal"),
    [
        ("", "e", b"1", INVALID_ROOM),
        ("\ud800", "e", b"1", INVALID_ROOM),
        ("r", "", b"1", MALFORMED),
        ("r", "\udc00", b"1", MALFORMED),
        ("r", "goodbye", b"1", Refusal.RESERVED_EVENT),
        ("r", "e", b"", MALFORMED),
        ("r", "e", b"NaN", MALFORMED),
        ("r", "e", b'"' + b"x" * 32_767 + b'"', TOO_LARGE),
    ],
)
def test_a_publish_is_checked_whoever_builds_it(
    room: str, event: str, data: bytes, refusal: Refusal
) -> None:
    with pytest.raises(Refused) as refused:
        codec.publish_of(room, event, data)
    assert refused.value.refusal is refusal


# ---- packets


@pytest.mark.parametrize(
    ("name", "payload", "packet"),
    [
        ("bike-updated", b'{"a":1}', b'2["bike-updated",{"a":1}]'),
        ('say "hi"', b"null", b'2["say \\"hi\\"",null]'),
        ("é", b"[]", '2["é",[]]'.encode()),
        (
            "room-reset",
            events.RoomReset("r", "why"),
            b'2["room-reset",{"roomId":"r","reason":"why"}]',
        ),
    ],
)
def test_a_packet_is_what_socket_io_sends(
    name: str, payload: bytes | events.Event, packet: bytes
) -> None:
    assert codec.packet_of(name, payload) == packet
    taken: Any = msgspec.json.decode(codec.payload_of(packet, name))
    assert taken == msgspec.json.decode(packet[1:])[1]


@pytest.mark.parametrize("payload", [b"{}", b'{"roomId" :"r", "lat": 48.850}'])
def test_the_usual_packet_is_what_any_other_event_s_would_be(payload: bytes) -> None:
    assert codec.updated_packet(payload) == codec.packet_of("bike-updated", payload)
