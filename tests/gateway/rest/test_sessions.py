"""`/api/sessions`."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from gateway.identity import Role
from tests.gateway.rest.conftest import PRODUCTION, Answer, Door, OpenDoor
from tests.gateway.users.backends import BACKENDS, opened

PASSWORD = "correct horse"
ADA = {"email": "ada@example.org", "name": "Ada"}


@pytest.fixture
async def door(open_door: OpenDoor) -> Door:
    return await open_door(PRODUCTION)


@pytest.fixture
async def ada(door: Door) -> dict[str, Any]:
    user: dict[str, Any] = (await door.ask("POST", "/api/users", ADA)).data
    body = {"newPassword": PASSWORD}
    answer = await door.ask("PUT", f"/api/users/{user['id']}/password", body)
    assert answer.status == 204
    return user


async def sign_in(door: Door, password: str = PASSWORD) -> Answer:
    body = {"email": ADA["email"], "password": password}
    return await door.ask("POST", "/api/sessions", body, role=None)


def with_token(answer: Answer) -> dict[str, str]:
    return {"Authorization": f"Bearer {answer.data['accessToken']}"}


async def test_one_signs_in_looks_around_and_signs_out(door: Door, ada: dict[str, Any]) -> None:
    signed_in = await sign_in(door)
    headers = with_token(signed_in)

    assert signed_in.status == 201
    assert signed_in.headers["Cache-Control"] == "no-store"
    assert signed_in.data["user"] == ada
    assert (await door.ask("GET", "/api/users/me", headers=headers)).data == ada
    (session,) = (await door.ask("GET", "/api/sessions", headers=headers)).data
    assert session["isCurrent"]
    assert session["id"] == signed_in.data["session"]["id"]

    assert (await door.ask("DELETE", "/api/sessions/current", headers=headers)).status == 204
    refresh = {"refreshToken": signed_in.data["refreshToken"]}
    refused = await door.ask("POST", "/api/sessions/refresh", refresh, role=None)
    assert (refused.status, refused.code) == (401, "TOKEN_INVALID")


async def test_a_wrong_password_is_401_and_says_no_more(door: Door, ada: dict[str, Any]) -> None:
    wrong = await sign_in(door, "wrong horse")
    body = {"email": "nobody@example.org", "password": PASSWORD}
    unknown = await door.ask("POST", "/api/sessions", body, role=None)

    assert (wrong.status, wrong.code) == (401, "CREDENTIALS_WRONG")
    assert (unknown.status, unknown.body) == (401, wrong.body)


async def test_guessing_is_slowed_down(door: Door, ada: dict[str, Any]) -> None:
    answers = [await sign_in(door, f"guess {number}") for number in range(7)]

    assert [answer.status for answer in answers] == [401] * 5 + [429] * 2
    assert int(answers[-1].headers["Retry-After"]) >= 1


async def test_tokens_are_refreshed(door: Door, ada: dict[str, Any]) -> None:
    body = {"refreshToken": (await sign_in(door)).data["refreshToken"]}

    fresh = await door.ask("POST", "/api/sessions/refresh", body, role=None)
    assert fresh.status == 200
    assert (await door.ask("GET", "/api/users/me", headers=with_token(fresh))).data == ada

    stale = await door.ask("POST", "/api/sessions/refresh", body, role=None)
    assert (stale.status, stale.code) == (401, "TOKEN_INVALID")
    ended = await door.ask("GET", "/api/users/me", headers=with_token(fresh))
    assert (ended.status, ended.code) == (401, "TOKEN_INVALID")


async def test_an_access_token_ends_with_what_it_was_given_for(
    door: Door, ada: dict[str, Any]
) -> None:
    path = f"/api/users/{ada['id']}"

    async def status_after(method: str, path: str, body: object = None) -> tuple[int, str]:
        headers = with_token(await sign_in(door))
        assert (await door.ask("GET", "/api/users/me", headers=headers)).status == 200
        assert (await door.ask(method, path, body)).status in {200, 204}
        answer = await door.ask("GET", "/api/users/me", headers=headers)
        return answer.status, answer.code

    assert await status_after("DELETE", f"{path}/sessions") == (401, "TOKEN_INVALID")
    assert await status_after("PATCH", path, {"role": "viewer"}) == (401, "TOKEN_EXPIRED")
    new = {"newPassword": PASSWORD}
    assert await status_after("PUT", f"{path}/password", new) == (401, "TOKEN_INVALID")
    assert await status_after("PATCH", path, {"disabled": True}) == (403, "FORBIDDEN")
    assert (await sign_in(door)).status == 403


async def test_a_session_ends_by_its_owner_or_an_admin_and_nobody_else(
    door: Door, ada: dict[str, Any]
) -> None:
    first, second = await sign_in(door), await sign_in(door)
    ids = [answer.data["session"]["id"] for answer in (first, second)]

    stranger = await door.ask("DELETE", f"/api/sessions/{ids[0]}", role=Role.RIDER, subject="eve")
    own = await door.ask("DELETE", f"/api/sessions/{ids[0]}", headers=with_token(second))
    admin = await door.ask("DELETE", f"/api/sessions/{ids[1]}")

    assert (stranger.status, own.status, admin.status) == (404, 204, 204)


async def test_an_admin_sees_and_ends_all_sessions_of_a_user(
    door: Door, ada: dict[str, Any]
) -> None:
    path = f"/api/users/{ada['id']}/sessions"
    signed_in = await sign_in(door)
    await sign_in(door)

    assert len((await door.ask("GET", path)).data) == 2
    assert (await door.ask("GET", path, headers=with_token(signed_in))).status == 403
    assert (await door.ask("DELETE", path, headers=with_token(signed_in))).status == 403
    assert (await door.ask("DELETE", path)).status == 204
    assert (await door.ask("GET", path)).data == []


async def test_one_changes_ones_password(door: Door, ada: dict[str, Any]) -> None:
    headers = with_token(await sign_in(door))
    path = "/api/users/me/password"
    new = "battery staple"

    wrong = await door.ask("PUT", path, {"currentPassword": "x", "newPassword": new}, headers)
    easy = {"currentPassword": PASSWORD, "newPassword": "password1"}
    guessed = await door.ask("PUT", path, easy, headers)
    right = {"currentPassword": PASSWORD, "newPassword": new}
    done = await door.ask("PUT", path, right, headers)

    assert set(wrong.bad_fields) == {"currentPassword"}
    assert set(guessed.bad_fields) == {"newPassword"}
    assert done.status == 204
    assert (await sign_in(door)).status == 401
    assert (await sign_in(door, new)).status == 201


@pytest.mark.parametrize("password", ["short", "x" * 257, None, 7])
async def test_a_password_has_its_limits(door: Door, ada: dict[str, Any], password: object) -> None:
    path = f"/api/users/{ada['id']}/password"

    answer = await door.ask("PUT", path, {"newPassword": password})

    assert set(answer.bad_fields) == {"newPassword"}


async def test_a_token_without_a_session_cannot_sign_out(door: Door) -> None:
    assert (await door.ask("DELETE", "/api/sessions/current")).code == "NOT_FOUND"


@pytest.mark.parametrize("backend", sorted(BACKENDS))
async def test_what_no_database_keeps_is_nobody_and_no_session(
    request: pytest.FixtureRequest, open_door: OpenDoor, backend: str
) -> None:
    url = await asyncio.to_thread(BACKENDS[backend], request, "paceline_nul")
    await (await opened(url)).stop()
    door = await open_door(PRODUCTION | {"DATABASE_URL": url})

    body = {"email": "ada\0@example.org", "password": PASSWORD}
    nobody = await door.ask("POST", "/api/sessions", body, role=None)
    nothing = await door.ask("DELETE", "/api/sessions/%00")

    assert (nobody.status, set(nobody.bad_fields)) == (422, {"email"})
    assert (nothing.status, nothing.code) == (404, "NOT_FOUND")
