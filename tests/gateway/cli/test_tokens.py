"""`paceline token`."""

from __future__ import annotations

import time

import pytest

from gateway.cli import run
from gateway.identity import Grants, KeySet, Role, TokenRules, identity_of_token

SECRET = "a-secret-of-thirty-two-bytes-or-more"
PRODUCTION = {"PACELINE_JWT_SECRET": SECRET}
Captured = pytest.CaptureFixture[str]


def test_a_token_is_printed_alone_and_proves_what_was_asked_for(capsys: Captured) -> None:
    arguments = ["--sub", "ada", "--role", "service", "--join", "city:*", "--join", "x"]
    environ = PRODUCTION | {"PACELINE_JWT_ISSUER": "us", "PACELINE_JWT_AUDIENCE": "paceline"}

    assert run(["token", *arguments, "--publish", "city:paris", "--ttl", "60"], environ) == 0

    out, err = capsys.readouterr()
    now = time.time()
    rules = TokenRules("us", "paceline")
    identity = identity_of_token(out.removesuffix("\n"), KeySet.of([SECRET]), now, rules)
    assert err == ""
    assert (identity.subject, identity.role) == ("ada", Role.SERVICE)
    assert identity.grants == Grants(("city:*", "x"), ("city:paris",))
    assert identity.expires_at_seconds is not None
    assert 50 < identity.expires_at_seconds - now <= 60


def test_a_token_is_signed_with_the_newest_secret(capsys: Captured) -> None:
    newest = "the-newest-secret-of-them-all-is-first"

    assert run(["token", "--sub", "ada"], {"PACELINE_JWT_SECRET": f"{newest},{SECRET}"}) == 0

    token = capsys.readouterr().out.strip()
    identity = identity_of_token(token, KeySet.of([newest]), time.time(), TokenRules())
    assert (identity.role, identity.grants) == (Role.RIDER, Grants())


def test_without_a_secret_there_is_no_token(capsys: Captured) -> None:
    assert run(["token", "--sub", "ada"], {"PACELINE_ENV": "development"}) == 2
    assert "set PACELINE_JWT_SECRET" in capsys.readouterr().err
