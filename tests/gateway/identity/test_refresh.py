"""Refresh tokens."""

from __future__ import annotations

import jwt
import pytest

from gateway.identity import (
    KeySet,
    RefreshClaims,
    Role,
    TokenRules,
    identity_of_token,
    refresh_claims_of,
    sign_refresh_token,
    sign_token,
)
from protocol.refusals import Refusal, Refused

SECRET = "a-secret-of-thirty-two-bytes-or-more"
OLD = "an-older-secret-of-thirty-two-bytes-or-more"
NOW = 1_800_000_000.0
CLAIMS = RefreshClaims("a-session", 7, NOW + 60)


def refusal_of(token: object, keys: KeySet) -> Refusal:
    with pytest.raises(Refused) as caught:
        refresh_claims_of(token, keys, NOW)
    return caught.value.refusal


def test_a_token_says_in_which_turn_of_which_session_it_is() -> None:
    keys = KeySet.of([SECRET])

    assert refresh_claims_of(sign_refresh_token(keys, CLAIMS), keys, NOW) == CLAIMS


def test_a_token_of_the_secret_before_is_good_while_that_is_kept() -> None:
    token = sign_refresh_token(KeySet.of([OLD]), CLAIMS)

    assert refresh_claims_of(token, KeySet.of([SECRET, OLD]), NOW) == CLAIMS
    assert refusal_of(token, KeySet.of([SECRET])) is Refusal.TOKEN_INVALID


def test_neither_kind_of_token_is_the_other() -> None:
    keys = KeySet.of([SECRET])
    access = sign_token(
        keys, subject="ada", role=Role.RIDER, now_seconds=NOW, lifetime_seconds=60, session_id="s"
    )

    assert refusal_of(access, keys) is Refusal.TOKEN_INVALID
    with pytest.raises(Refused, match="another type"):
        identity_of_token(sign_refresh_token(keys, CLAIMS), keys, NOW, TokenRules())
    assert identity_of_token(access, keys, NOW, TokenRules()).session_id == "s"


@pytest.mark.parametrize(
    ("claims", "refusal"),
    [
        ({"exp": NOW}, Refusal.TOKEN_EXPIRED),
        ({"turn": 0}, Refusal.TOKEN_INVALID),
        ({"turn": "7"}, Refusal.TOKEN_INVALID),
        ({"sid": ""}, Refusal.TOKEN_INVALID),
    ],
)
def test_bad_claims_are_refused(claims: dict[str, object], refusal: Refusal) -> None:
    whole = {"sid": "s", "turn": 1, "exp": NOW + 60} | claims
    token = jwt.encode(whole, SECRET, "HS256", {"typ": "rt+jwt"})

    assert refusal_of(token, KeySet.of([SECRET])) is refusal


@pytest.mark.parametrize("token", [None, "", "x", "a.b.c", 7])
def test_what_is_no_token_is_refused(token: object) -> None:
    assert refusal_of(token, KeySet.of([SECRET])) in {
        Refusal.TOKEN_INVALID,
        Refusal.UNAUTHENTICATED,
    }


def test_an_unsigned_token_is_refused() -> None:
    token = jwt.encode({"sid": "s", "turn": 1, "exp": NOW + 60}, "", "none", {"typ": "rt+jwt"})

    assert refusal_of(token, KeySet.of([SECRET], has_issuer=True)) is Refusal.TOKEN_INVALID
