"""The limits of what may be said of a user."""

from __future__ import annotations

from typing import get_args

import msgspec
import pytest

from gateway.identity import Role
from protocol.users import Email, Name, NewUser, UserChanges, UserRole


def is_right(value: object, kind: object) -> bool:
    try:
        msgspec.convert(value, kind)
    except msgspec.ValidationError:
        return False
    return True


@pytest.mark.parametrize(
    "email", ["a@b.c", "ada.lovelace+x@example.org", "ünï@münchen.example", "a" * 249 + "@b.cd"]
)
def test_an_address_is_one(email: str) -> None:
    assert is_right(email, Email)


@pytest.mark.parametrize(
    "email",
    [
        "",
        "ada",
        "@b.c",
        "a@b",
        "a@.c",
        "a@b.",
        "a@b..c",
        "a@@b.c",
        "a b@c.d",
        "a@b.c\n",
        "a\x00@b.c",
        "a@b.c\r\nBcc: x@y.z",
        "a" * 250 + "@b.cd",
        7,
        None,
    ],
)
def test_what_is_no_address_is_none(email: object) -> None:
    assert not is_right(email, Email)


@pytest.mark.parametrize(
    "name", ["Al", "<script>alert(1)</script>", "Ж\u0301 \U0001f6b2", "x" * 50]
)
def test_a_name_is_nearly_anything(name: str) -> None:
    assert is_right(name, Name)


@pytest.mark.parametrize("name", ["", "A", "x" * 51, "  ", "a\nb", "a\x00b", "a\x1b[31m", 7, None])
def test_what_is_too_short_too_long_or_invisible_is_no_name(name: object) -> None:
    assert not is_right(name, Name)


@pytest.mark.parametrize(("age", "right"), [(17, False), (18, True), (120, True), (121, False)])
def test_an_age_is_from_18_to_120(age: int, *, right: bool) -> None:
    body = {"email": "a@b.c", "name": "Ada", "age": age}

    assert is_right(body, NewUser) is right


def test_an_age_may_be_left_out_and_taken_back() -> None:
    assert is_right({"email": "a@b.c", "name": "Ada"}, NewUser)
    assert is_right({"age": None}, UserChanges)
    assert not is_right({"name": None}, UserChanges)


def test_what_is_not_of_a_user_is_a_mistake() -> None:
    assert not is_right({"email": "a@b.c", "name": "Ada", "id": "1"}, NewUser)


def test_people_have_the_roles_that_there_are_but_for_that_of_services() -> None:
    assert {*get_args(UserRole), "service"} == {role.value for role in Role}
