"""API keys as texts."""

from __future__ import annotations

import secrets
from collections.abc import Callable

import pytest

from gateway.identity import (
    digest_of,
    is_api_key,
    is_tracker_code,
    is_tracker_id,
    key_id_of,
    new_key_id,
    new_key_text,
    presented_key,
    presented_tracker,
    subject_of_key,
)
from protocol.refusals import Refusal, Refused

KEY_ID = new_key_id(secrets.choice)
TEXT = new_key_text(KEY_ID, secrets.choice)


def test_a_key_is_one_word_with_a_prefix_an_id_a_secret_and_a_check() -> None:
    prefix, key_id, secret = TEXT.split("_")

    assert (prefix, key_id, len(secret)) == ("pcl", KEY_ID, 38)
    assert TEXT.replace("_", "").isalnum()
    assert is_api_key(TEXT)
    assert not is_api_key("eyJhbGciOiJIUzI1NiJ9.e30.x")


def test_a_key_that_was_given_out_is_looked_up_by_id_and_compared_by_digest() -> None:
    presented = presented_key(TEXT)

    assert (presented.id, presented.digest) == (KEY_ID, digest_of(TEXT))
    assert presented.subject == subject_of_key(KEY_ID) == f"key:{KEY_ID}"
    assert TEXT.rpartition("_")[2] not in repr(presented)


@pytest.mark.parametrize("place", [5, 20, 40, -1])
def test_one_wrong_character_is_a_typing_error(place: int) -> None:
    wrong = list(TEXT)
    wrong[place] = "x" if wrong[place] != "x" else "y"

    with pytest.raises(Refused, match="not whole, or mistyped") as caught:
        presented_key("".join(wrong))
    assert caught.value.refusal is Refusal.TOKEN_INVALID


@pytest.mark.parametrize(
    "break_",
    [lambda _: "pcl_", lambda text: text[:-1], lambda text: text + "x", lambda text: text + "\n"],
)
def test_what_is_no_whole_key_is_a_typing_error(break_: Callable[[str], str]) -> None:
    with pytest.raises(Refused):
        presented_key(break_(TEXT))


def test_a_tracker_code_is_no_key_and_a_key_no_tracker_code() -> None:
    tracker_id = new_key_id(secrets.choice, is_tracker=True)
    code = new_key_text(tracker_id, secrets.choice)

    assert (is_tracker_id(tracker_id), is_tracker_id(KEY_ID)) == (True, False)
    assert (is_tracker_code(code), is_api_key(code)) == (True, False)
    assert presented_tracker(code).digest == digest_of(code)
    assert key_id_of(presented_tracker(code).subject) == tracker_id
    for present, text in [
        (presented_key, code),
        (presented_key, code.replace("pct_", "pcl_")),
        (presented_tracker, TEXT),
        (presented_tracker, TEXT.replace("pcl_", "pct_")),
    ]:
        with pytest.raises(Refused) as caught:
            present(text)
        assert caught.value.refusal is Refusal.TOKEN_INVALID


def test_no_two_keys_are_alike() -> None:
    texts = {new_key_text(KEY_ID, secrets.choice) for _ in range(100)}

    assert len(texts) == 100


@pytest.mark.parametrize(
    "subject", ["ada", "key:", "key:short", "key:" + "x" * 13, "key:../../etc/pw"]
)
def test_other_subjects_stand_for_no_key(subject: str) -> None:
    assert key_id_of(subject) is None
    assert key_id_of(subject_of_key(KEY_ID)) == KEY_ID
