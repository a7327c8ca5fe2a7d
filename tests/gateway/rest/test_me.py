"""`/api/users/me`."""

from __future__ import annotations

from typing import Any

import pytest

from gateway.identity import Role
from tests.gateway.rest.conftest import PRODUCTION, Door, OpenDoor

ME = "/api/users/me"


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
