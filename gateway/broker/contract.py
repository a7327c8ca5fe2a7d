"""This module owns the contract of the broker, which stands between workers.

What every backend guarantees (the numbers are those of the contract suite):

1.  One order: publications of a room have offsets 1, 2, 3 ... within an epoch, and every follower
    is given them in that order, without hole or repetition, its own included.
2.  Both or neither: a draft that was settled with ACCEPTED is in the room's history and is given
    to every follower; one that was settled with `BrokerUnavailable` may be sent again under the
    same idempotency key and is accepted once.
3.  Newer wins: per key, an observation older than the last one is settled as STALE and an exact
    repeat as DUPLICATE; neither is given to anybody.
4.  `follow` returns when deliveries have begun, and the place after which they go on: whatever is
    accepted behind it will be delivered. Following twice is no fault, nor is unfollowing what was
    not followed: that also ends what a failed `follow` may have begun.
5.  `history` after a cursor is complete up to the present or it is None: trimmed, forked, another
    epoch. Never a part. Nothing that is read is older than what was delivered here before.
6.  `snapshot` is the state exactly at its cursor: each value is the merge of all its patches
    (see `rooms/snapshot.py`), in the text in which its fields came.
7.  A removed entity stays removed: an observation older than the removal does not bring it back
    for as long as the room kind's tombstones last.
8.  A loss that cannot be made good is told as `Interrupted`, in its place among the deliveries. A
    new epoch is always one: what comes before it is of the old one, what follows of the new.
9.  Members are counted by peer; entering twice is no fault, leaving unentered neither. A peer is
    counted where it entered last: a worker that it has left behind cannot count it out.
10. A room begins with whatever is asked of it, except for whether it has begun.
11. A draft with an `after` is settled with `BrokerUnavailable` for as long as the draft that has
    this idempotency key was not settled in its room; one that is a repeat is REPEATED anyway.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Protocol

import msgspec

from gateway.rooms.publication import Draft, Publication, Receipt
from protocol.cursor import Cursor
from protocol.events import Member


class BrokerUnavailable(Exception):
    """The broker cannot answer right now; trying again later is right."""

    def __init__(self, retry_after_ms: int = 1000, reason: str = "") -> None:
        super().__init__("the broker is unavailable")
        self.retry_after_ms = retry_after_ms
        self.reason = reason  # for people, and without saying where anything is


class RoomUnusable(BrokerUnavailable):
    """The broker refuses the room itself, and will until somebody mends it: trying is in vain."""


class Interrupted(msgspec.Struct, frozen=True, gc=False):
    """Deliveries of a room have a hole that cannot be filled; what follows is in order again."""

    room: str
    reason: str


class Snapshot(msgspec.Struct, frozen=True, gc=False):
    """A room's last values, as one JSON array, at a cursor."""

    cursor: Cursor
    values: bytes


class History(msgspec.Struct, frozen=True, gc=False):
    """Every publication after some cursor, in order, and the cursor after the last of them."""

    cursor: Cursor
    publications: Sequence[Publication]


Delivery = Publication | Interrupted
Deliver = Callable[[Sequence[Delivery]], None]
Settle = Callable[[Receipt | BrokerUnavailable], None]
Publish = Callable[[Draft, Settle], None]


def settle_into(future: asyncio.Future[Receipt]) -> Settle:
    """For whoever waits: the future gets the receipt, or fails with `BrokerUnavailable`."""

    def settle(receipt: Receipt | BrokerUnavailable) -> None:
        if future.done():
            return
        if isinstance(receipt, BrokerUnavailable):
            future.set_exception(receipt)
        else:
            future.set_result(receipt)

    return settle


class Broker(Protocol):
    """Publications in, deliveries out; see the guarantees above.

    Coroutines raise `BrokerUnavailable`. `publish` takes a callback instead of being one: it runs
    for every event of every socket, and a future with its callback costs more than the rest.
    """

    async def start(self, deliver: Deliver) -> None:
        """Begin; `deliver` is called from the event loop and never waits for anybody."""

    async def stop(self) -> None:
        """End; a second call does nothing."""

    def publish(self, draft: Draft, settle: Settle) -> None:
        """Accept a draft; `settle` is called exactly once, now or later."""

    async def follow(self, room: str) -> Cursor:
        """Begin deliveries of a room; return the place after which they go on."""

    async def unfollow(self, room: str) -> None:
        """End deliveries of a room."""

    async def cursor(self, room: str) -> Cursor:
        """The room's present place."""

    async def history(self, room: str, since: Cursor) -> History | None:
        """Everything after `since`; None when that cannot be known to be everything."""

    async def snapshot(self, room: str) -> Snapshot:
        """The room's last values and their place."""

    async def has_begun(self, room: str) -> bool:
        """Whether there is such a room, which does not begin by this."""

    async def enter(self, room: str, member: Member) -> bool:
        """Count a peer in; True when it was not counted before."""

    async def leave(self, room: str, peer_id: str) -> bool:
        """Count a peer out; True when it had been counted."""

    async def members(self, room: str) -> list[Member]:
        """Everybody who is in, on all workers, in the order in which they came."""

    async def ping(self) -> None:
        """Return when the broker answers; raise `BrokerUnavailable` when it does not."""
