"""Bodies about proving an e-mail address."""

from __future__ import annotations

import pytest

from protocol.bodies import body_of
from protocol.proofs import PasswordReset, Verification
from protocol.refusals import Refused


def test_a_token_is_not_shown() -> None:
    assert "x" * 43 not in repr(Verification(token="x" * 43))


@pytest.mark.parametrize("token", ["", "short", "x" * 101, "x" * 30 + "/", "x" * 30 + "\\n"])
def test_what_no_mail_has_brought_is_no_token(token: str) -> None:
    with pytest.raises(Refused) as refused:
        body_of(f'{{"token": "{token}", "password": "long enough"}}'.encode(), PasswordReset)

    assert list(refused.value.details["fields"]) == ["token"]
