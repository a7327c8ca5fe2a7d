"""`/api/users/me`."""

from __future__ import annotations

from typing import Any

import pytest

from gateway.identity import Role
from gateway.users.passwords import Passwords
from gateway.users.sql_sessions import SqlSessionStore
from tests.gateway.rest.conftest import PRODUCTION, Door, OpenDoor

ME = "/api/users/me"
PASSWORD = "correct horse"


@pytest.fixture
async def door(open_door: OpenDoor) -> Door:
    return await open_door(PRODUCTION)


@pytest.fixture
async def ada(door: Door) -> dict[str, Any]:
    body = {"email": "ada@example.org", "name": "Ada"}
    user: dict[str, Any] = (await door.ask("POST", "/api/users", body)).data
    return user


@pytest.mark.parametrize("role", list(Role))
async def test_everybody_sees_themselves(door: Door, ada: dict[str, Any], role: Role) -> None:
    answer = await door.ask("GET", ME, role=role, subject=ada["id"])

    assert answer.data == ada


async def test_everybody_changes_themselves(door: Door, ada: dict[str, Any]) -> None:
    me = {"role": Role.VIEWER, "subject": ada["id"]}

    answer = await door.ask("PATCH", ME, {"name": "Countess"}, {"If-Match": '"1"'}, **me)
    late = await door.ask("PATCH", ME, {"name": "Late"}, {"If-Match": '"1"'}, **me)

    assert (answer.data["name"], answer.data["version"]) == ("Countess", 2)
    assert late.code == "PRECONDITION_FAILED"


@pytest.mark.parametrize("field", [{"role": "admin"}, {"disabled": False}, {"id": "1"}])
async def test_nobody_makes_themselves_more_than_they_are(
    door: Door, ada: dict[str, Any], field: dict[str, Any]
) -> None:
    body = {"name": "Countess"} | field

    answer = await door.ask("PATCH", ME, body, role=Role.RIDER, subject=ada["id"])

    assert (answer.status, set(answer.bad_fields)) == (422, set(field))
    assert (await door.ask("GET", ME, subject=ada["id"])).data == ada


async def test_a_token_may_be_of_nobody_who_is_kept(door: Door) -> None:
    assert (await door.ask("GET", ME, subject="an admin")).code == "NOT_FOUND"
    assert (await door.ask("PATCH", ME, {}, subject="an admin")).code == "NOT_FOUND"
    assert (await door.ask("GET", ME, role=None)).code == "UNAUTHENTICATED"


async def _has_password(door: Door, user_id: str) -> None:
    passwords = Passwords()
    password_hash = await passwords.hash(PASSWORD)
    passwords.stop()
    await SqlSessionStore(door.database).set_password(user_id, password_hash, 1, None)


async def test_another_address_takes_the_present_password(door: Door, ada: dict[str, Any]) -> None:
    await _has_password(door, ada["id"])
    me: dict[str, Any] = {"role": Role.RIDER, "subject": ada["id"]}
    new = {"email": "countess@example.org"}

    without = await door.ask("PATCH", ME, new, **me)
    wrong = await door.ask("PATCH", ME, new | {"currentPassword": "x"}, **me)
    same = await door.ask("PATCH", ME, {"email": ada["email"], "name": "Countess"}, **me)
    right = await door.ask("PATCH", ME, new | {"currentPassword": PASSWORD}, **me)

    assert without.bad_fields == {"currentPassword": "This field is required."}
    assert wrong.bad_fields == {"currentPassword": "Not the present password."}
    assert (same.data["name"], same.data["email"]) == ("Countess", ada["email"])
    assert (right.status, right.data["email"]) == (200, "countess@example.org")


async def test_a_present_password_is_not_guessed_here_either(
    door: Door, ada: dict[str, Any]
) -> None:
    await _has_password(door, ada["id"])
    body = {"email": "countess@example.org", "currentPassword": "guess"}

    codes = [
        (await door.ask("PATCH", ME, body, role=Role.RIDER, subject=ada["id"])).code
        for _ in range(7)
    ]

    assert codes == ["INVALID"] * 5 + ["TOO_FAST"] * 2


async def test_a_token_of_no_session_changes_no_address_where_there_is_no_password(
    door: Door, ada: dict[str, Any]
) -> None:
    me: dict[str, Any] = {"role": Role.RIDER, "subject": ada["id"]}

    answer = await door.ask("PATCH", ME, {"email": "countess@example.org"}, **me)
    new = {"newPassword": "battery staple"}
    password = await door.ask("PUT", f"{ME}/password", new, **me)

    assert (answer.status, answer.code) == (403, "SIGN_IN_AGAIN")
    assert (password.status, password.code) == (403, "SIGN_IN_AGAIN")
    assert (await door.ask("GET", ME, **me)).data == ada


async def test_not_even_an_admin_changes_its_own_without_proof(
    door: Door, ada: dict[str, Any]
) -> None:
    path, own = f"/api/users/{ada['id']}", {"subject": ada["id"]}
    new = {"newPassword": "battery staple"}

    address = await door.ask("PATCH", path, {"email": "countess@example.org"}, **own)
    password = await door.ask("PUT", f"{path}/password", new, **own)
    name = await door.ask("PATCH", path, {"name": "Countess"}, **own)
    by_another = await door.ask("PATCH", path, {"email": "countess@example.org"})

    assert (address.code, password.code) == ("FORBIDDEN", "FORBIDDEN")
    assert (name.status, by_another.status) == (200, 200)
