"""`/api/keys`, and what a key opens."""

from __future__ import annotations

from typing import Any

import pytest

from gateway.identity import Role
from tests.gateway.rest.conftest import PRODUCTION, Answer, Door, OpenDoor

SHOP = {"name": "shop", "publish": ["city:*"]}
UPDATE = {"event": "bike-update", "data": {"bike_id": "1"}}


@pytest.fixture
async def door(open_door: OpenDoor) -> Door:
    return await open_door(PRODUCTION)


async def created(door: Door, **fields: object) -> dict[str, Any]:
    answer = await door.ask("POST", "/api/keys", SHOP | fields)
    assert answer.status == 201, answer.body
    key: dict[str, Any] = answer.data
    return key


async def publish(door: Door, text: str, room: str = "city:paris") -> Answer:
    headers = {"Authorization": f"Bearer {text}"}
    return await door.ask("POST", f"/api/rooms/{room}/events", UPDATE, headers)


async def test_a_key_is_shown_once_and_publishes_where_it_may(door: Door) -> None:
    key = await created(door)
    text = key.pop("key")

    assert (await publish(door, text)).status == 200
    assert (await publish(door, text, "lyon")).code == "FORBIDDEN"
    shown = (await door.ask("GET", f"/api/keys/{key['id']}")).data
    assert shown == key | {"usedAt": shown["usedAt"]}
    assert [each["id"] for each in (await door.ask("GET", "/api/keys")).data] == [key["id"]]
    assert text not in str((await door.ask("GET", "/api/keys")).body)


async def test_a_revoked_key_opens_nothing_any_more(door: Door) -> None:
    key = await created(door)
    assert (await publish(door, key["key"])).status == 200

    assert (await door.ask("DELETE", f"/api/keys/{key['id']}")).status == 204

    refused = await publish(door, key["key"])
    assert (refused.status, refused.code) == (401, "TOKEN_INVALID")
    assert (await door.ask("DELETE", f"/api/keys/{key['id']}")).code == "NOT_FOUND"


async def test_a_rotation_overlaps_as_long_as_it_was_asked_to(door: Door) -> None:
    key = await created(door)
    path = f"/api/keys/{key['id']}/rotate"

    second = (await door.ask("POST", path, {"overlapSeconds": 3600})).data["key"]
    assert [(await publish(door, text)).status for text in (key["key"], second)] == [200, 200]

    third = (await door.ask("POST", path, {"overlapSeconds": 0})).data["key"]
    statuses = [(await publish(door, text)).status for text in (key["key"], second, third)]
    assert statuses == [401, 401, 200]


async def test_a_mistyped_key_is_refused_without_a_question_to_the_store(door: Door) -> None:
    text = (await created(door))["key"]
    await door.database.stop()
    wrong = text[:-1] + ("x" if text[-1] != "x" else "y")

    answer = await publish(door, wrong)

    assert (answer.status, answer.code) == (401, "TOKEN_INVALID")


async def test_a_key_manages_nobody_and_signs_in_nobody(door: Door) -> None:
    headers = {"Authorization": f"Bearer {(await created(door))['key']}"}

    assert (await door.ask("GET", "/api/users", headers=headers)).code == "FORBIDDEN"
    assert (await door.ask("GET", "/api/keys", headers=headers)).code == "FORBIDDEN"
    assert (await door.ask("GET", "/api/users/me", headers=headers)).code == "NOT_FOUND"


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/api/keys"),
        ("POST", "/api/keys"),
        ("GET", "/api/keys/x"),
        ("DELETE", "/api/keys/x"),
        ("POST", "/api/keys/x/rotate"),
    ],
)
async def test_only_an_admin_manages_keys(door: Door, method: str, path: str) -> None:
    assert (await door.ask(method, path, role=Role.OPERATOR)).code == "FORBIDDEN"
    assert (await door.ask(method, path, role=None)).code == "UNAUTHENTICATED"


async def test_every_bad_field_is_named(door: Door) -> None:
    body = {"name": "", "publish": [""], "join": "all", "expiresInSeconds": 0, "colour": 1}

    answer = await door.ask("POST", "/api/keys", body)

    assert set(answer.bad_fields) == set(body)


@pytest.mark.parametrize("key_id", ["x", "%00", "a" * 12, "%F0%9F%9A%B2"])
async def test_a_key_that_is_not_there_is_not_found(door: Door, key_id: str) -> None:
    assert (await door.ask("GET", f"/api/keys/{key_id}")).status == 404
