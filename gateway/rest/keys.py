"""This module owns `/api/keys`: API keys of backends, for those who manage them."""

from __future__ import annotations

from aiohttp import web

from gateway.authentication import Authenticator
from gateway.rest.problems import json_response
from gateway.rest.requests import body_bytes_of, check_manager
from gateway.rest.users import now_ms
from gateway.users.api_keys import ApiKeys
from protocol.bodies import body_of
from protocol.keys import NewKey, Rotation


class KeysResource:
    """A key is shown when it is made or rotated, and never again."""

    def __init__(self, keys: ApiKeys, authenticator: Authenticator) -> None:
        self._keys = keys
        self._authenticator = authenticator

    async def post(self, request: web.Request) -> web.Response:
        """Make a key."""
        await check_manager(request, self._authenticator)
        key, text = await self._keys.create(body_of(await body_bytes_of(request), NewKey), now_ms())
        response = json_response({"data": key.view(text)}, 201)
        response.headers["Location"] = f"/api/keys/{key.id}"
        return response

    async def get_all(self, request: web.Request) -> web.Response:
        """Every key."""
        await check_manager(request, self._authenticator)
        views = [key.view() for key in await self._keys.all()]
        return json_response({"data": views, "meta": {"total": len(views)}})

    async def get(self, request: web.Request) -> web.Response:
        """One key."""
        await check_manager(request, self._authenticator)
        key = await self._keys.get(request.match_info["keyId"])
        return json_response({"data": key.view()})

    async def delete(self, request: web.Request) -> web.Response:
        """Revoke a key."""
        await check_manager(request, self._authenticator)
        await self._keys.revoke(request.match_info["keyId"], now_ms())
        return web.Response(status=204)

    async def rotate(self, request: web.Request) -> web.Response:
        """Give a key a new secret; the one before stays good for a while."""
        await check_manager(request, self._authenticator)
        rotation = body_of(await body_bytes_of(request), Rotation)
        key, text = await self._keys.rotate(
            request.match_info["keyId"], now_ms(), rotation.overlap_seconds * 1000
        )
        return json_response({"data": key.view(text)})
