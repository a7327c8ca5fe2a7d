from __future__ import annotations

import pytest

from gateway.identity import KeySet, Role, TokenRules, identity_of_token, sign_token
from gateway.openid.passage import LIFETIME_SECONDS, Passage, new_passage, passage_of, sealed
from protocol.refusals import Refusal, Refused
from tests.toolbox.forgery import NOW, SECRET

KEYS = KeySet.of([SECRET])


@pytest.fixture
def passage() -> Passage:
    return new_passage("here", "/map", NOW)


def test_what_the_browser_carries_is_what_it_was_given(passage: Passage) -> None:
    assert passage_of(sealed(passage, KEYS), KEYS, NOW) == passage


def test_a_secret_that_is_not_the_newest_any_more_still_proves_it(passage: Passage) -> None:
    carried = sealed(passage, KEYS)

    assert passage_of(carried, KeySet.of(["n" * 32, SECRET]), NOW) == passage


def test_nothing_in_it_can_be_guessed_or_comes_twice(passage: Passage) -> None:
    other = new_passage("here", "/map", NOW)
    random = [text for each in (passage, other) for text in (each.state, each.nonce, each.verifier)]

    assert len(set(random)) == 6
    assert all(len(text) == 43 for text in random)  # 256 bits


def test_its_repr_tells_none_of_it(passage: Passage) -> None:
    assert repr(passage) == "Passage(here)"


def test_it_ends(passage: Passage) -> None:
    with pytest.raises(Refused):
        passage_of(sealed(passage, KEYS), KEYS, NOW + LIFETIME_SECONDS)


@pytest.mark.parametrize("text", [None, "", "a", "a.b.c", "é", "e" * 9000])
def test_what_is_not_ours_is_no_passage(text: str | None) -> None:
    with pytest.raises(Refused) as caught:
        passage_of(text, KEYS, NOW)

    assert caught.value.refusal is Refusal.SIGN_IN_FAILED


def test_no_other_token_of_ours_is_one_and_it_is_no_other(passage: Passage) -> None:
    token = sign_token(KEYS, subject="ada", role=Role.RIDER, now_seconds=NOW, lifetime_seconds=60)
    with pytest.raises(Refused):
        passage_of(token, KEYS, NOW)
    with pytest.raises(Refused):
        identity_of_token(sealed(passage, KEYS), KEYS, NOW, TokenRules())


@pytest.mark.parametrize("state", [None, "", "a", "é"])
def test_an_answer_of_another_state_is_for_somebody_else(
    passage: Passage, state: str | None
) -> None:
    assert not passage.is_answered_by(state)
    assert passage.is_answered_by(passage.state)
