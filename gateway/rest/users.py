"""This module owns `/api/users`: users, for those who manage them."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Mapping
from typing import Any, Final

import msgspec
from aiohttp import hdrs, web

from gateway.authentication import Authenticator
from gateway.identity import Identity
from gateway.rest import preconditions
from gateway.rest.pages import pagination_of, query_of
from gateway.rest.problems import json_response
from gateway.rest.requests import (
    JSON,
    MERGE_PATCH,
    body_bytes_of,
    check_manager,
    idempotency_key_of,
)
from gateway.users.accounts import Accounts, Confirm
from gateway.users.user import User
from protocol.bodies import body_of, parameters_of
from protocol.refusals import Refusal, Refused
from protocol.users import NewUser, UserChanges, UserListing, UserSelection

_NOT_MODIFIED: Final = 304
_CREATED: Final = 201
_NO_CONTENT: Final = 204


class UsersResource:
    """Every method asks first who is asking: nobody else learns whether there is such a user."""

    def __init__(self, accounts: Accounts, authenticator: Authenticator) -> None:
        self._accounts = accounts
        self._authenticator = authenticator

    async def post(self, request: web.Request) -> web.Response:
        """Make a user."""
        manager = await check_manager(request, self._authenticator)
        key = idempotency_key_of(request)
        raw = await body_bytes_of(request)
        body = body_of(raw, NewUser)
        if key is not None:
            key = hashlib.sha256(
                f"{len(manager.subject)} {manager.subject} {key}".encode()
            ).hexdigest()
        fingerprint = hashlib.sha256(raw).hexdigest()
        user = await self._accounts.create(body, now_ms(), key, fingerprint)
        response = user_response(user, status=_CREATED)
        response.headers["Location"] = f"/api/users/{user.id}"
        return response

    async def get_many(self, request: web.Request) -> web.Response:
        """A page of users."""
        await check_manager(request, self._authenticator)
        listing = parameters_of(request.query.items(), UserListing)
        names = names_of(listing.fields)
        query = query_of(listing)
        page = await self._accounts.page(query)
        views = [user.view() if names is None else _selected(user, names) for user in page.users]
        meta = {"pagination": pagination_of(listing, page), "total": page.total}
        return json_response({"data": views, "meta": meta})

    async def get(self, request: web.Request) -> web.Response:
        """One user."""
        await check_manager(request, self._authenticator)
        user = await self._accounts.get(request.match_info["userId"])
        return shown_user(request, user)

    async def patch(self, request: web.Request) -> web.Response:
        """Change some fields of a user."""
        manager = await check_manager(request, self._authenticator)
        versions = preconditions.versions_wanted(request)
        changes = body_of(await body_bytes_of(request, JSON, MERGE_PATCH), UserChanges)
        user_id = request.match_info["userId"]
        confirm = others_alone(manager, "/api/users/me")
        user = await self._accounts.change(user_id, changes, now_ms(), versions, confirm)
        return user_response(user)

    async def delete(self, request: web.Request) -> web.Response:
        """Delete a user."""
        await check_manager(request, self._authenticator)
        versions = preconditions.versions_wanted(request)
        await self._accounts.delete(request.match_info["userId"], now_ms(), versions)
        return web.Response(status=_NO_CONTENT)


def others_alone(manager: Identity, own_path: str) -> Confirm:
    """What lets a manager change anybody but itself, where one's own takes a proof."""

    async def confirm(user: User) -> None:
        if user.id == manager.subject:
            raise Refused(Refusal.FORBIDDEN, f"Change your own at {own_path}.")

    return confirm


def shown_user(request: web.Request, user: User) -> web.Response:
    """The answer that shows a user: its chosen fields, or that the client has them already."""
    names = None
    if request.query_string:  # mostly there is none, and this is the busiest of all answers
        names = names_of(parameters_of(request.query.items(), UserSelection).fields)
    if preconditions.is_known(request, user.version):
        headers = {"ETag": preconditions.tag_of(user.version)}
        return web.Response(status=_NOT_MODIFIED, headers=headers)
    return user_response(user, names)


def user_response(
    user: User, names: frozenset[str] | None = None, status: int = 200
) -> web.Response:
    """A user, with the tag of its version."""
    shown = user.shown_json if names is None else {"data": _selected(user, names)}
    response = json_response(shown, status)
    response.headers[hdrs.ETAG] = preconditions.tag_of(user.version)
    return response


def names_of(fields: str | None) -> frozenset[str] | None:
    """The fields that were asked for; None: all of them."""
    return None if fields is None else frozenset(fields.split(","))


def now_ms() -> int:
    """The time, in milliseconds since 1970."""
    return time.time_ns() // 1_000_000


def _selected(user: User, names: frozenset[str]) -> Mapping[str, Any]:
    shown: dict[str, Any] = msgspec.to_builtins(user.view())
    return {name: value for name, value in shown.items() if name in names}
