"""`/api/users`, on SQLite and PostgreSQL alike."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest

from gateway.identity import Role
from tests.gateway.rest.conftest import PRODUCTION, Door, OpenDoor
from tests.gateway.users.backends import BACKENDS, opened
from tests.toolbox.ports import free_port

ADA = {"email": "ada@example.org", "name": "Ada Lovelace"}


@pytest.fixture(params=sorted(BACKENDS))
async def door(request: pytest.FixtureRequest, open_door: OpenDoor) -> Door:
    url = await asyncio.to_thread(BACKENDS[request.param], request, "paceline_rest")
    await (await opened(url)).stop()
    return await open_door(PRODUCTION | {"DATABASE_URL": url})


async def created(door: Door, **fields: object) -> dict[str, Any]:
    answer = await door.ask("POST", "/api/users", ADA | fields)
    assert answer.status == 201, answer.body
    user: dict[str, Any] = answer.data
    return user


async def many(door: Door, count: int) -> list[dict[str, Any]]:
    return [
        await created(door, email=f"p{number}@example.org", name=f"Person {number}")
        for number in range(count)
    ]


# ---- create


async def test_an_admin_makes_a_user_and_sees_the_same_values(door: Door) -> None:
    answer = await door.ask("POST", "/api/users", ADA)

    assert answer.status == 201
    assert answer.data.items() >= ADA.items()
    assert answer.headers["Location"] == f"/api/users/{answer.data['id']}"
    assert answer.headers["ETag"] == '"1"'
    assert answer.headers["Cache-Control"] == "no-store"
    rest = {name: answer.data[name] for name in ("age", "role", "disabled", "version")}
    assert rest == {"age": None, "role": "rider", "disabled": False, "version": 1}
    assert answer.data["createdAt"] == answer.data["updatedAt"]
    assert answer.data["createdAt"].endswith("Z")
    assert (await door.ask("GET", answer.headers["Location"])).data == answer.data


async def test_every_bad_field_is_named_at_once_and_nothing_is_made(door: Door) -> None:
    body = {"email": "ada", "name": "A", "age": 17, "role": "king", "colour": "blue"}

    answer = await door.ask("POST", "/api/users", body)

    assert (answer.status, answer.code) == (422, "INVALID")
    assert set(answer.bad_fields) == set(body)
    assert (await door.ask("GET", "/api/users")).body["meta"]["total"] == 0


async def test_an_email_is_taken_whatever_its_letters(door: Door) -> None:
    await created(door)

    answer = await door.ask("POST", "/api/users", ADA | {"email": "ADA@EXAMPLE.ORG"})

    assert (answer.status, answer.code) == (409, "EMAIL_TAKEN")
    assert set(answer.bad_fields) == {"email"}


async def test_script_in_a_name_is_kept_as_it_came(door: Door) -> None:
    name = "<script>alert('x')</script>"

    assert (await created(door, name=name))["name"] == name


@pytest.mark.parametrize(
    ("raw", "content_type", "status", "code"),
    [
        ("{", "application/json", 400, "MALFORMED"),
        ("[]", "application/json", 400, "MALFORMED"),
        (b'{"name": "\xff"}', "application/json", 400, "MALFORMED"),
        ('{"email": "a@b.c", "name": "\\ud800\\ud800"}', "application/json", 400, "MALFORMED"),
        ("{}", "text/plain", 415, "UNSUPPORTED_MEDIA_TYPE"),
        (b'{"name": "' + b"x" * 2_000_000 + b'"}', "application/json", 413, "TOO_LARGE"),
    ],
)
async def test_what_is_no_json_is_refused(
    door: Door, raw: object, content_type: str, status: int, code: str
) -> None:
    answer = await door.ask("POST", "/api/users", raw, {"Content-Type": content_type})

    assert answer.status in {status, 422}
    assert answer.code in {code, "INVALID"}


async def test_a_key_makes_one_user_however_often_it_is_sent(door: Door) -> None:
    key = {"Idempotency-Key": "once"}

    answers = await asyncio.gather(*(door.ask("POST", "/api/users", ADA, key) for _ in range(10)))

    assert {answer.status for answer in answers} == {201}
    assert len({json.dumps(answer.data) for answer in answers}) == 1
    assert (await door.ask("GET", "/api/users")).body["meta"]["total"] == 1


async def test_a_key_is_of_one_request_and_of_one_sender(door: Door) -> None:
    key = {"Idempotency-Key": "once"}
    other = ADA | {"email": "other@example.org"}
    await door.ask("POST", "/api/users", ADA, key)

    reused = await door.ask("POST", "/api/users", other, key)
    of_another = await door.ask("POST", "/api/users", other, key, subject="another admin")

    assert (reused.status, reused.code) == (422, "KEY_REUSED")
    assert of_another.status == 201


# ---- who may


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/api/users"),
        ("POST", "/api/users"),
        ("GET", "/api/users/1"),
        ("PATCH", "/api/users/1"),
        ("DELETE", "/api/users/1"),
    ],
)
async def test_only_an_admin_manages_users(door: Door, method: str, path: str) -> None:
    for role in (Role.VIEWER, Role.RIDER, Role.OPERATOR, Role.SERVICE):
        answer = await door.ask(method, path, role=role)
        assert (answer.status, answer.code) == (403, "FORBIDDEN")

    nobody = await door.ask(method, path, role=None)
    assert (nobody.status, nobody.code) == (401, "UNAUTHENTICATED")
    assert nobody.headers["WWW-Authenticate"] == "Bearer"


# ---- read


@pytest.mark.parametrize(
    "user_id", ["nobody", "01a3185c-5bb8-74e0-8085-62bedb8b60ce", "%00", "%27%20OR%201=1"]
)
async def test_who_is_not_there_is_not_found(door: Door, user_id: str) -> None:
    for method in ("GET", "DELETE"):
        answer = await door.ask(method, f"/api/users/{user_id}")
        assert (answer.status, answer.code) == (404, "NOT_FOUND")


async def test_fields_are_chosen(door: Door) -> None:
    user = await created(door)

    one = await door.ask("GET", f"/api/users/{user['id']}?fields=id,name")
    several = await door.ask("GET", "/api/users?fields=email")

    assert one.data == {"id": user["id"], "name": user["name"]}
    assert several.data == [{"email": user["email"]}]


@pytest.mark.parametrize("fields", ["password", "id,", "tokensValidAfterMs", "id;name"])
async def test_a_field_that_there_is_not_is_named(door: Door, fields: str) -> None:
    answer = await door.ask("GET", f"/api/users?fields={fields}")

    assert (answer.status, set(answer.bad_fields)) == (422, {"fields"})


async def test_who_has_the_version_already_is_told_so(door: Door) -> None:
    user = await created(door)
    path = f"/api/users/{user['id']}"

    known = await door.ask("GET", path, headers={"If-None-Match": '"1"'})
    unknown = await door.ask("GET", path, headers={"If-None-Match": '"2"'})

    assert (known.status, known.body, known.headers["ETag"]) == (304, None, '"1"')
    assert unknown.status == 200


async def test_a_list_is_walked_by_cursor_and_by_page(door: Door) -> None:
    people = await many(door, 5)
    by_cursor: list[Any] = []
    path = "/api/users?limit=2"
    while True:
        answer = await door.ask("GET", path)
        by_cursor += answer.data
        pagination = answer.body["meta"]["pagination"]
        assert answer.body["meta"]["total"] == 5
        if pagination["nextCursor"] is None:
            break
        path = f"/api/users?limit=2&cursor={pagination['nextCursor']}"

    third = await door.ask("GET", "/api/users?limit=2&page=3")

    assert by_cursor == people
    assert third.data == people[4:]
    assert third.body["meta"]["pagination"] == {
        "limit": 2,
        "nextCursor": None,
        "page": 3,
        "pages": 3,
    }


async def test_a_list_is_filtered_and_sorted(door: Door) -> None:
    await many(door, 3)
    await created(door, name="Zoe", role="admin", disabled=True)

    async def names(query: str) -> list[str]:
        answer = await door.ask("GET", f"/api/users?{query}")
        assert answer.body["meta"]["total"] == len(answer.data)
        return [user["name"] for user in answer.data]

    assert await names("sort=-name") == ["Zoe", "Person 2", "Person 1", "Person 0"]
    assert await names("role=admin") == ["Zoe"]
    assert await names("disabled=false&sort=email") == ["Person 0", "Person 1", "Person 2"]
    assert await names("email=P1@EXAMPLE.org") == ["Person 1"]
    assert await names("name=pers&sort=-createdAt") == ["Person 2", "Person 1", "Person 0"]


@pytest.mark.parametrize(
    ("query", "status", "named"),
    [
        ("limit=0&sort=age&colour=1", 422, {"limit", "sort", "colour"}),
        ("limit=101", 422, {"limit"}),
        ("limit=2&limit=3", 422, {"limit"}),
        ("page=0", 422, {"page"}),
        ("page=9999", 422, {"page"}),
        ("page=101", 422, {"page"}),
        ("disabled=perhaps", 422, {"disabled"}),
        ("name=%00", 422, {"name"}),
        ("email=a%0d%0ab", 422, {"email"}),
        ("cursor=x", 400, None),
        ("cursor=W10", 400, None),
        ("cursor=%FF", 422, {"cursor"}),
        ("cursor=WyJuYW1lIiwgIlx1MDAwMCIsICIiXQ&sort=name", 400, None),
        ("cursor=WyItbmFtZSIsICJhIiwgImIiXQ&sort=name", 400, None),
        ("cursor=WyJjcmVhdGVkQXQiLCAxZTMwLCAiYiJd", 400, None),
    ],
)
async def test_a_bad_parameter_is_named(
    door: Door, query: str, status: int, named: set[str] | None
) -> None:
    answer = await door.ask("GET", f"/api/users?{query}")

    assert answer.status == status, answer.body
    if named is None:
        assert answer.code == "INVALID_CURSOR"
    else:
        assert set(answer.bad_fields) == named


# ---- change


async def test_what_is_sent_is_changed_and_the_rest_stays(door: Door) -> None:
    user = await created(door, age=30)

    answer = await door.ask("PATCH", f"/api/users/{user['id']}", {"name": "Countess", "age": None})

    assert answer.status == 200
    assert answer.headers["ETag"] == '"2"'
    expected = user | {"name": "Countess", "age": None, "version": 2}
    assert answer.data == expected | {"updatedAt": answer.data["updatedAt"]}


async def test_who_changes_an_old_version_is_told(door: Door) -> None:
    user = await created(door)
    path = f"/api/users/{user['id']}"
    first = await door.ask("PATCH", path, {"name": "First"}, {"If-Match": '"1"'})

    second = await door.ask("PATCH", path, {"name": "Second"}, {"If-Match": '"1"'})
    third = await door.ask("PATCH", path, {"name": "Third", "version": 1})
    gone = await door.ask("DELETE", path, headers={"If-Match": '"1"'})

    assert first.status == 200
    assert (second.status, second.code) == (412, "PRECONDITION_FAILED")
    assert (third.status, third.code) == (409, "CONFLICT")
    assert third.body["error"]["details"] == {"version": 2}
    assert gone.status == 412
    assert (await door.ask("GET", path)).data["name"] == "First"


async def test_many_changes_at_once_are_all_made(door: Door) -> None:
    user = await created(door)
    path = f"/api/users/{user['id']}"

    answers = await asyncio.gather(
        *(door.ask("PATCH", path, {"name": f"Name {number}"}) for number in range(20))
    )

    assert {answer.status for answer in answers} == {200}
    assert sorted(answer.data["version"] for answer in answers) == list(range(2, 22))


async def test_a_change_is_checked_like_a_creation(door: Door) -> None:
    user, other = await created(door), await created(door, email="other@example.org")
    path = f"/api/users/{user['id']}"

    bad = await door.ask("PATCH", path, {"name": None, "age": 7, "id": "x", "createdAt": "now"})
    taken = await door.ask("PATCH", path, {"email": other["email"]})
    tag = await door.ask("PATCH", path, {}, {"If-Match": "1"})

    assert set(bad.bad_fields) == {"name", "age", "id", "createdAt"}
    assert (taken.status, taken.code) == (409, "EMAIL_TAKEN")
    assert (tag.status, tag.code) == (412, "PRECONDITION_FAILED")
    assert (await door.ask("GET", path)).data == user


async def test_what_changes_nothing_makes_no_version(door: Door) -> None:
    user = await created(door)

    answer = await door.ask("PATCH", f"/api/users/{user['id']}", {"name": user["name"]})

    assert answer.data == user


async def test_who_is_deleted_is_gone(door: Door) -> None:
    user = await created(door)
    path = f"/api/users/{user['id']}"

    answer = await door.ask("DELETE", path, headers={"If-Match": '"1"'})

    assert (answer.status, answer.body) == (204, None)
    assert (await door.ask("GET", path)).status == 404
    assert (await door.ask("PATCH", path, {})).status == 404
    assert (await door.ask("DELETE", path)).status == 404
    assert (await created(door))["id"] != user["id"]


# ---- when there is no database


async def test_without_a_database_users_are_not_to_be_had_just_now(open_door: OpenDoor) -> None:
    nowhere = f"postgresql://paceline@127.0.0.1:{free_port()}/users"
    door = await open_door(PRODUCTION | {"DATABASE_URL": nowhere})
    user_id = "01a3185c-5bb8-74e0-8085-62bedb8b60ce"

    for method, path, body in (
        ("GET", "/api/users", None),
        ("POST", "/api/users", ADA),
        ("GET", f"/api/users/{user_id}", None),
        ("PATCH", f"/api/users/{user_id}", {}),
        ("DELETE", f"/api/users/{user_id}", None),
    ):
        answer = await door.ask(method, path, body)
        assert (answer.status, answer.code) == (503, "UNAVAILABLE")
        assert int(answer.headers["Retry-After"]) > 0
        assert "127.0.0.1" not in json.dumps(answer.body)
