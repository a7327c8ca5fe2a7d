"""Drafts for tests, as the doors would build them."""

from __future__ import annotations

import json

from gateway.rooms.publication import Draft, Op, Publication, draft_of_event, removal_of
from protocol import codec

ROOM = "city:paris"


def update(  # noqa: PLR0913 - a draft has that many sides
    key: str,
    fields: bytes | dict[str, object] | None = None,
    *,
    room: str = ROOM,
    time_ms: int | None = None,
    author: str | None = None,
    idempotency_key: str | None = None,
) -> Draft:
    """An update of a bike; bytes are taken as they are."""
    if not isinstance(fields, bytes):
        fields = json.dumps({"vehicle_id": key, **(fields or {})}).encode()
    packet = codec.packet_of("bike-updated", fields)
    return Draft(
        room,
        "bike-updated",
        packet,
        author,
        key,
        Op.UPSERT,
        time_ms,
        idempotency_key=idempotency_key,
        names=None if b"null" in fields else tuple(json.loads(fields)),
        payload=fields,
    )


def removal(
    key: str, *, room: str = ROOM, time_ms: int | None = None, author: str | None = None
) -> Draft:
    """A removal of a bike."""
    return removal_of(room, key, "removed", author, time_ms)


def event(
    data: object = None, *, room: str = ROOM, name: str = "chat", author: str | None = None
) -> Draft:
    """An event that is about no entity."""
    return draft_of_event(room, name, json.dumps(data).encode(), author)


def publication_of(draft: Draft, offset: int, epoch: str = "epoch", proof: int = 0) -> Publication:
    """The draft as a broker would have accepted it."""
    return Publication(
        draft.room,
        epoch,
        offset,
        proof or offset,
        draft.event,
        draft.packet,
        draft.author,
        draft.key,
        draft.op,
        names=draft.names,
    )
