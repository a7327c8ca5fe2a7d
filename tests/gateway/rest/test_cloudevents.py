"""CloudEvents on the publish route: structured, in batches, binary."""

from __future__ import annotations

import json

from tests.gateway.rest.conftest import Door

ROOM = "city:paris"
EVENT = {"specversion": "1.0", "id": "1", "source": "/fleet", "type": "note", "data": {"n": 1}}
STRUCTURED = {"Content-Type": "application/cloudevents+json"}
BATCH = {"Content-Type": "application/cloudevents-batch+json; charset=utf-8"}


async def test_an_event_is_published_once_in_whichever_mode_it_comes_again(door: Door) -> None:
    heard = await door.listen(ROOM)
    binary = {f"ce-{name}": str(value) for name, value in EVENT.items() if name != "data"}
    metas = []
    for body, headers in [(EVENT, STRUCTURED), ([EVENT], BATCH), ({"n": 1}, binary)]:
        status, answer = await door.post(ROOM, body, headers)
        assert status == 200, answer
        metas.append(answer["meta"])
    assert [meta["accepted"] for meta in metas] == [1, 0, 0]
    assert [meta["repeated"] for meta in metas] == [0, 1, 1]
    assert [(each.event, json.loads(each.payload)) for each in heard] == [("note", {"n": 1})]


async def test_a_bike_update_is_one_by_its_type(door: Door) -> None:
    heard = await door.listen(ROOM)
    data = {"bike_id": "7", "lat": 1.5, "lon": 2}
    await door.post(ROOM, EVENT | {"type": "bike-update", "data": data}, STRUCTURED)
    assert [(each.event, each.key) for each in heard] == [("bike-updated", "7")]


async def test_one_bad_event_of_a_batch_does_not_hold_up_the_others(door: Door) -> None:
    batch = [EVENT, EVENT | {"id": ""}, EVENT | {"id": "2", "type": "goodbye"}, EVENT | {"id": "3"}]
    status, answer = await door.post(ROOM, batch, BATCH)
    assert status == 200
    assert answer["meta"] == {"accepted": 2, "repeated": 0, "superseded": 0, "refused": 2}
    codes = [item["error"]["code"] for item in answer["data"] if "error" in item]
    assert codes == ["MALFORMED", "RESERVED_EVENT"]


async def test_a_list_is_no_single_event(door: Door) -> None:
    status, answer = await door.post(ROOM, [EVENT], STRUCTURED)
    assert (status, answer["error"]["code"]) == (400, "MALFORMED")
