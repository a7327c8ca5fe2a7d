"""This module owns pages of users over HTTP: from parameters to a query, and how to go on."""

from __future__ import annotations

import msgspec
from msgspec import UNSET

from gateway.rest.placemarks import Placemarks, not_of_this_list
from gateway.users.sorting import place_of
from gateway.users.store import SortField, UserPage, UserQuery
from protocol.users import Pagination, UserListing


class _Place(msgspec.Struct, frozen=True, array_like=True):
    """Where a page has ended, and in which order."""

    sort: str
    value: int | str
    user_id: str


_placemarks = Placemarks(_Place)


def query_of(listing: UserListing) -> UserQuery:
    """What the store is asked; raises `Refused` for a cursor of another list."""
    return UserQuery(
        role=listing.role,
        disabled=listing.disabled,
        email=listing.email,
        name_prefix=listing.name,
        sort=_field_of(listing),
        is_descending=listing.sort.startswith("-"),
        after=None if listing.cursor is None else _place_in(listing.cursor, listing),
        offset=((listing.page or 1) - 1) * listing.limit,
        limit=listing.limit,
    )


def pagination_of(listing: UserListing, page: UserPage) -> Pagination:
    """How to go on from this page."""
    cursor = None
    if page.has_more:
        place = place_of(page.users[-1], _field_of(listing))
        cursor = _placemarks.text_of(_Place(listing.sort, *place))
    is_counted = listing.page is not None and listing.cursor is None
    return Pagination(
        limit=listing.limit,
        next_cursor=cursor,
        page=listing.page if listing.page is not None else UNSET,
        pages=-(-page.total // listing.limit) if is_counted else UNSET,
    )


def _field_of(listing: UserListing) -> SortField:
    match listing.sort.removeprefix("-"):
        case "name":
            return "name"
        case "email":
            return "email"
    return "createdAt"


def _place_in(cursor: str, listing: UserListing) -> tuple[int | str, str]:
    """A cursor is of one order; a stranger's invention may at most begin a page anywhere."""
    place = _placemarks.place_in(cursor)
    is_number = isinstance(place.value, int)
    is_kept = is_number or "\0" not in f"{place.value}"
    if place.sort != listing.sort or is_number != (_field_of(listing) == "createdAt"):
        raise not_of_this_list()
    if not is_kept or "\0" in place.user_id or (is_number and not 0 <= int(place.value) < 2**63):
        raise not_of_this_list()
    return place.value, place.user_id
