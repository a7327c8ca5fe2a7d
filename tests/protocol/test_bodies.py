"""How what was sent becomes a typed body."""

from __future__ import annotations

from typing import Any

import pytest

from protocol.bodies import body_of, parameters_of
from protocol.refusals import Refusal, Refused
from protocol.users import NewUser, UserChanges, UserListing


def refused(raw: bytes, kind: type[Any] = NewUser) -> Refused:
    with pytest.raises(Refused) as caught:
        body_of(raw, kind)
    return caught.value


def test_a_right_body_is_read() -> None:
    body = body_of(b'{"name": "Ada", "email": "ada@b.c", "age": null}', NewUser)

    assert body == NewUser(name="Ada", email="ada@b.c")


def test_what_is_left_out_is_not_changed() -> None:
    assert body_of(b"{}", UserChanges) == UserChanges()


def test_every_bad_field_is_named_at_once_with_a_sentence() -> None:
    raw = b'{"name": "A", "email": "ada", "age": 17, "role": "service", "disabled": 1, "id": "7"}'

    refusal = refused(raw)

    assert refusal.refusal is Refusal.INVALID
    assert refusal.details == {
        "fields": {
            "name": "Expected `str` of length >= 2.",
            "email": "Expected an e-mail address, unique whatever the case of its letters.",
            "age": "Expected `int` >= 18.",
            "role": "Not one of the values there are.",
            "disabled": "Expected `bool`, got `int`.",
            "id": "There is no such field.",
        }
    }


def test_a_field_that_is_missing_is_named() -> None:
    assert refused(b"{}").details == {
        "fields": {"email": "This field is required.", "name": "This field is required."}
    }


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"{",
        b"[]",
        b"null",
        b'"x"',
        b'{"name": NaN}',
        b'{"name": "\\ud800"}',
        b'{"name": "\xff"}',
        b"[" * 100_000,
        b'{"name": ' + b"[" * 100_000,
    ],
)
def test_what_is_no_object_in_json_is_malformed_or_names_its_field(raw: bytes) -> None:
    assert refused(raw).refusal in {Refusal.MALFORMED, Refusal.INVALID}


def test_names_of_strangers_are_few_and_short_in_the_answer() -> None:
    raw = "{" + ", ".join(f'"{"x" * 1000}{number}": 1' for number in range(1000)) + "}"

    fields = refused(raw.encode()).details["fields"]

    assert len(fields) <= 20
    assert max(map(len, fields)) <= 64


def test_parameters_are_read_from_text() -> None:
    pairs = [("disabled", "true"), ("limit", "5"), ("sort", "-name"), ("role", "admin")]

    listing = parameters_of(pairs, UserListing)

    assert listing == UserListing(disabled=True, limit=5, sort="-name", role="admin")


def test_every_bad_parameter_is_named_at_once() -> None:
    pairs = [("limit", "0"), ("limit", "5"), ("page", "x"), ("sort", "age"), ("colour", "blue")]

    with pytest.raises(Refused) as caught:
        parameters_of(pairs, UserListing)

    assert caught.value.details == {
        "fields": {
            "limit": "Given more than once.",
            "page": "Expected `int | null`, got `str`.",
            "sort": "Not one of the values there are.",
            "colour": "There is no such field.",
        }
    }


def test_a_whole_number_may_be_written_with_a_point() -> None:
    body = body_of(b'{"name": "Ada", "email": "ada@b.c", "age": 34.0}', NewUser)

    assert (body.age, type(body.age)) == (34, int)
    assert set(refused(b'{"name": "Ada", "email": "a@b.c", "age": 34.5}').details["fields"]) == {
        "age"
    }


def test_no_text_stands_for_what_is_not_there() -> None:
    with pytest.raises(Refused) as caught:
        parameters_of([("role", "null"), ("limit", "null")], UserListing)

    assert set(caught.value.details["fields"]) == {"role", "limit"}
