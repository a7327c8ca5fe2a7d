from __future__ import annotations

import pytest

from gateway.feeds.entries import Entry, entry_of, event_of
from protocol import events
from protocol.refusals import Refused


def entry(**fields: bytes) -> Entry:
    return Entry("1-0", {name.encode(): value for name, value in fields.items()})


def test_an_entry_is_read_as_redis_answers_it() -> None:
    assert entry_of([b"5-1", [b"room", b"r", b"data", b"{}"]]) == Entry(
        "5-1", {b"room": b"r", b"data": b"{}"}
    )
    assert entry_of([b"5-1", None]) == Entry("5-1", None)


def test_it_is_a_bike_update_unless_it_says_otherwise() -> None:
    update = event_of(entry(room=b"r", data=b'{"bike_id":"7","lat":1.50}'))
    assert isinstance(update, events.BikeUpdate)
    assert (update.room_id, update.key) == ("r", "7")
    assert update.payload == b'{"bike_id":"7","lat":1.50,"roomId":"r"}'
    other = event_of(entry(room=b"r", event=b"ride-ended", data=b"[1]"))
    assert isinstance(other, events.Publish)
    assert (other.event, bytes(other.data)) == ("ride-ended", b"[1]")


def test_its_id_is_its_key_unless_it_has_one() -> None:
    assert event_of(entry(room=b"r", data=b"{}")).idempotency_key == "1-0"
    assert event_of(entry(room=b"r", data=b"{}", key=b"k")).idempotency_key == "k"


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({}, "Missing fields: room, data"),
        ({"room": b"r"}, "Missing fields: data"),
        ({"room": b"r", "data": b"{}", "rom": b""}, "Unknown fields: rom"),
        ({"room": b"", "data": b"{}"}, "room"),
        ({"room": b"\xff", "data": b"{}"}, "Not UTF-8"),
        ({"room": b"r", "data": b'{"a":"\xff"}'}, "Not UTF-8"),
        ({"room": b"r", "data": b"{"}, "JSON"),
        ({"room": b"r", "data": b"[NaN]", "event": b"e"}, "JSON"),
        ({"room": b"r", "data": b"{}", "event": b"connect"}, ""),
        ({"room": b"r", "data": b"{}", "key": b""}, "key is"),
        ({"room": b"r", "data": b"{}", "key": b"k" * 129}, "key is"),
    ],
)
def test_what_cannot_be_published_is_refused_with_a_reason(
    fields: dict[str, bytes], said: str
) -> None:
    with pytest.raises(Refused) as refused:
        event_of(entry(**fields))
    assert said in refused.value.message
