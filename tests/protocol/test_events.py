from collections.abc import Iterator

import msgspec
import pytest
from msgspec import Raw

from protocol import events

_MEMBER = events.Member("p1", "anna")

WRITTEN: list[tuple[events.Event, dict[str, object]]] = [
    (
        events.BikeRemoved("r", "removed", bike_id="b"),
        {"roomId": "r", "reason": "removed", "bikeId": "b"},
    ),
    (
        events.BikeRemoved("r", "expired", station_id="s"),
        {"roomId": "r", "reason": "expired", "stationId": "s"},
    ),
    (
        events.MemberJoined("r", _MEMBER),
        {"roomId": "r", "member": {"peerId": "p1", "subject": "anna"}},
    ),
    (events.RoomReset("r", "why"), {"roomId": "r", "reason": "why"}),
    (events.TokenExpiring(5), {"expiresAtMs": 5}),
    (events.GoodbyeNotice(3500, "no"), {"code": 3500, "reason": "no"}),
    (events.GoodbyeNotice(3000, "yes", 0), {"code": 3000, "reason": "yes", "reconnectAfterMs": 0}),
    (events.Joined("r", "c"), {"roomId": "r", "cursor": "c"}),
    (
        events.Joined("r", "c", recovered=False, missed=0, snapshot=Raw(b"[]")),
        {"roomId": "r", "cursor": "c", "recovered": False, "missed": 0, "snapshot": []},
    ),
    (events.Members("r", []), {"roomId": "r", "members": []}),
    (events.Authenticated("anna", "rider"), {"subject": "anna", "role": "rider"}),
    (
        events.Authenticated("anna", "rider", 5),
        {"subject": "anna", "role": "rider", "expiresAtMs": 5},
    ),
]


@pytest.mark.parametrize(("event", "written"), WRITTEN)
def test_events_are_written_in_camel_case_without_what_is_not_known(
    event: events.Event, written: dict[str, object]
) -> None:
    assert msgspec.json.decode(msgspec.json.encode(event)) == written


def test_a_publish_without_data_carries_null() -> None:
    event = msgspec.json.decode(b'{"roomId":"r","event":"e"}', type=events.Publish)

    assert bytes(event.data) == b"null"


def test_no_event_can_be_changed_on_its_way() -> None:
    for kind in _kinds_of(events.Event):
        assert kind.__struct_config__.frozen, kind


def _kinds_of(kind: type[events.Event]) -> Iterator[type[events.Event]]:
    for child in kind.__subclasses__():
        yield child
        yield from _kinds_of(child)
