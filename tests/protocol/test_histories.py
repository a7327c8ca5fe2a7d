from __future__ import annotations

import msgspec
import pytest
from msgspec import Raw

from protocol.bodies import parameters_of
from protocol.histories import HistoryQuery, RoomHistory, Told
from protocol.refusals import Refusal, Refused

CURSOR = "e.1.00000001"


def test_a_page_begins_after_a_cursor_and_has_an_end() -> None:
    assert parameters_of([("since", CURSOR)], HistoryQuery).limit == 100
    assert parameters_of([("since", CURSOR), ("limit", "1000")], HistoryQuery).limit == 1000
    for bad in ([], [("since", CURSOR), ("limit", "0")], [("since", CURSOR), ("limit", "1001")]):
        with pytest.raises(Refused) as caught:
            parameters_of(bad, HistoryQuery)
        assert caught.value.refusal is Refusal.INVALID


def test_data_is_written_as_it_came() -> None:
    page = RoomHistory("paris", [Told("chat", CURSOR, Raw(b'{"n":1.50}'))], CURSOR, has_more=False)
    assert msgspec.json.encode(page) == (
        b'{"roomId":"paris","publications":[{"event":"chat","cursor":"e.1.00000001",'
        b'"data":{"n":1.50}}],"cursor":"e.1.00000001","hasMore":false}'
    )
