"""The rules of users."""

from __future__ import annotations

import uuid

import pytest

from gateway.identity import Role
from gateway.users.user import changed, folded, id_of, new_user
from protocol.users import NewUser, OwnChanges, UserChanges
from tests.gateway.users.people import NOW_MS, person

BYTES = bytes(range(10))


def test_a_new_user_is_a_rider_of_version_1() -> None:
    user = new_user(NewUser(email="ada@example.org", name="Ada"), NOW_MS, BYTES)

    assert (user.role, user.as_role, user.disabled, user.version) == ("rider", Role.RIDER, False, 1)
    assert user.created_at_ms == user.updated_at_ms == NOW_MS
    assert user.tokens_valid_after_ms == 0


def test_an_id_is_a_uuid_of_version_7_that_tells_its_time_and_keeps_its_randomness() -> None:
    text = id_of(NOW_MS, BYTES)
    parsed = uuid.UUID(text)

    assert (parsed.version, parsed.variant) == (7, uuid.RFC_4122)
    assert parsed.int >> 80 == NOW_MS
    assert text == str(parsed)
    assert len({id_of(NOW_MS, bytes([*range(9), last])) for last in range(256)}) == 256


def test_ids_are_in_the_order_of_time() -> None:
    assert id_of(NOW_MS, b"\xff" * 10) < id_of(NOW_MS + 1, b"\x00" * 10)


def test_a_view_has_times_that_anybody_can_read_and_nothing_internal() -> None:
    view = person().view()

    assert view.created_at.isoformat() == "2027-01-15T08:00:00+00:00"
    assert not hasattr(view, "tokens_valid_after_ms")


def test_a_change_makes_the_next_version() -> None:
    user = person()

    after = changed(user, UserChanges(name="Someone Else", age=None), NOW_MS + 5)

    assert (after.name, after.age, after.version) == ("Someone Else", None, 2)
    assert (after.created_at_ms, after.updated_at_ms) == (NOW_MS, NOW_MS + 5)
    assert after.email == user.email


def test_what_changes_nothing_is_no_change() -> None:
    user = person()

    assert changed(user, UserChanges(name=user.name, role="rider"), NOW_MS + 5) is user
    assert changed(user, OwnChanges(), NOW_MS + 5) is user


@pytest.mark.parametrize("changes", [UserChanges(role="viewer"), UserChanges(disabled=True)])
def test_what_somebody_may_do_ends_the_tokens_from_before(changes: UserChanges) -> None:
    assert changed(person(), changes, NOW_MS + 5).tokens_valid_after_ms == NOW_MS + 5


def test_a_name_ends_no_tokens() -> None:
    assert changed(person(), OwnChanges(name="Else"), NOW_MS + 5).tokens_valid_after_ms == 0


def test_a_clock_that_goes_back_takes_no_change_back_in_time() -> None:
    after = changed(person(), UserChanges(name="Else"), NOW_MS - 1000)

    assert after.updated_at_ms == NOW_MS


@pytest.mark.parametrize(
    ("one", "other"),
    [("Ada@Example.ORG", "ada@example.org"), ("e\u0301", "\u00c9"), ("STRASSE", "straße")],
)
def test_texts_that_differ_in_case_or_composition_are_alike(one: str, other: str) -> None:
    assert folded(one) == folded(other)
