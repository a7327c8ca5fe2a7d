"""What a password may be."""

from __future__ import annotations

import msgspec
import pytest

from protocol.passwords import (
    PASSWORD_LEAST_CHARACTERS,
    PASSWORD_MOST_CHARACTERS,
    NewPassword,
    PresentPassword,
)


def test_a_new_one_has_its_length_and_any_characters() -> None:
    for text in ("\x00 ü🚲" * 2, "x" * PASSWORD_LEAST_CHARACTERS, "x" * PASSWORD_MOST_CHARACTERS):
        assert msgspec.convert(text, NewPassword) == text


@pytest.mark.parametrize("length", [PASSWORD_LEAST_CHARACTERS - 1, PASSWORD_MOST_CHARACTERS + 1])
def test_a_new_one_is_neither_shorter_nor_longer(length: int) -> None:
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert("x" * length, NewPassword)


def test_a_present_one_may_be_of_earlier_rules() -> None:
    assert msgspec.convert("x", PresentPassword) == "x"
