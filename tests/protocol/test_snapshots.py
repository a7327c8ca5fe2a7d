from __future__ import annotations

import msgspec
import pytest
from msgspec import Raw

from protocol.bodies import parameters_of
from protocol.refusals import Refusal, Refused
from protocol.snapshots import RoomSnapshot, SnapshotQuery


def test_the_form_is_one_of_those_there_are() -> None:
    assert parameters_of([], SnapshotQuery).format is None
    assert parameters_of([("format", "geojson")], SnapshotQuery).format == "geojson"
    with pytest.raises(Refused) as caught:
        parameters_of([("format", "kml")], SnapshotQuery)
    assert caught.value.refusal is Refusal.INVALID


def test_bikes_are_written_as_they_came() -> None:
    written = msgspec.json.encode(RoomSnapshot("paris", "e.1.00000001", Raw(b'[{"n":1.50}]')))
    assert written == b'{"roomId":"paris","cursor":"e.1.00000001","bikes":[{"n":1.50}]}'
