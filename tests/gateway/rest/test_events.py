"""`POST /api/rooms/{roomId}/events`, as a backend uses and misuses it."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from urllib.parse import quote

import pytest
from yarl import URL

from gateway.broker.contract import BrokerUnavailable, Settle
from gateway.broker.memory import MemoryBroker
from gateway.codings import CODINGS, Coding, compressed
from gateway.identity import Role
from gateway.rest import requests
from gateway.rooms.publication import Draft
from protocol.cursor import Cursor
from tests.gateway.rest.conftest import DEVELOPMENT, PRODUCTION, Door, OpenDoor, bearer

BIKE = {"bike_id": "1", "lat": 48.86, "lon": 2.35}
UPDATE = {"event": "bike-update", "data": BIKE}


async def test_one_event_is_answered_with_its_place_in_the_room(door: Door) -> None:
    status, answer = await door.post("paris", UPDATE)

    assert status == 200
    assert answer["meta"] == {"accepted": 1, "repeated": 0, "superseded": 0}
    assert answer["data"]["roomId"] == "paris"
    assert Cursor.parse(answer["data"]["cursor"]).offset == 1


async def test_the_room_hears_the_object_as_it_was_written_with_its_room_behind(door: Door) -> None:
    heard = await door.listen("paris")
    text = (
        '{"bike_id":"1", "lat":48.12345678901234567, "big":12345678901234567890123, "é":"\\u00e9"}'
    )

    await door.post("paris", f'{{"event":"bike-update","data":{text}}}')

    assert [publication.event for publication in heard] == ["bike-updated"]
    assert heard[0].payload.decode() == text[:-1] + ',"roomId":"paris"}'


async def test_an_object_that_names_its_room_passes_byte_by_byte(door: Door) -> None:
    heard = await door.listen("paris")
    text = '{ "roomId" : "paris","bike_id":"1" }'

    await door.post("paris", f'{{"event":"bike-update","data":{text}}}')

    assert heard[0].payload.decode() == text


async def test_another_event_is_relayed_as_given(door: Door) -> None:
    heard = await door.listen("paris")

    status, _ = await door.post("paris", {"event": "ride-ended", "data": [1, "two", None]})

    assert status == 200
    assert (heard[0].event, json.loads(heard[0].payload)) == ("ride-ended", [1, "two", None])


async def test_many_events_keep_their_order_and_get_an_answer_each(door: Door) -> None:
    heard = await door.listen("paris")
    items = [{"event": "tick", "data": number} for number in range(1000)]

    status, answer = await door.post("paris", items)

    assert status == 200
    assert answer["meta"] == {"accepted": 1000, "repeated": 0, "superseded": 0, "refused": 0}
    assert [json.loads(publication.payload) for publication in heard] == list(range(1000))
    assert [Cursor.parse(item["cursor"]).offset for item in answer["data"]] == [*range(1, 1001)]


async def test_a_bad_item_is_refused_in_its_place_and_the_others_are_published(door: Door) -> None:
    items = [
        UPDATE,
        {"event": "bike-update", "data": {**BIKE, "roomId": "lyon"}},
        {"event": "goodbye", "data": None},
        {"event": "tick", "dat": 1},
        "tick",
        {"event": "tick", "data": "x" * 40_000},
        {"event": "bike-update", "data": [1]},
        {"event": "tick"},
    ]

    status, answer = await door.post("paris", items)

    codes = [item.get("error", {}).get("code") for item in answer["data"]]
    assert status == 200
    assert codes == [
        None,
        "INVALID_ROOM",
        "RESERVED_EVENT",
        "MALFORMED",
        "MALFORMED",
        "TOO_LARGE",
        "MALFORMED",
        None,
    ]
    assert answer["meta"] == {"accepted": 2, "repeated": 0, "superseded": 0, "refused": 6}
    assert door.metrics.refusals["MALFORMED"] == 3


async def test_no_events_are_no_fault(door: Door) -> None:
    status, answer = await door.post("paris", [])

    assert (status, answer["data"]) == (200, [])


async def test_a_thousand_and_one_events_are_too_many_and_none_is_published(door: Door) -> None:
    heard = await door.listen("paris")

    status, answer = await door.post("paris", [{"event": "tick"}] * 1001)

    assert (status, answer["error"]["code"]) == (413, "TOO_LARGE")
    assert answer["error"]["details"] == {"limitItems": 1000}
    assert heard == []


# ---- once


async def test_the_same_request_under_the_same_key_is_published_once(door: Door) -> None:
    heard = await door.listen("paris")
    key = {"Idempotency-Key": "ride 7"}

    _, first = await door.post("paris", {"event": "ride-ended"}, key)
    _, again = await door.post("paris", {"event": "ride-ended"}, key)

    assert again["data"] == first["data"]
    assert again["meta"] == {"accepted": 0, "repeated": 1, "superseded": 0}
    assert len(heard) == 1
    assert door.metrics.publications["repeated"] == 1


async def test_a_key_of_many_events_stands_for_each_of_them_in_its_place(door: Door) -> None:
    heard = await door.listen("paris")
    items = [{"event": "tick", "data": number} for number in range(3)]
    key = {"Idempotency-Key": "minute 5"}

    _, first = await door.post("paris", items, key)
    _, again = await door.post("paris", items, key)

    assert again["data"] == first["data"]
    assert again["meta"]["repeated"] == 3
    assert len(heard) == 3


async def test_an_item_may_carry_a_key_of_its_own(door: Door) -> None:
    heard = await door.listen("paris")
    item = {"event": "tick", "idempotencyKey": "tick 9"}

    await door.post("paris", [item, {"event": "tock"}])
    _, again = await door.post("paris", [item, {"event": "tock"}], {"Idempotency-Key": "other"})

    assert again["meta"] == {"accepted": 1, "repeated": 1, "superseded": 0, "refused": 0}
    assert [publication.event for publication in heard] == ["tick", "tock", "tock"]


async def test_a_key_holds_for_its_sender_alone(open_door: OpenDoor) -> None:
    door = await open_door(DEVELOPMENT | PRODUCTION)
    key = {"Idempotency-Key": "1"}

    await door.post("paris", {"event": "tick"}, key)
    _, answer = await door.post("paris", {"event": "tick"}, {**key, "Authorization": bearer()})

    assert answer["meta"]["accepted"] == 1


@pytest.mark.parametrize("key", ["", "x" * 129, "a\tb"])
async def test_a_key_that_is_none_is_refused(door: Door, key: str) -> None:
    status, answer = await door.post("paris", UPDATE, {"Idempotency-Key": key})

    assert (status, answer["error"]["code"]) == (400, "MALFORMED")


async def test_old_and_repeated_observations_are_superseded(door: Door) -> None:
    def seen_at(ms: int) -> dict[str, object]:
        return {"event": "bike-update", "data": {**BIKE, "timestamp": ms}}

    _, answer = await door.post(
        "paris",
        [seen_at(1_700_000_001_000), seen_at(1_700_000_001_000), seen_at(1_700_000_000_000)],
    )

    assert answer["meta"] == {"accepted": 1, "repeated": 0, "superseded": 2, "refused": 0}


# ---- who


async def test_development_takes_events_without_a_token_but_none_with_a_bad_one(door: Door) -> None:
    assert (await door.post("paris", UPDATE))[0] == 200

    status, answer = await door.post("paris", UPDATE, {"Authorization": "Bearer x.y.z"})

    assert (status, answer["error"]["code"]) == (401, "TOKEN_INVALID")


async def test_production_wants_a_token(open_door: OpenDoor) -> None:
    door = await open_door(PRODUCTION)

    async with door.client.post("/api/rooms/paris/events", json=UPDATE) as response:
        answer = await response.json()

    assert (response.status, answer["error"]["code"]) == (401, "UNAUTHENTICATED")
    assert response.headers["WWW-Authenticate"] == "Bearer"
    assert (await door.post("paris", UPDATE, {"Authorization": bearer()}))[0] == 200


@pytest.mark.parametrize(
    ("authorization", "expected"),
    [
        (lambda: bearer(Role.RIDER), (200, None)),
        (lambda: bearer(Role.VIEWER), (403, "FORBIDDEN")),
        (lambda: bearer(publish=("lyon", "city:*")), (403, "FORBIDDEN")),
        (lambda: bearer(publish=("par*",)), (200, None)),
        (lambda: bearer(seconds=-60), (401, "TOKEN_EXPIRED")),
        (lambda: bearer() + "x", (401, "TOKEN_INVALID")),
        (lambda: "Basic dXNlcjpwYXNz", (401, "UNAUTHENTICATED")),
    ],
    ids=["rider", "viewer", "other rooms", "its room", "expired", "forged", "another scheme"],
)
async def test_a_token_opens_what_it_says_and_nothing_else(
    open_door: OpenDoor, authorization: Callable[[], str], expected: tuple[int, str | None]
) -> None:
    door = await open_door(PRODUCTION)

    status, answer = await door.post("paris", UPDATE, {"Authorization": authorization()})

    assert (status, answer.get("error", {}).get("code")) == expected


# ---- bad bodies


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (b"", (400, "MALFORMED")),
        (b"{", (400, "MALFORMED")),
        (b'[{"event":"tick"},', (400, "MALFORMED")),
        (b'"tick"', (400, "MALFORMED")),
        (b'{"event":"tick","data":"\xff"}', (400, "MALFORMED")),
        (b'{"event":"tick","data":"\\ud800"}', (400, "MALFORMED")),
        (b'{"event":"tick","data":NaN}', (400, "MALFORMED")),
        (b'{"event":"tick","data":-Infinity}', (400, "MALFORMED")),
        (b'{"event":"tick","data":1e999}', (400, "MALFORMED")),
        (b'{"event":"tick","data":{"_placeholder":true,"num":0}}', (400, "MALFORMED")),
        (b'{"event":"tick","data":[{"\\u005fplaceholder":true,"num":0}]}', (400, "MALFORMED")),
        (b'{"event":"bike-update","data":{"a":{"_placeholder":true}}}', (400, "MALFORMED")),
        (b'{"event":"tick","data":' + b"[" * 500 + b"]" * 500 + b"}", (400, "MALFORMED")),
        (b"[" * 100_000, (400, "MALFORMED")),
        (b'{"event":"","data":1}', (400, "MALFORMED")),
        (b'{"event":"connect","data":1}', (400, "RESERVED_EVENT")),
        (b'{"event":"tick","data":"' + b"x" * 1_100_000 + b'"}', (413, "TOO_LARGE")),
    ],
    ids=lambda value: repr(value)[:40],
)
async def test_a_body_that_cannot_be_is_refused_and_nothing_is_published(
    door: Door, body: bytes, expected: tuple[int, str]
) -> None:
    heard = await door.listen("paris")

    status, answer = await door.post("paris", body)

    assert (status, answer["error"]["code"]) == expected
    assert heard == []
    assert door.metrics.refusals[expected[1]] == 1


@pytest.mark.parametrize("content_type", ["text/plain", "application/x-www-form-urlencoded", ""])
async def test_a_body_that_does_not_say_it_is_json_is_refused(
    door: Door, content_type: str
) -> None:
    """Else any web page could publish on behalf of whoever looks at it: no preflight is needed."""
    status, answer = await door.post("paris", UPDATE, {"Content-Type": content_type})

    assert (status, answer["error"]["code"]) == (415, "UNSUPPORTED_MEDIA_TYPE")


@pytest.mark.parametrize("encoding", ["gzip", "deflate", "br", "zstd"])
async def test_a_body_that_is_not_in_its_encoding_is_refused(door: Door, encoding: str) -> None:
    content = b"no compressed data at all"
    assert door.client.port is not None
    reader, writer = await asyncio.open_connection("127.0.0.1", door.client.port)
    writer.write(
        b"POST /api/rooms/paris/events HTTP/1.1\r\nHost: localhost\r\n"
        b"Content-Type: application/json\r\nContent-Encoding: %b\r\nContent-Length: %d\r\n\r\n%b"
        % (encoding.encode(), len(content), content)
    )

    status_line = await reader.readline()
    writer.close()
    await writer.wait_closed()

    assert status_line.startswith(b"HTTP/1.1 400 ")
    assert door.metrics.refusals["MALFORMED"] == 1


@pytest.mark.parametrize("coding", CODINGS)
async def test_a_small_body_that_unfolds_into_a_large_one_is_too_large(
    door: Door, coding: Coding
) -> None:
    bomb = compressed(b" " * 10_000_000, coding)
    status, answer = await door.post("paris", bomb, {"Content-Encoding": coding})

    assert (status, answer["error"]["code"]) == (413, "TOO_LARGE")


async def test_a_body_that_does_not_arrive_is_not_waited_for(
    door: Door, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(requests, "BODY_TIMEOUT_SECONDS", 0.05)
    assert door.client.port is not None
    reader, writer = await asyncio.open_connection("127.0.0.1", door.client.port)
    writer.write(
        b"POST /api/rooms/paris/events HTTP/1.1\r\nHost: localhost\r\n"
        b"Content-Type: application/json\r\nContent-Length: 100\r\n\r\n{"
    )

    status_line = await reader.readline()
    writer.close()
    await writer.wait_closed()

    assert status_line.startswith(b"HTTP/1.1 400 ")


# ---- rooms


@pytest.mark.parametrize(
    "room", ["a/b", "a b", "Zürich 🚲", "a?b#c", "a%2Fb", "100%", "a+b", "x" * 200]
)
async def test_a_room_is_named_in_the_path_percent_encoded(door: Door, room: str) -> None:
    path = URL(f"/api/rooms/{quote(room, safe='')}/events", encoded=True)

    async with door.client.post(path, json=UPDATE) as response:
        answer = await response.json()

    assert (response.status, answer["data"]["roomId"]) == (200, room)


@pytest.mark.parametrize("room", ["%00", "a%0Ab", "x" * 201, "%E2%80%AE"])
async def test_a_name_that_no_room_has_is_refused(door: Door, room: str) -> None:
    path = URL(f"/api/rooms/{room}/events", encoded=True)

    async with door.client.post(path, json=UPDATE) as response:
        answer = await response.json()

    assert (response.status, answer["error"]["code"]) == (400, "INVALID_ROOM")


async def test_data_that_names_another_room_is_refused(door: Door) -> None:
    status, answer = await door.post(
        "paris", {"event": "bike-update", "data": {**BIKE, "roomId": "lyon"}}
    )

    assert (status, answer["error"]["code"]) == (400, "INVALID_ROOM")


# ---- the broker is away


class BrokerAway(MemoryBroker):
    """Takes nothing that is called "lost"."""

    def publish(self, draft: Draft, settle: Settle) -> None:
        if draft.event == "lost":
            settle(BrokerUnavailable(retry_after_ms=1500))
        else:
            super().publish(draft, settle)


@pytest.mark.parametrize("body", [{"event": "lost"}, [{"event": "lost"}, {"event": "lost"}]])
async def test_a_broker_that_is_away_is_answered_with_when_to_try_again(
    open_door: OpenDoor, body: object
) -> None:
    door = await open_door(DEVELOPMENT, BrokerAway)

    async with door.client.post("/api/rooms/paris/events", json=body) as response:
        answer = await response.json()

    assert (response.status, response.headers["Retry-After"]) == (503, "2")
    assert answer["error"]["code"] == "UNAVAILABLE"
    assert answer["error"]["details"] == {"retryAfterMs": 1500}
    assert door.metrics.publications["unavailable"] >= 1


async def test_when_the_broker_took_some_of_many_each_is_told_so(open_door: OpenDoor) -> None:
    door = await open_door(DEVELOPMENT, BrokerAway)

    status, answer = await door.post("paris", [{"event": "tick"}, {"event": "lost"}])

    assert status == 200
    assert answer["data"][0]["roomId"] == "paris"
    assert answer["data"][1]["error"]["code"] == "UNAVAILABLE"
