"""`/api/trackers`, as phones use and misuse it."""

from __future__ import annotations

import base64
import io
import json
import time
from typing import Any
from urllib.parse import urlencode

import pytest
from structlog.testing import capture_logs

from gateway.broker.contract import BrokerUnavailable, Settle
from gateway.broker.memory import MemoryBroker
from gateway.rooms.publication import Draft
from tests.gateway.rest.conftest import PRODUCTION, Answer, Door, OpenDoor

ROOM = "city:paris"
OWNTRACKS, OSMAND = "/api/trackers/owntracks", "/api/trackers/osmand"
FORM = {"Content-Type": "application/x-www-form-urlencoded"}
DAY_SECONDS = 86_400


@pytest.fixture
async def door(open_door: OpenDoor) -> Door:
    return await open_door(PRODUCTION)


async def made(door: Door, **fields: object) -> str:
    """A key, or a tracker code, and what it may do."""
    body = {"name": "ada", "publish": [ROOM], "tracker": True} | fields
    answer = await door.ask("POST", "/api/keys", body)
    assert answer.status == 201, answer.body
    return str(answer.data["key"])


def basic(password: str, user: str = "ada") -> dict[str, str]:
    credentials = base64.b64encode(f"{user}:{password}".encode()).decode()
    return {"Authorization": f"Basic {credentials}"}


def location(**changes: object) -> dict[str, object]:
    told = {"_type": "location", "lat": 48.85, "lon": 2.35, "tst": int(time.time()), "vel": 36}
    return told | changes


def parameters(code: str, **changes: object) -> dict[str, object]:
    return {"id": code, "lat": 48.85, "lon": 2.35, "timestamp": int(time.time())} | changes


async def post_owntracks(door: Door, password: str, query: str = "", **changes: object) -> Answer:
    headers = basic(password)
    return await door.ask("POST", OWNTRACKS + query, location(**changes), headers, role=None)


async def get_osmand(door: Door, code: str, **changes: object) -> Answer:
    query = urlencode(parameters(code, **changes))
    return await door.ask("GET", f"{OSMAND}?{query}", role=None)


def payloads_of(heard: list[Any]) -> list[dict[str, Any]]:
    return [json.loads(each.payload) for each in heard]


# ---- OwnTracks


async def test_a_location_of_owntracks_moves_the_bike_of_its_code(door: Door) -> None:
    heard = await door.listen(ROOM)
    code = await made(door)

    answer = await post_owntracks(door, code, batt=50, tst=int(time.time()))

    assert (answer.status, answer.body) == (200, [])
    (update,) = payloads_of(heard)
    assert time.time() * 1000 - update.pop("timestamp") < 60_000
    assert update == {
        "vehicle_id": "tracker-ada",
        "lat": 48.85,
        "lon": 2.35,
        "speed": 10,
        "current_fuel_percent": 0.5,
        "roomId": ROOM,
    }


async def test_what_owntracks_says_of_other_things_is_heard(door: Door) -> None:
    heard = await door.listen(ROOM)
    headers = basic(await made(door))

    for body in (b"", b'{"_type":"lwt"}', b'{"_type":"waypoints"}'):
        answer = await door.ask("POST", OWNTRACKS, body or None, headers, role=None)
        assert (answer.status, answer.body) == (200, [])
    assert heard == []


async def test_a_key_for_one_room_needs_no_room_and_one_for_many_does(door: Door) -> None:
    heard = await door.listen(ROOM)
    narrow, wide = [
        await made(door, tracker=False, publish=rooms) for rooms in ([ROOM], ["city:*"])
    ]

    assert (await post_owntracks(door, narrow)).status == 200
    refused = await post_owntracks(door, wide)
    assert (refused.status, set(refused.bad_fields)) == (422, {"room"})
    assert (await post_owntracks(door, wide, f"?room={ROOM}&bike=7")).status == 200
    assert [each["vehicle_id"] for each in payloads_of(heard)] == ["tracker-ada", "7"]


@pytest.mark.parametrize("is_tracker", [True, False])
async def test_nobody_reports_beyond_their_grants(door: Door, *, is_tracker: bool) -> None:
    refused = await post_owntracks(door, await made(door, tracker=is_tracker), "?room=city:lyon")

    assert (refused.status, refused.code) == (403, "FORBIDDEN")


