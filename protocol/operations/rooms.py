"""This module owns the rows about rooms over HTTP: what is published there and who is in them."""

from __future__ import annotations

from typing import Final

from protocol.events import Members, Published
from protocol.members import Removed, Whom
from protocol.operations.operation import (
    IDEMPOTENCY_KEY,
    Operation,
)
from protocol.publishing import Item
from protocol.refusals import Refusal

ROOMS: Final = (
    Operation(
        method="POST",
        path="/api/rooms/{roomId}/events",
        summary="Publish one event into a room, or up to 1,000 of them.",
        access="token",
        body=Item,
        may_be_many=True,
        headers=(IDEMPOTENCY_KEY,),
        answer=Published,
        refusals=(Refusal.INVALID_ROOM, Refusal.FORBIDDEN),
        limited_as="publish",
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
