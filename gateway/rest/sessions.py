"""This module owns `/api/sessions`: signing in, staying in, and out again."""

from __future__ import annotations

from collections.abc import Sequence

from aiohttp import web
from msgspec import UNSET

from gateway.addresses import Network
from gateway.authentication import Authenticator
from gateway.identity import Identity, Permission
from gateway.rest.problems import json_response
from gateway.rest.requests import body_bytes_of, check_manager, identity_of, origin_of
from gateway.rest.users import others_alone
from gateway.users.accounts import Accounts
from gateway.users.session import Origin
from gateway.users.sessions import Sessions, SignedIn
from protocol.bodies import body_of
from protocol.refusals import Refusal, Refused
from protocol.sessions import GivenPassword, OwnPassword, Refresh, SignIn, Tokens


class SessionsResource:
    """Sessions and passwords, one's own and, for administrators, those of others."""

    def __init__(
        self,
        sessions: Sessions,
        accounts: Accounts,
        authenticator: Authenticator,
        trusted_proxies: Sequence[Network],
    ) -> None:
        self._sessions = sessions
        self._accounts = accounts
        self._authenticator = authenticator
        self._trusted_proxies = trusted_proxies

    async def post(self, request: web.Request) -> web.Response:
        """Sign in."""
        body = body_of(await body_bytes_of(request), SignIn)
        signed_in = await self._sessions.sign_in(body.email, body.password, self._origin(request))
        return tokens_response(signed_in, 201)

    async def refresh(self, request: web.Request) -> web.Response:
        """Exchange a refresh token for new tokens."""
        body = body_of(await body_bytes_of(request), Refresh)
        return tokens_response(await self._sessions.refresh(body.refresh_token), 200)

    async def get_own(self, request: web.Request) -> web.Response:
        """One's own sessions."""
        identity = await identity_of(request, self._authenticator)
        return await self._shown(identity, identity.subject)

    async def delete_current(self, request: web.Request) -> web.Response:
        """Sign out."""
        identity = await identity_of(request, self._authenticator)
        if identity.session_id is None:
            raise Refused(Refusal.NOT_FOUND, "The token belongs to no session.")
        await self._sessions.close(identity.session_id, identity.subject)
        return web.Response(status=204)

    async def delete(self, request: web.Request) -> web.Response:
        """End a session of one's own; an administrator, any."""
        identity = await identity_of(request, self._authenticator)
        owner = None if identity.may(Permission.MANAGE) else identity.subject
        await self._sessions.close(request.match_info["sessionId"], owner)
        return web.Response(status=204)

    async def get_of_user(self, request: web.Request) -> web.Response:
        """The sessions of a user."""
        manager = await check_manager(request, self._authenticator)
        user = await self._accounts.get_from_store(request.match_info["userId"])
        return await self._shown(manager, user.id)

    async def delete_of_user(self, request: web.Request) -> web.Response:
        """End all sessions of a user."""
        await check_manager(request, self._authenticator)
        user = await self._accounts.get_from_store(request.match_info["userId"])
        await self._sessions.close_all(user.id)
        return web.Response(status=204)

    async def put_own_password(self, request: web.Request) -> web.Response:
        """Change one's password; one's other sessions end."""
        identity = await identity_of(request, self._authenticator)
        body = body_of(await body_bytes_of(request), OwnPassword)
        user = await self._accounts.get_from_store(identity.subject)
        await self._sessions.change_password(
            user,
            None if body.current_password is UNSET else body.current_password,
            body.new_password,
            self._origin(request),
            identity.session_id,
        )
        return web.Response(status=204)

    async def put_password(self, request: web.Request) -> web.Response:
        """Give a user a password; all of the user's sessions end."""
        manager = await check_manager(request, self._authenticator)
        body = body_of(await body_bytes_of(request), GivenPassword)
        user = await self._accounts.get_from_store(request.match_info["userId"])
        await others_alone(manager, "/api/users/me/password")(user)
        await self._sessions.set_password(user, body.new_password)
        return web.Response(status=204)

    async def _shown(self, identity: Identity, user_id: str) -> web.Response:
        sessions = await self._sessions.of_user(user_id)
        views = [session.view(identity.session_id) for session in sessions]
        return json_response({"data": views, "meta": {"total": len(views)}})

    def _origin(self, request: web.Request) -> Origin:
        return origin_of(request, self._trusted_proxies)


def tokens_response(signed_in: SignedIn, status: int) -> web.Response:
    """The answer to somebody who has proved who they are."""
    tokens = Tokens(
        access_token=signed_in.access_token,
        expires_in_seconds=signed_in.expires_in_seconds,
        refresh_token=signed_in.refresh_token,
        session=signed_in.session.view(signed_in.session.id),
        user=signed_in.user.view(),
    )
    return json_response({"data": tokens}, status)
