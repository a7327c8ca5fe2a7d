"""Who somebody is right now, whatever door they come to."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator

import jwt
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from gateway.authentication import Authenticator, bearer_of, password_of
from gateway.identity import KeySet, KeyUnusable, Role, sign_token
from gateway.settings import Settings
from protocol.refusals import Refusal, Refused
from tests.toolbox.forgery import EC_KEY, ED_KEY, jwk_of

SECRET = "a-secret-of-thirty-two-bytes-or-more"
OLD_SECRET = "the-secret-of-last-year-which-goes-on"
DEVELOPMENT = {"PACELINE_ENV": "development"}


def authenticator(**environ: str) -> Authenticator:
    return Authenticator(Settings.from_env(environ))


def token_of(secret: str, seconds: float = 60) -> str:
    return sign_token(
        KeySet.of([secret]),
        subject="ada",
        role=Role.RIDER,
        now_seconds=time.time(),
        lifetime_seconds=seconds,
    )


def refusal_of(caught: pytest.ExceptionInfo[Refused]) -> Refusal:
    return caught.value.refusal


async def test_in_development_nobody_needs_a_token_and_everybody_is_somebody_else() -> None:
    door = authenticator(**DEVELOPMENT)
    first, second = await door.identify(None), await door.identify(None)

    assert (first.role, second.role) == (Role.RIDER, Role.RIDER)
    assert first.subject != second.subject


async def test_in_production_everybody_needs_one() -> None:
    with pytest.raises(Refused) as caught:
        await authenticator(PACELINE_JWT_SECRET=SECRET).identify(None)

    assert refusal_of(caught) is Refusal.UNAUTHENTICATED


@pytest.mark.parametrize("environ", [{}, DEVELOPMENT], ids=["production", "development"])
async def test_a_token_is_checked_where_none_is_needed_too(environ: dict[str, str]) -> None:
    door = authenticator(PACELINE_JWT_SECRET=SECRET, **environ)

    assert (await door.identify(token_of(SECRET))).subject == "ada"
    with pytest.raises(Refused) as forged:
        await door.identify(token_of("another-secret-of-thirty-two-bytes"))
    assert refusal_of(forged) is Refusal.TOKEN_INVALID
    with pytest.raises(Refused) as old:
        await door.identify(token_of(SECRET, seconds=-60))
    assert refusal_of(old) is Refusal.TOKEN_EXPIRED


async def test_while_secrets_rotate_tokens_of_both_are_good() -> None:
    door = authenticator(PACELINE_JWT_SECRET=f"{SECRET},{OLD_SECRET}")

    for secret in (SECRET, OLD_SECRET):
        assert (await door.identify(token_of(secret))).subject == "ada"


def test_a_known_key_needs_no_waiting() -> None:
    door = authenticator(PACELINE_JWT_SECRET=SECRET)
    identity = door.identify_now(token_of(SECRET))

    assert identity is not None
    assert identity.subject == "ada"


def test_a_short_secret_is_good_enough_for_development_alone() -> None:
    short = authenticator(PACELINE_JWT_SECRET="short", **DEVELOPMENT)
    token = sign_token(
        KeySet.of(["short"], short_secrets=True),
        subject="ada",
        role=Role.VIEWER,
        now_seconds=time.time(),
        lifetime_seconds=60,
    )

    assert short.identify_now(token) is not None
    with pytest.raises(KeyUnusable):
        KeySet.of(["short"])


# ---- an issuer's keys


@pytest.fixture
async def issuer() -> AsyncIterator[TestServer]:
    async def publish(_: web.Request) -> web.Response:
        return web.json_response({"keys": [jwk_of(EC_KEY, "now")]})

    app = web.Application()
    app.router.add_get("/jwks.json", publish)
    server = TestServer(app)
    async with server:
        yield server


@pytest.fixture
async def door(issuer: TestServer) -> AsyncIterator[Authenticator]:
    environ = {"PACELINE_JWKS_URL": str(issuer.make_url("/jwks.json"))}
    opened = authenticator(PACELINE_JWT_SECRET=SECRET, **environ)
    await opened.start()
    yield opened
    await opened.stop()
    await opened.stop()  # does nothing


def issued(key: object, kid: str, algorithm: str) -> str:
    claims = {"sub": "grace", "exp": time.time() + 60, "role": "operator"}
    return jwt.encode(claims, key, algorithm=algorithm, headers={"kid": kid})  # type: ignore[arg-type] # any private key


async def test_a_key_that_the_issuer_has_published_is_known_at_once(door: Authenticator) -> None:
    identity = door.identify_now(issued(EC_KEY, "now", "ES256"))

    assert identity is not None
    assert (identity.subject, identity.role) == ("grace", Role.OPERATOR)


async def test_an_unknown_key_takes_a_question_to_the_issuer(door: Authenticator) -> None:
    token = issued(ED_KEY, "not published", "EdDSA")

    assert door.identify_now(token) is None
    with pytest.raises(Refused) as caught:
        await door.identify(token)
    assert refusal_of(caught) is Refusal.TOKEN_INVALID


async def test_our_own_secret_stands_beside_an_issuer_s_keys(door: Authenticator) -> None:
    assert (await door.identify(token_of(SECRET))).subject == "ada"


# ---- the header


@pytest.mark.parametrize(
    ("header", "token"),
    [
        ("Bearer x.y.z", "x.y.z"),
        ("bearer   x.y.z ", "x.y.z"),
        ("Bearer", None),
        ("Bearer ", None),
        ("Basic x.y.z", None),
        ("x.y.z", None),
        ("", None),
        (None, None),
    ],
)
def test_a_token_is_what_stands_behind_bearer(header: str | None, token: str | None) -> None:
    assert bearer_of(header) == token


async def test_a_token_that_was_proved_once_still_ends_in_time(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    door = authenticator(PACELINE_JWT_SECRET=SECRET, PACELINE_JWT_LEEWAY_SECONDS="5")
    now = 1_800_000_000.0
    monkeypatch.setattr(time, "time", lambda: now)
    token = token_of(SECRET)

    for seconds in (0.0, 30.0, 64.9):
        monkeypatch.setattr(time, "time", lambda moment=now + seconds: moment)
        assert (await door.identify(token)).subject == "ada"
    monkeypatch.setattr(time, "time", lambda: now + 65.0)
    with pytest.raises(Refused) as caught:
        await door.identify(token)
    assert refusal_of(caught) is Refusal.TOKEN_EXPIRED


@pytest.mark.parametrize(
    ("authorization", "password"),
    [
        ("Basic YWRhOnNlY3JldA==", "secret"),
        ("basic  YWRhOnM6Y3JldA==", "s:cret"),
        ("Basic OnNlY3JldA==", "secret"),
        ("Basic YWRhOg==", None),
        ("Basic YWRh", None),
        ("Basic ~~~", None),
        ("Basic /w==", None),
        ("Bearer YWRhOnNlY3JldA==", None),
        (None, None),
    ],
)
def test_a_password_is_what_stands_behind_the_user(
    authorization: str | None, password: str | None
) -> None:
    assert password_of(authorization) == password