async def test_a_key_that_only_joins_reports_nowhere(door: Door) -> None:
    key = await made(door, tracker=False, publish=[], join=[ROOM])

    assert set((await post_owntracks(door, key)).bad_fields) == {"room"}
    assert (await post_owntracks(door, key, f"?room={ROOM}")).code == "FORBIDDEN"


async def test_a_code_reports_the_one_bike(door: Door) -> None:
    refused = await post_owntracks(door, await made(door), "?bike=7")

    assert (refused.status, refused.code) == (403, "FORBIDDEN")


async def test_a_name_that_no_bike_can_have_is_not_the_bike_s(door: Door) -> None:
    heard = await door.listen(ROOM)
    code = await made(door, name="Ada's phone")

    await post_owntracks(door, code)

    assert payloads_of(heard)[0]["vehicle_id"] == f"tracker-{code.split('_')[1]}"


@pytest.mark.parametrize(
    "authorization", [None, "Basic", "Basic ???", "Basic YWRh", "Basic YWRhOg==", "Bearer x"]
)
async def test_who_shows_no_password_is_told_how_to(door: Door, authorization: str | None) -> None:
    headers = {} if authorization is None else {"Authorization": authorization}

    refused = await door.ask("POST", OWNTRACKS, location(), headers, role=None)

    assert (refused.status, refused.code) == (401, "UNAUTHENTICATED")
    assert refused.headers["WWW-Authenticate"].startswith("Basic realm=")


async def test_a_password_that_is_none_is_refused(door: Door) -> None:
    code = await made(door)
    wrong = code[:-1] + ("x" if code[-1] != "x" else "y")

    for password in ("hunter2", "eyJhbGciOiJIUzI1NiJ9.e30.x", wrong, code.replace("pct", "pcl")):
        refused = await post_owntracks(door, password)
        assert (refused.status, refused.code) == (401, "TOKEN_INVALID")


# ---- OsmAnd and Traccar Client


async def test_a_report_comes_by_url_by_form_and_as_json(door: Door) -> None:
    heard = await door.listen(ROOM)
    code, now_seconds = await made(door), int(time.time())
    form = urlencode(parameters(code, lat=2, timestamp=now_seconds + 1))
    report = {
        "location": {
            "timestamp": (now_seconds + 2) * 1000,
            "coords": {"latitude": 3, "longitude": 2.35, "speed": -1},
            "battery": {"level": 0.5},
        },
        "device_id": code,
    }

    answers = [
        await get_osmand(door, code, lat=1, timestamp=now_seconds, speed=10, batt=-1),
        await door.ask("POST", OSMAND, form, FORM, role=None),
        await door.ask("POST", OSMAND, report, role=None),
        await door.ask("POST", f"{OSMAND}?{urlencode(parameters(code, lat=4))}", role=None),
    ]

    assert [answer.status for answer in answers] == [200] * 4
    assert answers[0].data | {"cursor": ""} == {
        "roomId": ROOM,
        "bikeId": "tracker-ada",
        "cursor": "",
    }
    updates = payloads_of(heard)
    assert [update["lat"] for update in updates] == [1, 2, 3]  # the last is older: newer wins
    assert {update["vehicle_id"] for update in updates} == {"tracker-ada"}
    assert (updates[0]["speed"], "speed" in updates[2]) == (5.144, False)
    assert updates[2]["current_fuel_percent"] == 0.5


async def test_a_code_opens_nothing_but_this(door: Door) -> None:
    heard = await door.listen(ROOM)
    code = await made(door)
    headers = {"Authorization": f"Bearer {code}"}
    update = {"event": "bike-update", "data": {"bike_id": "someone else's"}}

    for method, path, body in [
        ("POST", f"/api/rooms/{ROOM}/events", update),
        ("GET", f"/api/rooms/{ROOM}/snapshot", None),
        ("POST", "/api/tickets", None),
    ]:
        refused = await door.ask(method, path, body, headers, role=None)
        assert (refused.status, refused.code) == (401, "TOKEN_INVALID")
    assert heard == []


async def test_an_api_key_is_not_taken_in_a_url(door: Door) -> None:
    key = await made(door, tracker=False)

    refused = await get_osmand(door, key)

    assert (refused.status, refused.code) == (403, "FORBIDDEN")
    assert key not in str(refused.body)


async def test_a_report_without_a_code_is_nobody_s(door: Door) -> None:
    for code in ("", "123456"):
        assert (await get_osmand(door, code)).status == 401


