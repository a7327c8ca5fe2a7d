"""This module owns the rows about rooms over HTTP: what is published there and who is in them."""

from __future__ import annotations

from typing import Final

from protocol import cloudevents
from protocol.events import Members, Published
from protocol.histories import HistoryQuery, RoomHistory
from protocol.members import Removed, Whom
from protocol.operations.operation import (
    EVENT_STREAM,
    GEOJSON,
    IDEMPOTENCY_KEY,
    IF_NONE_MATCH,
    JSON,
    LAST_EVENT_ID,
    Operation,
    OtherBody,
)
from protocol.publishing import ITEMS_LIMIT, Item
from protocol.refusals import Refusal
from protocol.snapshots import RoomSnapshot, SnapshotQuery
from protocol.streams import NewTicket, StreamQuery

ROOMS: Final = (
    Operation(
        method="POST",
        path="/api/rooms/{roomId}/events",
        summary="Publish one event into a room, or up to 1,000 of them.",
        access="token",
        body=Item,
        other_bodies=(
            OtherBody(cloudevents.STRUCTURED, cloudevents.CloudEvent),
            OtherBody(cloudevents.BATCH, cloudevents.CloudEvent, ITEMS_LIMIT),
        ),
        items_most=ITEMS_LIMIT,
        headers=(IDEMPOTENCY_KEY,),
        answer=Published,
        refusals=(
            Refusal.INVALID_ROOM,
            Refusal.RESERVED_EVENT,
            Refusal.FORBIDDEN,
        ),
        limited_as="publish",
    ),
    Operation(
        method="GET",
        path="/api/rooms/{roomId}/events",
        summary="Read a room as Server-Sent Events: what was missed first, then what happens.",
        access="token",
        parameters=StreamQuery,
        headers=(LAST_EVENT_ID,),
        media_types=(EVENT_STREAM,),
        refusals=(Refusal.INVALID_ROOM, Refusal.INVALID_CURSOR),
    ),
    Operation(
        method="GET",
        path="/api/rooms/{roomId}/snapshot",
        summary="A room's present state, as JSON or GeoJSON; a public one also as GBFS.",
        access="token",
        is_partly_open=True,
        other_answer="GBFS 3.0 `vehicle_status`",
        parameters=SnapshotQuery,
        headers=(IF_NONE_MATCH,),
        answer=RoomSnapshot,
        media_types=(JSON, GEOJSON),
        refusals=(Refusal.INVALID_ROOM,),
    ),
    Operation(
        method="GET",
        path="/api/rooms/{roomId}/history",
        summary="What a room was told after a cursor, in pages.",
        access="token",
        parameters=HistoryQuery,
        answer=RoomHistory,
        refusals=(Refusal.INVALID_ROOM, Refusal.INVALID_CURSOR, Refusal.CURSOR_GONE),
    ),
    Operation(
        method="POST",
        path="/api/tickets",
        summary="Trade a token for a ticket, which opens one stream without a header, once.",
        access="token",
        status=201,
        answer=NewTicket,
    ),
    Operation(
        method="GET",
        path="/api/rooms/{roomId}/members",
        summary="Everybody who is in a room, on all workers, in the order in which they came.",
        access="token",
        answer=Members,
        refusals=(Refusal.INVALID_ROOM,),
    ),
    Operation(
        method="DELETE",
        path="/api/rooms/{roomId}/members/{peerId}",
        summary="Take a peer out of a room, wherever it is connected; it stays connected.",
        access="operator",
        answer=Removed,
        refusals=(Refusal.INVALID_ROOM, Refusal.INVALID),
    ),
    Operation(
        method="DELETE",
        path="/api/peers",
        summary="End all sockets of a subject, or one, with a goodbye that is for good.",
        access="operator",
        parameters=Whom,
        answer=Whom,
    ),
)
