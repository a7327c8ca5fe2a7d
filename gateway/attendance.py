"""This module owns one worker's attendance in rooms: which it follows, who is counted in and out.

A room is followed while anybody on this worker is in it. Who leaves is seen off later, behind all
that was asked for before, and not at all when it has come back by then.
"""

from __future__ import annotations

import asyncio
import weakref
from collections.abc import Callable, Sequence
from typing import Final, Literal

import structlog

from gateway.broker.contract import Broker, BrokerUnavailable
from gateway.rooms.membership import Membership, Peer
from gateway.rooms.publication import Receipt, draft_of_event
from gateway.settings import Settings
from protocol import events

logger = structlog.get_logger(__name__)

# One round trip to the broker for so many; and the loop is free for others after them.
_DEPARTURES_AT_ONCE: Final = 100


# Told of each member that came into a room, or went out of it; it takes no time and no offence.
Witness = Callable[[Literal["peer.joined", "peer.left"], str, events.Member], None]


def nobody(_name: str, _room: str, _member: events.Member) -> None:
    """No witness."""


class Attendance:
    """What the broker is told of this worker's rooms and peers."""

    def __init__(self, settings: Settings, broker: Broker, membership: Membership) -> None:
        self._settings = settings
        self._broker = broker
        self._membership = membership
        self.witness: Witness = nobody
        self._followed: set[str] = set()
        # Rooms of which the broker may have begun deliveries, or not have ended them.
        self._doubtful: set[str] = set()
        # Locks that live for as long as somebody holds or awaits them. Of a room: follow and
        # unfollow never overlap. Of a room and a peer: neither do two joins, nor a join with what
        # is left to do of a departure. Who holds one of the second kind may await one of the first.
        self._gates: weakref.WeakValueDictionary[tuple[str, ...], asyncio.Lock] = (
            weakref.WeakValueDictionary()
        )
        self._departures: list[tuple[str, Peer]] = []
        self._seeing_off: asyncio.Task[None] | None = None

    async def finish(self) -> None:
        """Finish what was begun on behalf of peers that left."""
        while self._seeing_off is not None:
            await asyncio.wait([self._seeing_off])

    def gate(self, *key: str) -> asyncio.Lock:
        """The lock of a room, or of a room and a peer by its id."""
        return self._gates.setdefault(key, asyncio.Lock())

    async def follow(self, room: str) -> None:
        """Follow a room, and return when deliveries have begun. Raises `BrokerUnavailable`."""
        if room in self._followed:
            return
        async with self.gate(room):
            if room in self._followed:
                return
            self._doubtful.add(room)
            cursor = await self._broker.follow(room)
            self._doubtful.discard(room)
            self._followed.add(room)
            readers = self._membership.rooms.get(room)
            if readers is not None and not readers.place.epoch:
                readers.stand_at(cursor)

    async def _unfollow(self, room: str) -> None:
        async with self.gate(room):
            is_followed = room in self._followed or room in self._doubtful
            if room in self._membership.rooms or not is_followed:
                return
            self._followed.discard(room)
            self._doubtful.add(room)
            await self._broker.unfollow(room)
            self._doubtful.discard(room)

    def depart(self, rooms: Sequence[str], peer: Peer) -> None:
        """See to what a departure means to others; thousands at once are one chore."""
        self._departures.extend((room, peer) for room in rooms)
        if self._departures and self._seeing_off is None:
            self._seeing_off = asyncio.create_task(self._see_off())

    async def _see_off(self) -> None:
        try:
            await self._see_all_off()
        finally:
            self._seeing_off = None

    async def _see_all_off(self) -> None:
        while self._departures:
            departures, self._departures = self._departures, []
            for start in range(0, len(departures), _DEPARTURES_AT_ONCE):
                some = departures[start : start + _DEPARTURES_AT_ONCE]
                failures = await asyncio.gather(
                    *(self._see_one_off(room, peer) for room, peer in some), return_exceptions=True
                )
                _report([failure for failure in failures if failure is not None])

    async def _see_one_off(self, room: str, peer: Peer) -> None:
        try:
            async with self.gate(room, peer.id):
                present = self._membership.peers.get(peer.id)
                if present is not None and (peer.is_taken_over or room in present.subscriptions):
                    return  # it has come back already, or is about to
                # One that goes on at another worker is counted there, and only forgotten here.
                if await self._broker.leave(room, peer.id):
                    self._announce("member-left", events.MemberLeft, room, peer)
                    self.witness("peer.left", room, member_of(peer))
        finally:
            if room not in self._membership.rooms:
                await self._unfollow(room)

    def announce_arrival(self, room: str, peer: Peer) -> None:
        """Tell the others of a peer that came in, where they are to hear of it."""
        self._announce("member-joined", events.MemberJoined, room, peer)
        self.witness("peer.joined", room, member_of(peer))

    def _announce(
        self,
        name: str,
        kind: type[events.MemberJoined | events.MemberLeft],
        room: str,
        peer: Peer,
    ) -> None:
        if self._settings.kind_of(room).presence:
            body = kind(room, member_of(peer))
            self._broker.publish(draft_of_event(room, name, body, peer.id), _unanswered)


def _report(failures: Sequence[BaseException]) -> None:
    # The broker forgets the members and followings of a worker that is away by itself.
    untold = sum(isinstance(failure, BrokerUnavailable) for failure in failures)
    if untold:
        logger.warning("! departures not told to the broker", count=untold)
    for failure in failures:
        if not isinstance(failure, BrokerUnavailable):
            logger.error("! departure failed", exc_info=failure)


def _unanswered(receipt: Receipt | BrokerUnavailable) -> None:
    if isinstance(receipt, BrokerUnavailable):
        logger.warning("! member event lost, the broker is unavailable")


def member_of(peer: Peer) -> events.Member:
    """A peer, as others see it."""
    return events.Member(peer.id, peer.identity.subject)
