"""Where a user stands in each order."""

from __future__ import annotations

from gateway.users.sorting import place_of
from tests.gateway.users.people import NOW_MS, person


def test_texts_stand_where_their_folded_form_stands() -> None:
    user = person(3, name="ÉMILE")

    assert place_of(user, "name") == ("émile", user.id)
    assert place_of(user, "email") == ("person3@example.org", user.id)
    assert place_of(user, "createdAt") == (NOW_MS + 3000, user.id)
