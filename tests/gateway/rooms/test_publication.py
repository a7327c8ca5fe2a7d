from __future__ import annotations

import json

import pytest

from gateway.rooms.publication import (
    FUTURE_LIMIT_MS,
    Draft,
    Op,
    draft_of_event,
    draft_of_update,
    removal_of,
)
from protocol import codec, events
from tests.gateway.rooms.drafts import ROOM, publication_of

NOW_MS = 1_790_000_000_000


def _draft(text: bytes) -> Draft:
    return draft_of_update(codec.bike_update_of(text), "peer-1", NOW_MS * 1000)


def test_an_update_is_told_letter_for_letter() -> None:
    text = b'{ "roomId":"city:paris", "bike_id":"b1", "lat":48.10, "mine":[1E2] }'
    draft = _draft(text)
    assert draft.packet == b'2["bike-updated",' + text + b"]"
    assert draft.payload == text
    assert (draft.room, draft.event, draft.author) == (ROOM, "bike-updated", "peer-1")
    assert (draft.key, draft.op, draft.time_ms) == ("b1", Op.UPSERT, None)


def test_an_update_about_nobody_changes_no_value() -> None:
    draft = _draft(b'{"roomId":"city:paris","hello":1}')
    assert (draft.key, draft.op) == (None, Op.NONE)


def test_a_removal_is_told_as_bike_removed() -> None:
    draft = _draft(
        b'{"roomId":"city:paris","bike_id":"b1","op":"remove","timestamp":1790000000000}'
    )
    assert (draft.event, draft.key, draft.op) == ("bike-removed", "b1", Op.REMOVE)
    assert draft.time_ms == NOW_MS
    assert draft.author == "peer-1"
    assert json.loads(codec.payload_of(draft.packet, draft.event)) == {
        "roomId": ROOM,
        "reason": "removed",
        "bikeId": "b1",
    }


def test_the_removal_of_a_station_names_the_station() -> None:
    draft = _draft(b'{"roomId":"city:paris","station_id":"7","op":"remove"}')
    assert draft.key == "station/7"
    assert json.loads(codec.payload_of(draft.packet, draft.event)) == {
        "roomId": ROOM,
        "reason": "removed",
        "stationId": "7",
    }


@pytest.mark.parametrize(
    ("ahead_ms", "counts_as_ms"),
    [
        (-(10**9), NOW_MS - 10**9),
        (0, NOW_MS),
        (FUTURE_LIMIT_MS, NOW_MS + FUTURE_LIMIT_MS),
        (FUTURE_LIMIT_MS + 1, NOW_MS),
        (10**11, NOW_MS),
    ],
)
@pytest.mark.parametrize("op", ["upsert", "remove"])
def test_an_observation_from_the_far_future_counts_as_one_of_now(
    ahead_ms: int, counts_as_ms: int, op: str
) -> None:
    fields = {"roomId": ROOM, "bike_id": "b1", "op": op, "timestamp": NOW_MS + ahead_ms}
    assert _draft(json.dumps(fields).encode()).time_ms == counts_as_ms


@pytest.mark.parametrize("data", [b"null", b'"x"', b"[1.10]", b'{"a":1}'])
def test_any_other_event_is_told_letter_for_letter_and_leaves_no_value(data: bytes) -> None:
    draft = draft_of_event(ROOM, 'na"me', data, "peer-1")
    assert json.loads(draft.packet[1:]) == ['na"me', json.loads(data)]
    assert codec.payload_of(draft.packet, draft.event) == data
    assert (draft.key, draft.op, draft.time_ms) == (None, Op.NONE, None)


def test_an_event_of_the_catalogue_is_encoded() -> None:
    draft = draft_of_event(ROOM, "room-reset", events.RoomReset(ROOM, "epoch"))
    assert draft.packet == b'2["room-reset",{"roomId":"city:paris","reason":"epoch"}]'


def test_a_publication_stands_behind_itself_and_has_its_payload() -> None:
    publication = publication_of(removal_of(ROOM, "b1", "expired"), 7, "e", 9)
    assert str(publication.cursor) == "e.7.00000009"
    assert json.loads(publication.payload)["reason"] == "expired"


def test_a_publication_with_attachments_has_its_payload_too() -> None:
    body = b'{"photo":{"_placeholder":true,"num":0}}'
    publication = publication_of(draft_of_event(ROOM, "mark", body, attachments=(b"\xff",)), 1)
    assert publication.packet == b'51-["mark",' + body + b"]"
    assert publication.payload == body
