"""This module owns `GET /api/rooms/{roomId}/snapshot`: as JSON, as GeoJSON, as GBFS for the public.

What the broker keeps of a snapshot, and that however many ask it is read once, is the broker's. The
tag of an answer is the room's place, so that nothing is sent to whoever has it already.
"""

from __future__ import annotations

import asyncio
import math
import time
from typing import Final

import msgspec
from aiohttp import web
from msgspec import Raw

from gateway.authentication import Authenticator
from gateway.broker.contract import Snapshot
from gateway.hub import Hub
from gateway.rest.requests import identity_of
from gateway.rest.vehicles import PublicVehicles
from protocol import geojson
from protocol.bodies import parameters_of
from protocol.rooms import check_room_name
from protocol.snapshots import Format, RoomSnapshot, SnapshotQuery

_MEDIA_TYPES: Final[dict[Format, str]] = {
    "json": "application/json",
    "geojson": geojson.MEDIA_TYPE,
    "gbfs": "application/json",  # as the specification has it; there is no type of its own
}
_NOT_MODIFIED: Final = 304
# Rewriting more than this takes so long that it is done beside the event loop.
_LONG_BYTES: Final = 262_144

_encode = msgspec.json.Encoder().encode


class SnapshotsResource:
    """What a room looks like now; for whoever may join it, and what can be hired for everybody."""

    def __init__(self, hub: Hub, authenticator: Authenticator, vehicles: PublicVehicles) -> None:
        self._hub = hub
        self._authenticator = authenticator
        self._vehicles = vehicles

    async def get(self, request: web.Request) -> web.Response:
        """The last value of every bike, and the cursor at which it is so."""
        room = check_room_name(request.match_info["roomId"])
        wanted = parameters_of(request.query.items(), SnapshotQuery).format
        kind: Format = wanted or _format_accepted(request.headers.get("Accept", ""))
        if kind == "gbfs":
            return await self._get_public(request, room)
        identity = await identity_of(request, self._authenticator)
        snapshot = await self._hub.snapshot(identity, room)
        headers = {
            "ETag": f'"{kind}:{snapshot.cursor}"',
            # A cache may keep it for this one reader, but has to ask each time.
            "Cache-Control": "private, no-cache",
            "Vary": "Accept, Authorization",
        }
        if _is_known(request, headers["ETag"]):
            return web.Response(status=_NOT_MODIFIED, headers=headers)
        body = await _body_of(kind, room, snapshot)
        return web.Response(body=body, content_type=_MEDIA_TYPES[kind], headers=headers)

    async def _get_public(self, request: web.Request, room: str) -> web.Response:
        """What the public sees, whoever asks: any cache may keep it while it is good."""
        document = await self._vehicles.document(room)
        good_seconds = math.ceil(max(0.0, document.until_seconds - time.monotonic()))
        headers = {"ETag": document.tag, "Cache-Control": f"public, max-age={good_seconds}"}
        if _is_known(request, document.tag):
            return web.Response(status=_NOT_MODIFIED, headers=headers)
        return web.Response(body=document.body, content_type=_MEDIA_TYPES["gbfs"], headers=headers)


def _is_known(request: web.Request, tag: str) -> bool:
    """Whether the client has it; whatever compresses an answer writes its coding behind the tag.

    What tags end with, a proof or a digest, is of one length: none is the beginning of another.
    """
    known = request.headers.get("If-None-Match", "")
    return tag.removesuffix('"') in known or known.strip() == "*"


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
