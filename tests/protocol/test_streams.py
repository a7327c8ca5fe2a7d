from __future__ import annotations

from protocol import codec, streams


def test_an_event_has_its_name_its_data_and_its_place() -> None:
    assert streams.event_of("note", b"1", "e.1.00000001") == (
        b"id: e.1.00000001\nevent: note\ndata: 1\n\n"
    )


def test_what_has_no_place_leaves_the_reader_at_the_one_before() -> None:
    assert streams.event_of("room-reset", b"{}") == b"event: room-reset\ndata: {}\n\n"


def test_every_kind_of_line_end_begins_a_line_of_data() -> None:
    assert streams.event_of("note", b"[1,\r\n2,\r3,\n4]") == (
        b"event: note\ndata: [1,\ndata: 2,\ndata: 3,\ndata: 4]\n\n"
    )


def test_a_packet_comes_apart_as_it_was_put_together() -> None:
    for name in ("bike-updated", 'a "quoted", \\ name', "\N{BICYCLE}"):
        for attachments in (0, 12):
            packet = codec.packet_of(name, b'{"a":[1,"2"]}', attachments)
            assert codec.parts_of(packet) == (name, b'{"a":[1,"2"]}')
