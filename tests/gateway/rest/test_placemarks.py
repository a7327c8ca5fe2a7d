"""Cursors of lists."""

from __future__ import annotations

import base64

import msgspec
import pytest

from gateway.rest.placemarks import Placemarks
from protocol.refusals import Refusal, Refused


class Place(msgspec.Struct, frozen=True, array_like=True):
    sort: str
    number: int


PLACEMARKS = Placemarks(Place)


@pytest.mark.parametrize("sort", ["", "a", "ab", "abc", "é"])
def test_a_place_comes_back_whatever_the_padding(sort: str) -> None:
    cursor = PLACEMARKS.text_of(Place(sort, 7))

    assert "=" not in cursor
    assert PLACEMARKS.place_in(cursor) == Place(sort, 7)


@pytest.mark.parametrize(
    "cursor",
    ["", "a", "é", "!", base64.urlsafe_b64encode(b'["a","b"]').decode(), "W1tb" * 2000],
)
def test_an_invention_is_refused(cursor: str) -> None:
    with pytest.raises(Refused) as refused:
        PLACEMARKS.place_in(cursor)
    assert refused.value.refusal is Refusal.INVALID_CURSOR
