"""Bodies of webhooks."""

from __future__ import annotations

import datetime as dt

import msgspec

from protocol.webhooks import Message, RoomActivity, RoomEvent

AT = dt.datetime(2027, 1, 15, 8, tzinfo=dt.UTC)


def test_a_room_event_has_what_it_is_about_and_no_more() -> None:
    events = [
        RoomEvent(type="room.occupied", room_id="paris", at=AT),
        RoomEvent(type="peer.joined", room_id="paris", at=AT, peer_id="p", subject="ada"),
    ]
    message = Message(type="room.activity", timestamp=AT, data=RoomActivity(events=events))

    assert msgspec.json.decode(msgspec.json.encode(message)) == {
        "type": "room.activity",
        "timestamp": "2027-01-15T08:00:00Z",
        "data": {
            "events": [
                {"type": "room.occupied", "roomId": "paris", "at": "2027-01-15T08:00:00Z"},
                {
                    "type": "peer.joined",
                    "roomId": "paris",
                    "at": "2027-01-15T08:00:00Z",
                    "peerId": "p",
                    "subject": "ada",
                },
            ]
        },
    }
