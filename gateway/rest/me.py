"""This module owns `/api/users/me`: what everybody may know and change of themselves."""

from __future__ import annotations

from collections.abc import Sequence

from aiohttp import web
from msgspec import UNSET

from gateway.addresses import Network
from gateway.authentication import Authenticator
from gateway.rest import preconditions
from gateway.rest.requests import JSON, MERGE_PATCH, body_bytes_of, identity_of, origin_of
from gateway.rest.users import now_ms, shown_user, user_response
from gateway.users.accounts import Accounts
from gateway.users.sessions import Sessions
from gateway.users.user import User
from protocol.bodies import body_of
from protocol.users import OwnChanges


class MeResource:
    """The user whose id is the subject of the token; a token may also be of nobody who is kept."""

    def __init__(
        self,
        accounts: Accounts,
        sessions: Sessions,
        authenticator: Authenticator,
        trusted_proxies: Sequence[Network],
    ) -> None:
        self._accounts = accounts
        self._sessions = sessions
        self._authenticator = authenticator
        self._trusted_proxies = trusted_proxies

    async def get(self, request: web.Request) -> web.Response:
        """Who is asking."""
        identity = await identity_of(request, self._authenticator)
        return shown_user(request, await self._accounts.get(identity.subject))

    async def patch(self, request: web.Request) -> web.Response:
        """Change one's own fields; the address, by who proves once more who it is."""
        identity = await identity_of(request, self._authenticator)
        versions = preconditions.versions_wanted(request)
        changes = body_of(await body_bytes_of(request, JSON, MERGE_PATCH), OwnChanges)
        current = None if changes.current_password is UNSET else changes.current_password
        origin = origin_of(request, self._trusted_proxies)

        async def confirm(user: User) -> None:
            await self._sessions.confirm(user, current, origin, identity.session_id)

        user = await self._accounts.change(identity.subject, changes, now_ms(), versions, confirm)
        return user_response(user)
