"""`/api/verifications`, `/api/password-resets` and one's own verification."""

from __future__ import annotations

import asyncio
import re
from pathlib import Path
from typing import Any

import pytest

from gateway.backends import stores_of
from gateway.duties import runner_of
from gateway.metrics import Metrics
from gateway.settings import Settings
from tests.gateway.jobs.bench import until
from tests.gateway.rest.conftest import PRODUCTION, Door, OpenDoor
from tests.gateway.rest.test_sessions import ADA, PASSWORD, sign_in, with_token

TOKEN = "x" * 43


@pytest.fixture
def environ(tmp_path: Path) -> dict[str, str]:
    return PRODUCTION | {"PACELINE_MAIL_DIR": str(tmp_path / "mail")}


@pytest.fixture
async def door(open_door: OpenDoor, environ: dict[str, str]) -> Door:
    return await open_door(environ)


@pytest.fixture
async def ada(door: Door) -> dict[str, Any]:
    user: dict[str, Any] = (await door.ask("POST", "/api/users", ADA)).data
    await door.ask("PUT", f"/api/users/{user['id']}/password", {"newPassword": PASSWORD})
    return user


async def mails_of(door: Door, environ: dict[str, str], count: int) -> list[str]:
    """Let a runner send what is owed until there are so many mails; the newest first."""
    folder = Path(environ["PACELINE_MAIL_DIR"])
    runner = runner_of(Settings.from_env(environ), stores_of(door.database), Metrics())
    task = asyncio.create_task(runner.run_forever())

    def mails() -> list[Path]:
        return sorted(folder.glob("*.eml"), reverse=True)

    await until(lambda: len(mails()) == count)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    return [path.read_text() for path in mails()]


def token_in(mail: str) -> str:
    match = re.search(r"the token ([A-Za-z0-9_-]+)", mail)
    assert match is not None
    return match[1]


async def test_one_has_the_mail_sent_and_verifies_the_address(
    door: Door, ada: dict[str, Any], environ: dict[str, str]
) -> None:
    headers = with_token(await sign_in(door))
    own = "/api/users/me/verification"
    before = await door.ask("GET", own, headers=headers)
    assert (await door.ask("POST", own, headers=headers)).status == 202
    (mail,) = await mails_of(door, environ, 1)

    verified = await door.ask("POST", "/api/verifications", {"token": token_in(mail)}, role=None)

    assert before.data == {"email": ADA["email"], "verifiedAt": None}
    assert verified.status == 200
    assert verified.data["verifiedAt"] is not None
    assert (await door.ask("GET", own, headers=headers)).data == verified.data
    again = await door.ask("POST", "/api/verifications", {"token": token_in(mail)}, role=None)
    assert (again.status, again.code) == (401, "TOKEN_INVALID")


async def test_a_reset_ends_all_sessions_and_lets_in_with_the_new_password(
    door: Door, ada: dict[str, Any], environ: dict[str, str]
) -> None:
    headers = with_token(await sign_in(door))
    lost = {"email": ADA["email"]}
    assert (await door.ask("POST", "/api/password-resets", lost, role=None)).status == 202
    (mail,) = await mails_of(door, environ, 1)
    body = {"token": token_in(mail), "password": "another horse"}

    assert (await door.ask("POST", "/api/password-resets/confirm", body, role=None)).status == 204

    assert (await door.ask("GET", "/api/users/me", headers=headers)).code == "TOKEN_INVALID"
    assert (await sign_in(door)).code == "CREDENTIALS_WRONG"
    assert (await sign_in(door, "another horse")).status == 201


async def test_nobody_learns_whether_there_is_such_a_user(door: Door, ada: dict[str, Any]) -> None:
    answers = [
        await door.ask("POST", "/api/password-resets", {"email": email}, role=None)
        for email in (ADA["email"], "nobody@example.org")
    ]

    assert [(answer.status, answer.body) for answer in answers] == [(202, None)] * 2


@pytest.mark.parametrize(
    ("path", "body", "fields"),
    [
        ("/api/verifications", {}, ["token"]),
        ("/api/verifications", {"token": "x"}, ["token"]),
        ("/api/verifications", {"token": f"{TOKEN}\n"}, ["token"]),
        ("/api/password-resets", {"email": "nobody"}, ["email"]),
        (
            "/api/password-resets/confirm",
            {"token": "../x", "password": "short"},
            ["password", "token"],
        ),
    ],
)
async def test_every_bad_field_is_named(
    door: Door, path: str, body: dict[str, str], fields: list[str]
) -> None:
    answer = await door.ask("POST", path, body, role=None)

    assert answer.status == 422
    assert sorted(answer.bad_fields) == fields


async def test_whoever_has_no_token_changes_nothing(door: Door) -> None:
    body = {"token": TOKEN, "password": "correct horse"}
    for path in ("/api/verifications", "/api/password-resets/confirm"):
        given = body if "confirm" in path else {"token": TOKEN}
        assert (await door.ask("POST", path, given, role=None)).code == "TOKEN_INVALID"
    assert (await door.ask("GET", "/api/users/me/verification", role=None)).status == 401
    assert (await door.ask("GET", "/api/users/me/verification")).status == 404


async def test_a_gateway_without_mail_says_so(open_door: OpenDoor) -> None:
    door = await open_door(PRODUCTION)

    answer = await door.ask("POST", "/api/password-resets", {"email": "a@b.cd"}, role=None)

    assert (answer.status, answer.code) == (404, "NOT_FOUND")
