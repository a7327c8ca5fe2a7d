"""The people of a demonstration."""

from __future__ import annotations

from typing import get_args

from gateway.users.seeding import riders, staff
from gateway.users.user import is_user_id
from protocol.users import UserRole


def test_they_are_always_the_same_and_of_every_role() -> None:
    assert staff() == staff()
    assert list(riders(3)) == list(riders(9))[:3]
    assert {user.role for user in staff()} == set(get_args(UserRole))


def test_no_two_are_alike() -> None:
    people = [*staff(), *riders(1_000)]

    assert len({user.id for user in people}) == len({user.email for user in people}) == len(people)
    assert all(is_user_id(user.id) for user in people)
    assert {user.age for user in people} >= {None, 18, 77}
