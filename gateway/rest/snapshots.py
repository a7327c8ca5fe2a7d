"""This module owns `GET /api/rooms/{roomId}/snapshot`: a room's present state, as JSON or GeoJSON.

What the broker keeps of a snapshot, and that however many ask it is read once, is the broker's. The
tag of an answer is the room's place, so that nothing is sent to whoever has it already.
"""

from __future__ import annotations

import asyncio
from typing import Final

import msgspec
from aiohttp import web
from msgspec import Raw

from gateway.authentication import Authenticator
from gateway.broker.contract import Snapshot
from gateway.hub import Hub
from gateway.rest.requests import identity_of
from protocol import geojson
from protocol.bodies import parameters_of
from protocol.rooms import check_room_name
from protocol.snapshots import Format, RoomSnapshot, SnapshotQuery

_MEDIA_TYPES: Final[dict[Format, str]] = {
    "json": "application/json",
    "geojson": geojson.MEDIA_TYPE,
}
_NOT_MODIFIED: Final = 304
# Rewriting more than this takes so long that it is done beside the event loop.
_LONG_BYTES: Final = 262_144

_encode = msgspec.json.Encoder().encode


class SnapshotsResource:
    """What a room looks like now; for whoever may join it."""

    def __init__(self, hub: Hub, authenticator: Authenticator) -> None:
        self._hub = hub
        self._authenticator = authenticator

    async def get(self, request: web.Request) -> web.Response:
        """The last value of every bike, and the cursor at which it is so."""
        room = check_room_name(request.match_info["roomId"])
        wanted = parameters_of(request.query.items(), SnapshotQuery).format
        kind: Format = wanted or _format_accepted(request.headers.get("Accept", ""))
        identity = await identity_of(request, self._authenticator)
        snapshot = await self._hub.snapshot(identity, room)
        headers = {
            "ETag": f'"{kind}:{snapshot.cursor}"',
            # A cache may keep it for this one reader, but has to ask each time.
            "Cache-Control": "private, no-cache",
            "Vary": "Accept, Authorization",
        }
        known = request.headers.get("If-None-Match", "")
        if headers["ETag"] in known or known.strip() == "*":
            return web.Response(status=_NOT_MODIFIED, headers=headers)
        body = await _body_of(kind, room, snapshot)
        return web.Response(body=body, content_type=_MEDIA_TYPES[kind], headers=headers)


def _format_accepted(accept: str) -> Format:
    """JSON, unless GeoJSON is asked for by its name."""
    return "geojson" if geojson.MEDIA_TYPE in accept else "json"


async def _body_of(kind: Format, room: str, snapshot: Snapshot) -> bytes:
    cursor = str(snapshot.cursor)
    if kind == "json":
        return _encode({"data": RoomSnapshot(room, cursor, Raw(snapshot.values))})
    if len(snapshot.values) < _LONG_BYTES:
        return geojson.collection_of(snapshot.values)
    return await asyncio.to_thread(geojson.collection_of, snapshot.values)
