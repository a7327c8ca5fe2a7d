"""One stream: what waits for it, in which order, and how much of it."""

from __future__ import annotations

from gateway.identity import Identity, Role
from gateway.rest.stream import Stream, event_of
from gateway.rooms.publication import Op, Publication
from protocol import codec

HIGH_WATER_BYTES = 500
OUTBOX_LIMIT_BYTES = 3_000


def stream() -> Stream:
    cut_off: list[bool] = []
    identity = Identity("ann", Role.VIEWER)
    return Stream(
        "ann", identity, "", OUTBOX_LIMIT_BYTES, HIGH_WATER_BYTES, lambda: cut_off.append(True)
    )


def update(offset: int, bike: str = "7", **more: int) -> Publication:
    fields = b"".join(b',"%b":%d' % (name.encode(), value) for name, value in more.items())
    payload = b'{"bike_id":"%b","n":%d%b}' % (bike.encode(), offset, fields)
    packet = codec.packet_of("bike-updated", payload)
    return Publication("paris", "e", offset, offset, "bike-updated", packet, None, bike, Op.UPSERT)


def put(to: Stream, publication: Publication) -> bool:
    return to.put(publication, event_of(publication))


def ids(written: bytes) -> list[int]:
    lines = [line for line in written.split(b"\n") if line.startswith(b"id: ")]
    return [int(line.split(b".")[1]) for line in lines]


def all_of(reader: Stream) -> bytes:
    return b"".join(iter(reader.take, b""))


def test_who_keeps_up_gets_every_event_as_it_was() -> None:
    reader = stream()
    reader.begin()
    for offset in range(1, 4):
        assert put(reader, update(offset))
    assert ids(reader.take()) == [1, 2, 3]
    assert reader.take() == b""


def test_what_was_missed_waits_whatever_its_size() -> None:
    reader = stream()
    for offset in range(1, 201):
        assert put(reader, update(offset, str(offset)))
    reader.begin()
    assert put(reader, update(201))
    assert ids(all_of(reader)) == list(range(1, 202))


def test_who_falls_behind_gets_the_newest_of_each_bike_in_order() -> None:
    reader = stream()
    reader.begin()
    for offset in range(1, 101):
        assert put(reader, update(offset))
    written = all_of(reader)
    shown = ids(written)
    assert shown == sorted(shown)
    assert len(shown) < 20
    assert written.rindex(b'"n":100') > written.rindex(b"id: ")
    # Its place is that of the oldest update in it: what lies between may still be missing.
    assert shown[-1] < 100
    assert put(reader, update(101))
    assert ids(reader.take()) == [101]


def test_other_events_are_kept_until_it_is_too_much() -> None:
    reader = stream()
    reader.begin()
    results = [put(reader, update(offset, str(offset))) for offset in range(1, 101)]
    assert results[0]
    assert not results[-1]


async def test_last_words_come_after_what_is_gathered() -> None:
    reader = stream()
    reader.begin()
    put(reader, update(1))
    reader.end(b"farewell")
    put(reader, update(2))
    written = all_of(reader)
    assert ids(written) == [1]
    assert written.endswith(b"farewell")
    reader.close()


def test_attachments_are_written_as_text() -> None:
    payload = b'{"photo":{"_placeholder":true,"num":0},"many":[1]}'
    packet = codec.packet_of("photo", payload, 1)
    publication = Publication("paris", "e", 1, 1, "photo", packet, None, attachments=(b"\x00\xff",))
    assert event_of(publication) == (
        b'id: e.1.00000001\nevent: photo\ndata: {"photo":{"base64":"AP8="},"many":[1]}\n\n'
    )
