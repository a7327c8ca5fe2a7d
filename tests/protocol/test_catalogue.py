import json
import re

import msgspec
import pytest
from msgspec import Raw

from protocol import codec
from protocol.catalogue import (
    CLIENT_EVENTS,
    EVENT_DATA_LIMIT_BYTES,
    RESERVED_NAMES,
    SERVER_EVENTS,
    SOCKET_IO_NAMES,
    wire_shapes,
)
from protocol.refusals import Refusal, Refused
from tests.toolbox.programs import CLIENTS

# What the default packet limit leaves for the name, the ack's number and the object around.
_PACKET_LIMIT_BYTES = 65_536


def test_no_name_has_two_meanings() -> None:
    assert CLIENT_EVENTS.keys().isdisjoint(SERVER_EVENTS)
    assert SOCKET_IO_NAMES.isdisjoint(CLIENT_EVENTS.keys() | SERVER_EVENTS.keys())


@pytest.mark.parametrize("name", [*CLIENT_EVENTS, *SERVER_EVENTS])
def test_own_names_are_words_with_hyphens(name: str) -> None:
    assert re.fullmatch(r"[a-z]+(-[a-z]+)*", name)


@pytest.mark.parametrize("name", sorted(RESERVED_NAMES))
def test_no_application_may_use_a_reserved_name(name: str) -> None:
    with pytest.raises(Refused) as refused:
        codec.publish_of("r", name, b"1")
    assert refused.value.refusal is Refusal.RESERVED_EVENT


def test_every_name_that_would_end_an_official_client_is_reserved() -> None:
    source = CLIENTS / "node_modules" / "socket.io-parser" / "build" / "cjs" / "index.js"
    found = re.search(r"RESERVED_EVENTS = \[(.*?)\]", source.read_text(), re.DOTALL)
    assert found is not None
    names = set(re.findall(r'"(\w+)"', found[1]))

    assert {"connect", "disconnect"} <= names <= SOCKET_IO_NAMES


@pytest.mark.parametrize("name", CLIENT_EVENTS)
def test_every_event_of_a_client_has_a_decoder(name: str) -> None:
    with pytest.raises(Refused) as refused:
        codec.decode(name, [Raw(b"[]")])
    assert refused.value.refusal is Refusal.MALFORMED


@pytest.mark.parametrize("name", [name for name, row in CLIENT_EVENTS.items() if row.room_alone])
def test_a_rooms_name_alone_is_short_for_the_object(name: str) -> None:
    alone = codec.decode(name, [Raw(b'"r"')])

    assert type(alone) is CLIENT_EVENTS[name].argument
    assert alone == codec.decode(name, [Raw(b'{"roomId":"r"}')])


def test_every_shape_can_be_described() -> None:
    schemas = msgspec.json.schema_components(wire_shapes())[1]

    assert {shape.__name__ for shape in wire_shapes()} <= schemas.keys()
    json.dumps(schemas)


def test_the_largest_payload_fits_into_a_packet() -> None:
    data = b'"' + b"x" * (EVENT_DATA_LIMIT_BYTES - 2) + b'"'

    event = codec.publish_of("r", "n" * 64, data)

    assert len(codec.packet_of(event.event, bytes(event.data))) < _PACKET_LIMIT_BYTES
