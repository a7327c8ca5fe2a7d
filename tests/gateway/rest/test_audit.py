"""`/api/audit`."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from gateway.identity import Role
from tests.gateway.rest.conftest import PRODUCTION, WORKER, Door, OpenDoor, bearer

AUDIT = "/api/audit"
PASSWORD = "correct horse"


@pytest.fixture
async def door(open_door: OpenDoor) -> Door:
    return await open_door(PRODUCTION)


async def made(door: Door, number: int = 1) -> str:
    body = {"email": f"person{number}@example.org", "name": f"Person {number}"}
    user_id: str = (await door.ask("POST", "/api/users", body)).data["id"]
    return user_id


async def entries(door: Door, query: str = "") -> list[Any]:
    answer = await door.ask("GET", f"{AUDIT}?sort=number&limit=500{query}")
    assert answer.status == 200, answer.body
    return list(answer.data)


async def test_each_change_is_there_with_who_made_it_how_and_from_where(door: Door) -> None:
    user_id = await made(door)
    path = f"/api/users/{user_id}"
    body = {"newPassword": PASSWORD}
    set_password = await door.ask("PUT", f"{path}/password", body)
    await door.ask("PATCH", path, {"name": "Countess"}, {"If-Match": '"9"'})  # refused
    sign_in = {"email": "person1@example.org", "password": PASSWORD}
    tokens = (await door.ask("POST", "/api/sessions", sign_in, role=None)).data
    headers = {"Authorization": f"Bearer {tokens['accessToken']}"}
    own = {"email": "other@example.org", "currentPassword": PASSWORD}
    assert (await door.ask("PATCH", "/api/users/me", own, headers)).status == 200
    used = {"refreshToken": tokens["refreshToken"]}
    await door.ask("POST", "/api/sessions/refresh", used, role=None)
    await door.ask("POST", "/api/sessions/refresh", used, role=None)
    await door.ask("PATCH", path, {"role": "operator", "disabled": True})
    key = (await door.ask("POST", "/api/keys", {"name": "shop", "publish": ["*"]})).data
    await door.ask("POST", f"/api/keys/{key['id']}/rotate", {})
    await door.ask("DELETE", f"/api/keys/{key['id']}")
    operator: dict[str, Any] = {"role": Role.OPERATOR, "subject": "olga"}
    await door.ask("DELETE", "/api/rooms/city:paris/members/p1", **operator)
    await door.ask("DELETE", "/api/peers?subject=eve", **operator)
    await door.ask("POST", f"/api/workers/{WORKER.worker_id}/drain", **operator)
    await door.ask("DELETE", path)

    found = await entries(door)
    admin, ada, olga = ("an admin", "token"), (user_id, "session"), ("olga", "token")
    assert [(each["subject"], each["via"], each["action"], each["whom"]) for each in found] == [
        (*admin, "user.created", user_id),
        (*admin, "password.changed", user_id),
        (*ada, "address.changed", user_id),
        ("", "request", "session.revoked", user_id),
        (*admin, "role.changed", user_id),
        (*admin, "user.disabled", user_id),
        (*admin, "key.created", key["id"]),
        (*admin, "key.rotated", key["id"]),
        (*admin, "key.revoked", key["id"]),
        (*olga, "peer.removed", "p1"),
        (*olga, "sockets.ended", "eve"),
        (*olga, "worker.drained", WORKER.worker_id),
        (*admin, "user.deleted", user_id),
    ]
    assert [each["number"] for each in found] == list(range(1, len(found) + 1))
    assert {each["address"] for each in found} == {"127.0.0.1"}
    assert found[1]["requestId"] == set_password.headers["X-Request-Id"]
    assert len({each["requestId"] for each in found}) == len(found) - 1  # two of one request
    assert found[0]["at"].endswith("Z")
    assert not [each for each in found if "@" in str(each) or PASSWORD in str(each)]


async def test_an_account_whose_password_is_guessed_is_there_once(door: Door) -> None:
    user_id = await made(door)
    for email in ("person1@example.org", "nobody@example.org"):
        guess = {"email": email, "password": "a guess"}
        codes = [(await door.ask("POST", "/api/sessions", guess, role=None)).code for _ in range(8)]
        assert codes == ["CREDENTIALS_WRONG"] * 5 + ["TOO_FAST"] * 3

    async with asyncio.timeout(15):
        while not (found := await entries(door, "&action=sign-in.slowed")):  # noqa: ASYNC110 - it tells nobody
            await asyncio.sleep(0.02)
    assert [(each["subject"], each["via"], each["whom"]) for each in found] == [
        ("", "request", user_id)
    ]


async def test_pages_go_on_and_a_cursor_is_of_one_order(door: Door) -> None:
    for number in range(5):
        await made(door, number)

    numbers: list[int] = []
    path = f"{AUDIT}?limit=2"
    while True:
        answer = await door.ask("GET", path)
        assert answer.body["meta"]["total"] == 5
        numbers += [each["number"] for each in answer.data]
        cursor = answer.body["meta"]["pagination"]["nextCursor"]
        if cursor is None:
            break
        path = f"{AUDIT}?limit=2&cursor={cursor}"
        other = await door.ask("GET", f"{AUDIT}?sort=number&cursor={cursor}")
        assert (other.status, other.code) == (400, "INVALID_CURSOR")

    assert numbers == [5, 4, 3, 2, 1]
    for invention in ("AAAA", "WyItbnVtYmVyIiwtMV0"):
        assert (await door.ask("GET", f"{AUDIT}?cursor={invention}")).code == "INVALID_CURSOR"


async def test_filters_are_taken_together(door: Door) -> None:
    first, second = await made(door, 1), await made(door, 2)
    await door.ask("DELETE", f"/api/users/{first}")

    assert len(await entries(door, f"&whom={first}")) == 2
    assert len(await entries(door, f"&whom={second}&action=user.created")) == 1
    assert len(await entries(door, "&subject=an%20admin")) == 3
    assert await entries(door, "&untilMs=1") == []
    assert await entries(door, "&subject=nobody") == []


@pytest.mark.parametrize("role", [None, *(role for role in Role if role is not Role.ADMIN)])
async def test_only_an_admin_reads_it_and_nobody_writes_it(door: Door, role: Role | None) -> None:
    headers = {} if role is None else {"Authorization": bearer(role)}

    assert (await door.ask("GET", AUDIT, headers=headers, role=None)).status in {401, 403}
    for method in ("POST", "PUT", "PATCH", "DELETE"):
        assert (await door.ask(method, AUDIT)).status == 405
