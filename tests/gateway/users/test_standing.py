"""What a token is still worth."""

from __future__ import annotations

import pytest

from gateway.identity import Identity, Role
from gateway.users.standing import Standing, check_standing, goodbye_of
from gateway.users.user import changed
from protocol.refusals import Goodbye, Refusal, Refused
from protocol.users import UserChanges
from tests.gateway.users.people import NOW_MS, person

ADA = person(1)
DEMOTED = changed(ADA, UserChanges(role="viewer"), NOW_MS + 5)
DISABLED = changed(ADA, UserChanges(disabled=True), NOW_MS + 5)
BEFORE = Identity(ADA.id, issued_at_seconds=(NOW_MS + 4) / 1000)
AFTER = Identity(ADA.id, issued_at_seconds=(NOW_MS + 5) / 1000)
OF_A_SESSION = Identity(ADA.id, Role.RIDER, issued_at_seconds=NOW_MS / 1000, session_id="s")
# Begun while the role was changing, or by a worker whose clock is ahead.
OVERTAKEN = Identity(ADA.id, Role.RIDER, issued_at_seconds=(NOW_MS + 6) / 1000, session_id="s")
REFRESHED = Identity(ADA.id, Role.VIEWER, issued_at_seconds=(NOW_MS + 6) / 1000, session_id="s")
S = frozenset({"s"})


@pytest.mark.parametrize(
    ("identity", "standing", "goodbye"),
    [
        (BEFORE, Standing(ADA), None),
        (BEFORE, Standing(None), None),
        (BEFORE, Standing(DEMOTED), Goodbye.TOKEN_EXPIRED),
        (AFTER, Standing(DEMOTED), None),
        (Identity(ADA.id), Standing(ADA), None),
        (Identity(ADA.id), Standing(DEMOTED), Goodbye.TOKEN_EXPIRED),
        (AFTER, Standing(DISABLED), Goodbye.DISABLED),
        (OF_A_SESSION, Standing(ADA, session_ids=frozenset({"s", "t"})), None),
        (OF_A_SESSION, Standing(ADA, session_ids=frozenset({"t"})), Goodbye.REVOKED),
        (OF_A_SESSION, Standing(None), Goodbye.REVOKED),
        (OF_A_SESSION, Standing(DISABLED, session_ids=S), Goodbye.DISABLED),
        (OVERTAKEN, Standing(DEMOTED, session_ids=S), Goodbye.TOKEN_EXPIRED),
        (REFRESHED, Standing(DEMOTED, session_ids=S), None),
    ],
)
def test_a_token_holds_as_long_as_what_it_says(
    identity: Identity, standing: Standing, goodbye: Goodbye | None
) -> None:
    assert goodbye_of(identity, standing) is goodbye


def test_who_was_changed_may_come_back_with_a_new_token_and_who_was_disabled_may_not() -> None:
    assert Goodbye.TOKEN_EXPIRED.may_return
    assert not Goodbye.DISABLED.may_return
    assert not Goodbye.REVOKED.may_return


@pytest.mark.parametrize(
    ("identity", "standing", "refusal"),
    [
        (BEFORE, Standing(DEMOTED), Refusal.TOKEN_EXPIRED),
        (AFTER, Standing(DISABLED), Refusal.FORBIDDEN),
        (OF_A_SESSION, Standing(ADA), Refusal.TOKEN_INVALID),
    ],
)
def test_a_token_that_does_not_hold_is_refused(
    identity: Identity, standing: Standing, refusal: Refusal
) -> None:
    with pytest.raises(Refused) as caught:
        check_standing(identity, standing)

    assert caught.value.refusal is refusal


def test_a_token_that_holds_is_not() -> None:
    check_standing(BEFORE, Standing(ADA))
