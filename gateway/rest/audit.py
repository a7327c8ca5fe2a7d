"""This module owns `/api/audit`: the trail of what concerns security, for administrators."""

from __future__ import annotations

import datetime as dt

import msgspec
from aiohttp import web

from gateway.authentication import Authenticator
from gateway.rest.placemarks import Placemarks, not_of_this_list
from gateway.rest.problems import json_response
from gateway.rest.requests import check_manager
from gateway.users.audit import AuditPage, AuditQuery, AuditStore, Entry
from protocol.audit import AuditListing, AuditView
from protocol.bodies import parameters_of
from protocol.users import Pagination


class _Place(msgspec.Struct, frozen=True, array_like=True):
    """Where a page has ended, and in which order."""

    sort: str
    number: int


_placemarks = Placemarks(_Place)


class AuditResource:
    """Reading alone: nobody changes what has happened."""

    def __init__(self, audit: AuditStore, authenticator: Authenticator) -> None:
        self._audit = audit
        self._authenticator = authenticator

    async def get(self, request: web.Request) -> web.Response:
        """A page of the trail."""
        await check_manager(request, self._authenticator)
        listing = parameters_of(request.query.items(), AuditListing)
        page = await self._audit.page(query_of(listing))
        pagination = Pagination(limit=listing.limit, next_cursor=_cursor_of(listing, page))
        meta = {"pagination": pagination, "total": page.total}
        return json_response({"data": [view_of(entry) for entry in page.entries], "meta": meta})


def view_of(entry: Entry) -> AuditView:
    """What answers show of an entry."""
    at = dt.datetime.fromtimestamp(entry.at_ms / 1000, dt.UTC)
    fields = msgspec.structs.asdict(entry)
    del fields["at_ms"]
    return AuditView(at=at, **fields)


def query_of(listing: AuditListing) -> AuditQuery:
    """What the store is asked; raises `Refused` for a cursor of another list."""
    return AuditQuery(
        subject=listing.subject,
        whom=listing.whom,
        action=listing.action,
        since_ms=listing.since_ms,
        until_ms=listing.until_ms,
        is_descending=listing.sort == "-number",
        after=None if listing.cursor is None else _number_in(listing.cursor, listing),
        limit=listing.limit,
    )


def _cursor_of(listing: AuditListing, page: AuditPage) -> str | None:
    if not page.has_more:
        return None
    return _placemarks.text_of(_Place(listing.sort, page.entries[-1].number))


def _number_in(cursor: str, listing: AuditListing) -> int:
    """A cursor is of one order; a stranger's invention may at most begin a page anywhere."""
    place = _placemarks.place_in(cursor)
    if place.sort != listing.sort or not 0 <= place.number < 2**63:
        raise not_of_this_list()
    return place.number
