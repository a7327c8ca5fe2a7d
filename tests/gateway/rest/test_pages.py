"""Pages of users over HTTP."""

from __future__ import annotations

import pytest
from msgspec import UNSET

from gateway.rest.pages import pagination_of, query_of
from gateway.users.store import UserPage, UserQuery
from protocol.refusals import Refusal, Refused
from protocol.users import UserListing
from tests.gateway.users.people import person


@pytest.mark.parametrize("sort", ["createdAt", "-createdAt", "name", "-name", "email", "-email"])
def test_the_cursor_of_a_page_goes_on_behind_its_last_user(sort: str) -> None:
    listing = UserListing(sort=sort, limit=1)  # type: ignore[arg-type]
    cursor = pagination_of(listing, UserPage([person(7)], 2, has_more=True)).next_cursor

    query = query_of(UserListing(sort=sort, cursor=cursor))  # type: ignore[arg-type]

    assert query.after is not None
    assert query.after[1] == person(7).id
    assert (query.sort, query.is_descending) == (sort.lstrip("-"), sort.startswith("-"))


def test_the_last_page_has_no_cursor() -> None:
    pagination = pagination_of(UserListing(), UserPage([person()], 1, has_more=False))

    assert pagination.next_cursor is None


def test_a_cursor_of_another_order_is_refused() -> None:
    page = UserPage([person()], 2, has_more=True)
    cursor = pagination_of(UserListing(sort="name"), page).next_cursor

    with pytest.raises(Refused) as caught:
        query_of(UserListing(sort="-name", cursor=cursor))

    assert caught.value.refusal is Refusal.INVALID_CURSOR


def test_a_page_by_number_skips_those_before_it() -> None:
    assert query_of(UserListing(page=3, limit=20)) == UserQuery(offset=40, limit=20)


def test_pages_are_counted_from_the_cursor_on_when_there_is_one() -> None:
    first = UserPage([person(7)], 9, has_more=True)
    cursor = pagination_of(UserListing(limit=2), first).next_cursor
    listing = UserListing(page=3, limit=2, cursor=cursor)

    query, pagination = query_of(listing), pagination_of(listing, first)

    assert (query.after, query.offset) == ((person(7).created_at_ms, person(7).id), 4)
    # How many there are from there on nobody has counted.
    assert (pagination.page, pagination.pages) == (3, UNSET)
