"""The bodies of signing in."""

from __future__ import annotations

import pytest

from protocol.bodies import body_of
from protocol.refusals import Refused
from protocol.sessions import GivenPassword, SignIn


def test_a_password_is_in_no_repr() -> None:
    body = body_of(b'{"email": "ada@example.org", "password": "correct horse"}', SignIn)

    assert body.password == "correct horse"
    assert "horse" not in repr(body)


def test_an_old_short_password_may_be_used_but_not_be_given() -> None:
    assert body_of(b'{"email": "ada@example.org", "password": "x"}', SignIn).password == "x"
    with pytest.raises(Refused) as caught:
        body_of(b'{"newPassword": "x"}', GivenPassword)
    assert caught.value.details == {"fields": {"newPassword": "Expected `str` of length >= 8."}}
