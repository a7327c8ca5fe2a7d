import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocol.cursor import Cursor
from protocol.refusals import Refusal, Refused

_EPOCH_CHARACTERS = "ABCXYZabcxyz0189_-"


@given(
    st.text(_EPOCH_CHARACTERS, min_size=1, max_size=32),
    st.integers(0, 10**16 - 1),
    st.integers(0, 2**32 - 1),
)
def test_a_cursor_survives_its_text(epoch: str, offset: int, proof: int) -> None:
    cursor = Cursor(epoch, offset, proof)

    assert Cursor.parse(str(cursor)) == cursor
    assert len(str(cursor)) <= 80  # the limit of `since`


@pytest.mark.parametrize(
    "text",
    [
        None,
        5,
        b"e.1.00000000",
        "",
        "e",
        "e.1",
        "e.1.",
        ".1.00000000",
        "e..00000000",
        "e.1.0",
        "e.1.000000000",
        "e.1.0000000g",
        "e.1.ABCDEF00",
        "e.01.00000000",
        "e.-1.00000000",
        "e.+1.00000000",
        "e.1.5.00000000",
        "e.1_0.00000000",
        "e.\u0661.00000000",
        "é.1.00000000",
        "e.1.00000000\n",
        " e.1.00000000",
        "e.1.00000000 ",
        "e.1.0000\x000000",
        "e" * 33 + ".1.00000000",
        "e." + "9" * 17 + ".00000000",
        "e." + "9" * 100_000 + ".00000000",
    ],
)
def test_anything_else_is_refused(text: object) -> None:
    with pytest.raises(Refused) as refused:
        Cursor.parse(text)
    assert refused.value.refusal is Refusal.INVALID_CURSOR


@given(st.from_regex(r"[A-Za-z0-9_-]{1,32}\.[0-9]{1,17}\.[0-9a-fA-F]{7,9}\n?", fullmatch=True))
def test_what_looks_like_a_cursor_is_one_in_one_spelling_or_not_at_all(text: str) -> None:
    with contextlib.suppress(Refused):
        assert str(Cursor.parse(text)) == text
