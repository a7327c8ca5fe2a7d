from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.rooms import snapshot
from gateway.rooms.snapshot import Heard, LastValue
from tests.gateway.rooms.reference import Value, merged

texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=4)
scalars = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | texts
values = st.recursive(
    scalars.filter(lambda value: value not in (float("inf"), float("-inf"))),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=6,
)
names = st.sampled_from(["a", "b", "c", "é", '"', "\\", "\u2028", "null"]) | texts
patches = st.dictionaries(names, values, max_size=4)
written = st.tuples(patches, st.booleans(), st.sampled_from([None, 1]))


def _text(patch: tuple[Value, bool, int | None]) -> bytes:
    """The same object in one of the ways in which clients write it."""
    fields, ascii_only, indent = patch
    return json.dumps(fields, ensure_ascii=ascii_only, indent=indent).encode()


def _last_value(texts_of_patches: list[bytes]) -> LastValue:
    first, *others = texts_of_patches
    value = LastValue(first, Heard(0, 0, 0.0))
    for text in others:
        value.patch(text, Heard(0, 0, 0.0))
    return value


@given(st.lists(written, min_size=1, max_size=40))
def test_a_last_value_is_the_merge_of_all_its_patches(
    parts: list[tuple[Value, bool, None]],
) -> None:
    expected: Value = {}
    for fields, _, _ in parts:
        expected = merged(expected, fields)
    value = _last_value([_text(part) for part in parts])
    assert json.loads(value.value()) == expected
    assert json.loads(value.value()) == expected  # reading changes nothing


@given(st.lists(written, min_size=1, max_size=40), st.data())
def test_reading_in_between_changes_nothing(
    parts: list[tuple[Value, bool, None]], data: st.DataObject
) -> None:
    read_often = LastValue(b"{}", Heard(0, 0, 0.0))
    for part in parts:
        read_often.patch(_text(part), Heard(0, 0, 0.0))
        if data.draw(st.booleans()):
            read_often.value()
    read_once = _last_value([b"{}", *(_text(part) for part in parts)])
    assert json.loads(read_often.value()) == json.loads(read_once.value())


@given(patches, written, written)
def test_a_conflated_patch_does_what_both_do(
    before: Value, older: tuple[Value, bool, None], newer: tuple[Value, bool, None]
) -> None:
    one = json.loads(snapshot.conflated(_text(older), _text(newer)))
    assert merged(before, one) == merged(merged(before, older[0]), newer[0])


@pytest.mark.parametrize(
    "number", ["1.10", "1E2", "-0.0", "123456789012345678901234567890", "0e-7"]
)
def test_a_number_keeps_its_text_through_merge_and_conflation(number: str) -> None:
    older, newer = f'{{"x": {number} ,"y":1}}'.encode(), b'{"y":2}'
    expected = f'{{"x":{number},"y":2}}'.encode()
    assert snapshot.conflated(older, newer) == expected
    assert _last_value([older, newer]).value() == expected


def test_a_single_update_without_null_is_kept_letter_for_letter() -> None:
    text = b'{ "x" : 1.10 }'
    assert _last_value([text]).value() == text


def test_the_text_null_is_no_null() -> None:
    assert json.loads(_last_value([b'{"x":"null","null":1,"y":null}']).value()) == {
        "x": "null",
        "null": 1,
    }


def test_the_newest_update_is_the_one_that_was_heard() -> None:
    value = _last_value([b"{}"])
    value.patch(b'{"a":1}', Heard(5, 6, 7.0))
    assert value.heard == Heard(5, 6, 7.0)


def test_an_array_of_nothing_is_empty() -> None:
    assert snapshot.array_of([]) == b"[]"
    assert snapshot.array_of([b"{}", b'{"a":1}']) == b'[{},{"a":1}]'
