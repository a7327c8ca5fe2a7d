"""This module owns who is in a room, over HTTP, and how an operator removes somebody."""

from __future__ import annotations

from aiohttp import web

from gateway.authentication import Authenticator
from gateway.hub import Hub
from gateway.removals import Removal, Removals
from gateway.rest.problems import json_response
from gateway.rest.requests import check_operator, identity_of
from gateway.users.trail import Trail
from protocol.bodies import invalid, parameters_of
from protocol.events import Members
from protocol.members import Removed, Whom
from protocol.rooms import check_room_name


class MembersResource:
    """`/api/rooms/{roomId}/members` and `/api/peers`."""

    def __init__(
        self, hub: Hub, authenticator: Authenticator, removals: Removals, trail: Trail
    ) -> None:
        self._hub = hub
        self._authenticator = authenticator
        self._removals = removals
        self._trail = trail

    async def list(self, request: web.Request) -> web.Response:
        """Everybody who is in the room, on all workers, in the order in which they came."""
        room = check_room_name(request.match_info["roomId"])
        identity = await identity_of(request, self._authenticator)
        members = await self._hub.members(identity, room)
        return json_response({"data": Members(room, members)})

    async def remove(self, request: web.Request) -> web.Response:
        """Take a peer out of a room; it stays connected, and is told."""
        await check_operator(request, self._authenticator)
        room = check_room_name(request.match_info["roomId"])
        whom = parameters_of([("peerId", request.match_info["peerId"])], Whom)
        assert whom.peer_id is not None, "the path has one"
        self._removals.order(Removal(peer_id=whom.peer_id, room=room))
        await self._trail.note("peer.removed", whom.peer_id, room=room)
        return json_response({"data": Removed(room, whom.peer_id)})

    async def dismiss(self, request: web.Request) -> web.Response:
        """End the sockets of a subject, or of one peer, with a goodbye that is for good."""
        await check_operator(request, self._authenticator)
        whom = parameters_of(request.query.items(), Whom)
        if (whom.subject is None) is (whom.peer_id is None):
            said = "Say whom: subject or peerId, one of the two."
            raise invalid({"subject": said, "peerId": said})
        self._removals.order(Removal(subject=whom.subject, peer_id=whom.peer_id))
        of = "subject" if whom.peer_id is None else "peer"
        await self._trail.note("sockets.ended", whom.peer_id or whom.subject or "", of=of)
        return json_response({"data": whom})