async def test_a_code_that_was_revoked_or_rotated_is_worth_nothing(door: Door) -> None:
    code = await made(door)
    path = f"/api/keys/{code.split('_')[1]}"

    rotated = (await door.ask("POST", f"{path}/rotate", {"overlapSeconds": 0})).data["key"]
    assert rotated.startswith("pct_")
    assert (await get_osmand(door, code)).code == "TOKEN_EXPIRED"
    assert (await get_osmand(door, rotated)).status == 200

    await door.ask("DELETE", path)
    assert (await get_osmand(door, rotated)).code == "TOKEN_INVALID"


@pytest.mark.parametrize(
    ("changes", "status", "code"),
    [
        ({"lat": 91}, 422, "INVALID"),
        ({"lat": "north"}, 400, "MALFORMED"),
        ({"lon": "nan"}, 422, "INVALID"),
        ({"lon": ""}, 422, "INVALID"),
        ({"timestamp": ""}, 422, "INVALID"),
        ({"timestamp": int(time.time()) + DAY_SECONDS}, 422, "INVALID"),
    ],
)
async def test_a_report_that_is_wrong_is_told_why(
    door: Door, changes: dict[str, object], status: int, code: str
) -> None:
    heard = await door.listen(ROOM)

    refused = await get_osmand(door, await made(door), **changes)

    assert (refused.status, refused.code) == (status, code)
    assert heard == []


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"timestamp": int(time.time()) - 2 * DAY_SECONDS}, "more than a day old"),
        ({"valid": "false"}, "does not know the location"),
    ],
)
async def test_a_report_that_will_never_be_of_use_is_not_asked_for_again(
    door: Door, changes: dict[str, object], why: str
) -> None:
    heard = await door.listen(ROOM)
    code = await made(door)

    with capture_logs() as lines:
        answers = [await get_osmand(door, code, **changes) for _ in range(20)]

    assert {answer.status for answer in answers} == {200}
    assert why in answers[0].data["ignored"]
    assert heard == []
    assert 0 < len(lines) <= 6
    assert why in lines[0]["why"]
    assert door.metrics.refusals["INVALID"] == 20


async def test_a_body_may_be_no_endless_form(door: Door) -> None:
    form = "&".join(f"a{number}=1" for number in range(101))

    refused = await door.ask("POST", OSMAND, form, FORM, role=None)

    assert (refused.status, refused.code) == (413, "TOO_LARGE")


# ---- both


async def test_a_code_has_the_limits_of_a_peer(open_door: OpenDoor) -> None:
    limits = {
        "PACELINE_MESSAGES_PER_SECOND_PER_PEER": "1",
        "PACELINE_MESSAGES_BURST_PER_PEER": "3",
    }
    door = await open_door(PRODUCTION | limits)
    code, other = await made(door), await made(door, name="bob")

    statuses = [(await get_osmand(door, code)).status for _ in range(3)]
    refused = await post_owntracks(door, code)

    assert statuses == [200] * 3
    assert (refused.status, refused.code) == (429, "TOO_FAST")
    assert refused.headers["Retry-After"] == "1"
    assert (await get_osmand(door, other)).status == 200


class AbsentBroker(MemoryBroker):
    """One that cannot be reached."""

    def publish(self, draft: Draft, settle: Settle) -> None:  # noqa: ARG002 - the contract's names
        settle(BrokerUnavailable(1500))


async def test_when_the_broker_is_away_the_phone_tries_again(open_door: OpenDoor) -> None:
    door = await open_door(PRODUCTION, broker_of=AbsentBroker)
    code = await made(door)

    for refused in (await get_osmand(door, code), await post_owntracks(door, code)):
        assert (refused.status, refused.code) == (503, "UNAVAILABLE")
        assert refused.headers["Retry-After"] == "2"


async def test_no_line_of_the_log_shows_a_code(
    door: Door, capfd: pytest.CaptureFixture[str]
) -> None:
    code = await made(door)

    with capture_logs() as lines:
        await get_osmand(door, code, lat=91)
        await get_osmand(door, code, timestamp=1)
        await get_osmand(door, code[:-1])
        await door.ask("POST", OSMAND, io.BytesIO(b"{").read(), role=None)

    assert len(lines) == 4
    secret = code.rpartition("_")[2]
    assert secret[:16] not in str(lines) + capfd.readouterr().err
