"""This module owns the URLs about proving an e-mail address: verification, a lost password."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence

from aiohttp import web

from gateway.addresses import Network, address_of
from gateway.authentication import Authenticator
from gateway.rest.problems import json_response
from gateway.rest.requests import body_bytes_of, identity_of
from gateway.users.accounts import Accounts
from gateway.users.proving import Proving
from gateway.users.user import User
from protocol.bodies import body_of
from protocol.proofs import PasswordLost, PasswordReset, Verification, VerificationView


class ProofsResource:
    """Who can read the mail of an account is its user."""

    def __init__(
        self,
        proving: Proving,
        accounts: Accounts,
        authenticator: Authenticator,
        trusted_proxies: Sequence[Network],
    ) -> None:
        self._proving = proving
        self._accounts = accounts
        self._authenticator = authenticator
        self._trusted_proxies = trusted_proxies

    async def get_own(self, request: web.Request) -> web.Response:
        """Whether one's address is verified."""
        user = await self._asking(request)
        return _response(user, await self._proving.verified_at_ms(user))

    async def post_own(self, request: web.Request) -> web.Response:
        """Have the mail sent again."""
        user = await self._asking(request)
        await self._proving.ask_verification(user, self._address(request))
        return web.Response(status=202)

    async def verify(self, request: web.Request) -> web.Response:
        """Verify an address."""
        body = body_of(await body_bytes_of(request), Verification)
        return _response(*await self._proving.verify(body.token, self._address(request)))

    async def ask_reset(self, request: web.Request) -> web.Response:
        """Have a mail sent to whoever has lost a password, if it is a user's."""
        body = body_of(await body_bytes_of(request), PasswordLost)
        await self._proving.ask_reset(body.email, self._address(request))
        return web.Response(status=202)

    async def reset(self, request: web.Request) -> web.Response:
        """Set a new password."""
        body = body_of(await body_bytes_of(request), PasswordReset)
        await self._proving.reset(body.token, body.password, self._address(request))
        return web.Response(status=204)

    async def _asking(self, request: web.Request) -> User:
        identity = await identity_of(request, self._authenticator)
        return await self._accounts.get_from_store(identity.subject)

    def _address(self, request: web.Request) -> str:
        return address_of(request, self._trusted_proxies)


def _response(user: User, verified_at_ms: int | None) -> web.Response:
    at = (
        None if verified_at_ms is None else dt.datetime.fromtimestamp(verified_at_ms / 1000, dt.UTC)
    )
    return json_response({"data": VerificationView(email=user.email, verified_at=at)})
