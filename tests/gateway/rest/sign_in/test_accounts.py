"""Whose account a sign-in opens, and with which role."""

from __future__ import annotations

import asyncio
import time

import pytest

from gateway.users.sessions import RECENT_SIGN_IN_SECONDS
from gateway.users.tables import sessions
from tests.gateway.openid.hostile import (
    HostileProvider,
)
from tests.gateway.rest.conftest import Answer, Door
from tests.gateway.rest.sign_in.browser import Browser, OpenWith, everybody
from tests.toolbox.forgery import another_key


async def test_keys_that_a_provider_has_changed_are_read_again(
    provider: HostileProvider, browser: Browser
) -> None:
    await browser.sign_in()
    provider.keys = {"two": another_key("EdDSA")}
    provider.algorithm = "EdDSA"

    deadline = time.monotonic() + 15
    while (arrived := await browser.come_back()).status != 302:
        assert time.monotonic() < deadline, arrived.body
        await asyncio.sleep(0.5)  # and no more often than an address may


async def test_what_the_id_token_leaves_out_is_asked_for(
    open_with: OpenWith, provider: HostileProvider
) -> None:
    provider.claims = {"email": ..., "email_verified": ..., "name": ...}
    provider.user_info = {
        "sub": "ada at the provider",
        "email": "ada@example.org",
        "email_verified": True,
    }
    tokens = await Browser(await open_with(), provider).sign_in()

    assert (tokens["user"]["email"], tokens["user"]["name"]) == ("ada@example.org", "ada")


async def test_what_is_said_of_somebody_else_is_not_believed(
    door: Door, provider: HostileProvider, browser: Browser
) -> None:
    provider.claims = {"email": ...}
    provider.user_info = {"sub": "eve", "email": "ada@example.org", "email_verified": True}

    assert (await browser.come_back()).code == "SIGN_IN_FAILED"
    assert await everybody(door) == []


async def test_an_address_goes_with_what_was_said_of_that_address(
    door: Door, provider: HostileProvider, browser: Browser
) -> None:
    provider.user_info = {"sub": "ada at the provider", "name": "Ada"}
    for about_the_token, about_the_user in (
        ({"email_verified": ...}, {"email": "eve@example.org", "email_verified": True}),
        ({"email": ..., "email_verified": True}, {"email": "eve@example.org"}),
        ({"email_verified": False}, {"email_verified": True}),
    ):
        provider.claims = {"name": ..., **about_the_token}
        provider.user_info = {"sub": "ada at the provider", **about_the_user}
        await browser.come_back()

    assert [user["email"] for user in await everybody(door)] == ["eve@example.org"]


@pytest.mark.parametrize("verified", [False, None, "false", 1.5, ...])
async def test_an_address_that_is_not_verified_makes_nobody_a_user(
    door: Door, provider: HostileProvider, browser: Browser, verified: object
) -> None:
    provider.claims = {"email_verified": verified}
    refused = await browser.come_back()

    assert (refused.status, refused.code) == (403, "FORBIDDEN")
    assert await everybody(door) == []


ADA = {"email": "Ada@Example.org", "name": "Ada of old", "role": "operator"}


async def test_an_account_is_not_opened_by_an_address(door: Door, browser: Browser) -> None:
    await door.ask("POST", "/api/users", ADA)
    refused = await browser.come_back()

    assert (refused.status, refused.code) == (409, "EMAIL_TAKEN")


@pytest.mark.parametrize(("verified", "status"), [(True, 302), (False, 403)])
async def test_an_account_is_opened_by_a_verified_address_where_that_is_set(
    open_with: OpenWith,
    provider: HostileProvider,
    verified: object,
    status: int,
) -> None:
    door = await open_with("links_verified_emails = true")
    user = (await door.ask("POST", "/api/users", ADA)).data
    browser = Browser(door, provider)
    provider.claims = {"email_verified": verified}

    assert (await browser.come_back()).status == status
    if status == 302:
        tokens = await browser.sign_in()
        assert (tokens["user"]["id"], tokens["user"]["role"]) == (user["id"], "operator")


