"""This module owns the decision whether an identity may do what it asks for."""

from __future__ import annotations

from typing import TYPE_CHECKING

from protocol.refusals import Refusal, Refused

if TYPE_CHECKING:
    from gateway.identity import Identity
    from gateway.rooms.membership import Peer
    from gateway.settings import RoomKind


def check_join(identity: Identity, room: str) -> None:
    """Raise `Refused` (FORBIDDEN) unless the identity may read the room."""
    if not identity.may_join(room):
        raise Refused(Refusal.FORBIDDEN, "This identity may not join that room.")


def check_public(kind: RoomKind) -> None:
    """Raise `Refused` (FORBIDDEN) unless rooms of the kind are for everybody."""
    if not kind.public:
        raise Refused(Refusal.FORBIDDEN, "Rooms of this kind are not public.")


def check_publish(identity: Identity, room: str) -> None:
    """Raise `Refused` (FORBIDDEN) unless the identity may publish into the room."""
    if not identity.may_publish(room):
        raise Refused(Refusal.FORBIDDEN, "This identity may not publish into that room.")


def check_room_count(peer: Peer, limit: int) -> None:
    """Raise `Refused` (TOO_MANY_ROOMS) when the peer is in as many rooms as it may be."""
    if len(peer.subscriptions) >= limit:
        raise Refused(Refusal.TOO_MANY_ROOMS, details={"limit": limit})


def scoped_key(identity: Identity, key: str) -> str:
    """An idempotency key as rooms know it: of two senders that choose the same they do not meet.

    Those without a token are one sender: who comes back on a new connection has another subject.
    """
    sender = "anonymous" if identity.is_anonymous else identity.subject
    return f"{len(sender)} {sender} {key}"
