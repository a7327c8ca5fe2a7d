"""This module owns who is in a room, over HTTP, and how an operator removes somebody."""

from __future__ import annotations

from typing import Final

from aiohttp import web

from gateway.authentication import Authenticator, bearer_of
from gateway.hub import Hub
from gateway.identity import Identity, Permission
from gateway.removals import Removal, Removals
from gateway.rest.problems import json_response
from protocol.refusals import Refusal, Refused
from protocol.rooms import check_room_name

_ID_LIMIT_CHARACTERS: Final = 200


class MembersResource:
    """`/api/rooms/{roomId}/members` and `/api/peers`."""

    def __init__(self, hub: Hub, authenticator: Authenticator, removals: Removals) -> None:
        self._hub = hub
        self._authenticator = authenticator
        self._removals = removals

    async def list(self, request: web.Request) -> web.Response:
        """Everybody who is in the room, on all workers, in the order in which they came."""
        room = check_room_name(request.match_info["roomId"])
        members = await self._hub.members(await self._identity_of(request), room)
        body = {"roomId": room, "members": members}
        return json_response({"data": body, "meta": {"total": len(members)}})

    async def remove(self, request: web.Request) -> web.Response:
        """Take a peer out of a room; it stays connected, and is told."""
        await self._check_operator(request)
        room = check_room_name(request.match_info["roomId"])
        peer_id = _checked(request.match_info["peerId"], "peerId")
        self._removals.order(Removal(peer_id=peer_id, room=room))
        return json_response({"data": {"roomId": room, "peerId": peer_id}})

    async def dismiss(self, request: web.Request) -> web.Response:
        """End the sockets of a subject, or of one peer, with a goodbye that is for good."""
        await self._check_operator(request)
        given = {name: _checked(value, name) for name, value in request.query.items()}
        if len(given) != 1 or not set(given) <= {"subject", "peerId"}:
            raise Refused(Refusal.MALFORMED, "Say whom: ?subject=... or ?peerId=...")
        self._removals.order(Removal(subject=given.get("subject"), peer_id=given.get("peerId")))
        return json_response({"data": given})

    async def _identity_of(self, request: web.Request) -> Identity:
        return await self._authenticator.identify(bearer_of(request.headers.get("Authorization")))

    async def _check_operator(self, request: web.Request) -> None:
        if not (await self._identity_of(request)).may(Permission.OPERATE):
            raise Refused(Refusal.FORBIDDEN, "That takes an operator.")


def _checked(value: str, name: str) -> str:
    if not 0 < len(value) <= _ID_LIMIT_CHARACTERS or not value.isprintable():
        raise Refused(Refusal.MALFORMED, f"{name} is 1 to 200 printable characters.")
    return value
