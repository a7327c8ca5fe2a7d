"""This module owns `GET /api/rooms/{roomId}/history`: what a room was told, in pages.

A page is complete or it is refused. Whoever asks again with its cursor reads on, without hole or
repetition, also what is published meanwhile.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from aiohttp import web
from msgspec import Raw

from gateway.authentication import Authenticator
from gateway.broker.contract import Broker
from gateway.rest.problems import json_response
from gateway.rest.requests import identity_of
from gateway.rooms import access
from gateway.rooms.publication import Publication
from protocol import attachments, codec
from protocol.bodies import parameters_of
from protocol.cursor import Cursor
from protocol.histories import HistoryQuery, RoomHistory, Told
from protocol.refusals import Refusal, Refused
from protocol.rooms import check_room_name

# A page that has reached this size ends, whatever its limit.
PAGE_BYTES: Final = 1_048_576


class HistoriesResource:
    """What happened in a room; for whoever may join it."""

    def __init__(self, broker: Broker, authenticator: Authenticator) -> None:
        self._broker = broker
        self._authenticator = authenticator

    async def get(self, request: web.Request) -> web.Response:
        """The publications after a cursor; `Refused` (CURSOR_GONE) when that is not all of them."""
        identity = await identity_of(request, self._authenticator)
        room = check_room_name(request.match_info["roomId"])
        query = parameters_of(request.query.items(), HistoryQuery)
        since = Cursor.parse(query.since)
        access.check_join(identity, room)
        history = await self._broker.history(room, since)
        if history is None:
            raise Refused(Refusal.CURSOR_GONE)
        publications = _told(history.publications[: query.limit])
        has_more = len(publications) < len(history.publications)
        cursor = publications[-1].cursor if has_more else str(history.cursor)
        return json_response({"data": RoomHistory(room, publications, cursor, has_more)})


def _told(publications: Sequence[Publication]) -> list[Told]:
    """As many as fit on a page, but one at least."""
    page: list[Told] = []
    left_bytes = PAGE_BYTES
    for publication in publications:
        name, payload = codec.parts_of(publication.packet)
        data = attachments.in_text(payload, publication.attachments)
        left_bytes -= len(data)
        if left_bytes < 0 and page:
            break
        page.append(Told(name, str(publication.cursor), Raw(data)))
    return page
