"""The rules of API keys."""

from __future__ import annotations

import pytest

from gateway.identity import PresentedKey, Role
from gateway.users.api_key import ApiKey, identity_of_key, rotated
from protocol.refusals import Refusal, Refused
from tests.gateway.users.people import NOW_MS

KEY = ApiKey(
    id="abcdefghijkl",
    name="shop",
    digest="d1",
    join=(),
    publish=("city:*",),
    created_at_ms=NOW_MS,
    expires_at_ms=NOW_MS + 1000,
)


def shown(digest: str = "d1") -> PresentedKey:
    return PresentedKey(KEY.id, digest)


def refusal_of(presented: PresentedKey, key: ApiKey | None, now_ms: int = NOW_MS) -> Refusal:
    with pytest.raises(Refused) as caught:
        identity_of_key(presented, key, now_ms)
    return caught.value.refusal


def test_a_key_is_a_backend_that_may_do_what_it_was_given() -> None:
    identity = identity_of_key(shown(), KEY, NOW_MS)

    assert (identity.subject, identity.role) == ("key:abcdefghijkl", Role.SERVICE)
    assert identity.may_publish("city:paris")
    assert not identity.may_publish("secret")
    assert not identity.may_join("city:paris")
    assert identity.expires_at_seconds == (NOW_MS + 1000) / 1000


def test_a_wrong_secret_an_unknown_key_and_an_expired_one_are_refused() -> None:
    assert refusal_of(shown("d0"), KEY) is Refusal.TOKEN_INVALID
    assert refusal_of(shown(), None) is Refusal.TOKEN_INVALID
    assert refusal_of(shown(), KEY, NOW_MS + 1000) is Refusal.TOKEN_EXPIRED


def test_two_secrets_are_good_while_a_rotation_overlaps() -> None:
    key = rotated(KEY, "d2", NOW_MS, overlap_ms=100)

    assert identity_of_key(shown("d2"), key, NOW_MS).expires_at_seconds == (NOW_MS + 1000) / 1000
    assert identity_of_key(shown("d1"), key, NOW_MS).expires_at_seconds == (NOW_MS + 100) / 1000
    assert refusal_of(shown("d1"), key, NOW_MS + 100) is Refusal.TOKEN_EXPIRED


def test_a_second_rotation_ends_the_first_secret() -> None:
    key = rotated(rotated(KEY, "d2", NOW_MS, 100), "d3", NOW_MS, 100)

    assert refusal_of(shown("d1"), key) is Refusal.TOKEN_INVALID
    identity_of_key(shown("d2"), key, NOW_MS)


def test_an_overlap_does_not_outlive_the_key() -> None:
    key = rotated(KEY, "d2", NOW_MS, overlap_ms=10_000)

    assert identity_of_key(shown("d1"), key, NOW_MS).expires_at_seconds == (NOW_MS + 1000) / 1000


def test_a_view_has_no_secret_but_where_it_is_made() -> None:
    assert "d1" not in repr(KEY.view())
    assert KEY.view("pcl_x").key == "pcl_x"