async def test_who_is_disabled_does_not_come_in(
    open_with: OpenWith, provider: HostileProvider
) -> None:
    door = await open_with("links_verified_emails = true")
    user = (await door.ask("POST", "/api/users", ADA | {"disabled": True})).data
    browser = Browser(door, provider)
    assert (await browser.come_back()).code == "FORBIDDEN"  # not linked yet

    await door.ask("PATCH", f"/api/users/{user['id']}", {"disabled": False})
    assert (await browser.come_back()).status == 302
    await door.ask("PATCH", f"/api/users/{user['id']}", {"disabled": True})
    assert (await browser.ask("POST", "/api/sessions/exchange", {})).code == "FORBIDDEN"
    assert (await browser.come_back()).code == "FORBIDDEN"  # linked


async def test_who_was_deleted_is_somebody_new(door: Door, browser: Browser) -> None:
    before = (await browser.sign_in())["user"]
    assert (await door.ask("DELETE", f"/api/users/{before['id']}")).status == 204
    after = (await browser.sign_in())["user"]

    assert after["id"] != before["id"]


async def test_nobody_is_made_a_user_where_that_is_set(
    open_with: OpenWith, provider: HostileProvider
) -> None:
    door = await open_with("creates_users = false", "default_role = 'rider'")

    assert (await Browser(door, provider).come_back()).code == "FORBIDDEN"
    assert await everybody(door) == []


async def test_a_claim_says_what_somebody_may_do_at_each_sign_in(
    open_with: OpenWith, provider: HostileProvider
) -> None:
    door = await open_with(
        "role_claim = 'groups'", "roles = {admin = ['chiefs'], operator = ['staff']}"
    )
    browser = Browser(door, provider)
    roles = []
    for groups in (["staff", "chiefs"], ["staff"], "chiefs", [], None, {"chiefs": 1}):
        provider.claims["groups"] = groups
        tokens = await browser.sign_in()
        headers = {"Authorization": f"Bearer {tokens['accessToken']}"}
        assert (await door.ask("GET", "/api/users/me", headers=headers)).status == 200
        roles.append(tokens["user"]["role"])

    assert roles == ["admin", "operator", "admin", "viewer", "viewer", "viewer"]


async def test_who_has_no_password_changes_the_address_just_after_signing_in(
    door: Door, browser: Browser
) -> None:
    tokens = await browser.sign_in()
    headers = {"Authorization": f"Bearer {tokens['accessToken']}"}

    async def change(email: str) -> Answer:
        return await door.ask("PATCH", "/api/users/me", {"email": email}, headers)

    changed = await change("first@example.org")
    guessed = await door.ask(
        "PATCH",
        "/api/users/me",
        {"email": "second@example.org", "currentPassword": "anything"},
        headers,
    )
    async with door.database.writing() as connection:  # five minutes have passed
        is_older = {"created_at_ms": sessions.c.created_at_ms - RECENT_SIGN_IN_SECONDS * 1000}
        await connection.execute(sessions.update().values(is_older))
    late = await change("third@example.org")
    password = await door.ask(
        "PUT", "/api/users/me/password", {"newPassword": "battery staple"}, headers
    )
    anew = await browser.sign_in()
    headers = {"Authorization": f"Bearer {anew['accessToken']}"}
    first = await door.ask(
        "PUT", "/api/users/me/password", {"newPassword": "battery staple"}, headers
    )

    assert changed.data["email"] == "first@example.org"
    assert set(guessed.bad_fields) == {"currentPassword"}
    assert (late.status, late.code) == (403, "SIGN_IN_AGAIN")
    assert late.body["error"]["details"] == {"withinSeconds": RECENT_SIGN_IN_SECONDS}
    assert password.code == "SIGN_IN_AGAIN"
    assert first.status == 204
    assert set((await change("fourth@example.org")).bad_fields) == {"currentPassword"}
