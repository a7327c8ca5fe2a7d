"""This module owns who reads what on this worker: peers, rooms, and the audiences between them."""

from __future__ import annotations

from collections.abc import Callable, Collection, Hashable
from typing import TYPE_CHECKING, Protocol

from gateway.rooms.places import CURSORS, Places
from gateway.rooms.subscription import Subscription
from protocol.cursor import Cursor

if TYPE_CHECKING:
    from gateway.identity import Identity
    from gateway.rooms.places import Trail
    from gateway.rooms.publication import Publication

Write = Callable[[bytes], None]

_NOWHERE = Cursor("", 0, 0)


class Ticket(Protocol):
    """What brings a peer back into its rooms after its connection was lost, on any worker."""

    def note(self) -> None:
        """The peer's rooms have changed."""

    async def kept(self) -> None:
        """Return when its present rooms are known to whoever it may come back to; may fail."""


class Peer:
    """One connected socket in the main namespace.

    `write` takes finished frames while the peer keeps up; None sends it to the slow lane. `trail`
    is what stands behind its events; the membership sees to it.
    """

    __slots__ = (
        "audience",
        "has_cursors",
        "has_offsets",
        "id",
        "identity",
        "is_taken_over",
        "stays_apart",
        "subscriptions",
        "ticket",
        "trail",
        "write",
    )

    def __init__(self, peer_id: str, identity: Identity, write: Write | None = None) -> None:
        self.id = peer_id
        self.identity = identity
        self.write = write
        self.has_cursors = False  # whether it is told with each event where it stands in its room
        self.has_offsets = False  # whether it is told where it stands in all its rooms
        self.ticket: Ticket | None = None
        self.stays_apart = False  # whether it is sent everything by itself, in a form of its own
        self.is_taken_over = False  # whether another connection goes on as this peer
        self.subscriptions: dict[str, Subscription] = {}
        self.audience: Audience | None = None
        self.trail: Trail | None = None


class Audience:
    """Every peer that is live in exactly these rooms, and of one kind.

    A batch of publications is the same bytes for all of an audience, whatever rooms they come
    from and in the broker's order. Most peers are in one room, so most rooms have one audience.
    The kind says what stands behind each event, which is the same for all of them too. A peer with
    offsets that is still catching up in some room stands where nobody else does: its kind is the
    peer itself.

    `batch` is what has been gathered for it, each publication with its frame and what stands behind
    it; `rounds` is how many batches are still on their way.
    """

    __slots__ = (
        "_but_one",
        "_writes",
        "batch",
        "fast",
        "kind",
        "rooms",
        "rounds",
        "slow",
        "trail",
    )

    def __init__(self, rooms: frozenset[str], kind: Hashable, trail: Trail | None = None) -> None:
        self.rooms = rooms
        self.kind = kind
        self.trail = trail
        self.fast: dict[Peer, Write] = {}
        self.slow: dict[Peer, None] = {}
        self.batch: list[tuple[Publication, bytes, bytes]] = []
        self.rounds = 0
        self._writes: tuple[Write, ...] | None = None
        self._but_one: tuple[Peer, tuple[Write, ...]] | None = None

    def add(self, peer: Peer) -> None:
        """Take a peer in, in the lane that it is fit for."""
        if peer.write is None:
            self.slow[peer] = None
        else:
            self.fast[peer] = peer.write
            self._writes = self._but_one = None

    def drop(self, peer: Peer) -> None:
        """Let a peer go."""
        if self.fast.pop(peer, None) is None:
            self.slow.pop(peer, None)
        else:
            self._writes = self._but_one = None

    def writes(self) -> tuple[Write, ...]:
        """The fast peers' writes; a tuple, because a write may move its peer to the slow lane."""
        if self._writes is None:
            self._writes = tuple(self.fast.values())
        return self._writes

    def writes_but(self, author: Peer) -> tuple[Write, ...]:
        """The same without one fast peer's; kept, as many rooms have one author alone."""
        but_one = self._but_one
        if but_one is None or but_one[0] is not author:
            others = list(self.fast.values())
            others.remove(self.fast[author])
            self._but_one = but_one = (author, tuple(others))
        return but_one[1]

    @property
    def is_empty(self) -> bool:
        """Whether nobody is left."""
        return not (self.fast or self.slow)


class RoomReaders:
    """One room as this worker sees it: who is live in it, who is still catching up.

    `place` is that of the last publication that was delivered to this worker; `is_placed` is false
    until there was one, and from an interruption to the next one. `count` is how many read it.
    """

    __slots__ = ("audiences", "catching_up", "count", "is_placed", "place", "room")

    def __init__(self, room: str) -> None:
        self.room = room
        self.audiences: dict[Audience, None] = {}
        self.catching_up: dict[Peer, Subscription] = {}
        self.count = 0
        self.place: Cursor | Publication = _NOWHERE
        self.is_placed = False

    def stand_at(self, place: Cursor | Publication) -> None:
        """Everything up to there was delivered."""
        self.place = place
        self.is_placed = True

    @property
    def cursor(self) -> Cursor:
        """The place where all live peers stand."""
        return Cursor(self.place.epoch, self.place.offset, self.place.proof)


class Membership:
    """The two-way index. Leaving costs the peer's own rooms, whatever the size of the rest."""

    def __init__(self) -> None:
        self.peers: dict[str, Peer] = {}
        self.rooms: dict[str, RoomReaders] = {}
        self._audiences: dict[tuple[frozenset[str], Hashable], Audience] = {}

    @property
    def audiences(self) -> Collection[Audience]:
        """Every audience; between them they have each peer that is live in any room, once."""
        return self._audiences.values()

    def add(self, peer: Peer) -> None:
        """Know a peer."""
        self.peers[peer.id] = peer
        if peer.has_offsets:
            peer.trail = Places({}, has_cursors=peer.has_cursors)
        elif peer.has_cursors:
            peer.trail = CURSORS

    def forget(self, peer: Peer) -> list[str]:
        """Drop a peer and all its subscriptions; return the rooms it was in."""
        self._seat(peer, frozenset())
        peer.write = None  # what is still on its way to it ends here
        rooms = list(peer.subscriptions)
        for room in rooms:
            self._end(peer.subscriptions.pop(room))
        if self.peers.get(peer.id) is peer:  # and not one that came back under the same id
            del self.peers[peer.id]
        return rooms

    def subscribe(self, peer: Peer, room: str) -> Subscription:
        """Begin to read a room; what arrives is held back until `go_live`."""
        subscription = Subscription(peer, room)
        peer.subscriptions[room] = subscription
        readers = self.rooms.get(room)
        if readers is None:
            readers = self.rooms[room] = RoomReaders(room)
        readers.catching_up[peer] = subscription
        readers.count += 1
        if peer.has_offsets:
            self._seat(peer, self._rooms_of(peer))
        return subscription

    def go_live(self, subscription: Subscription) -> None:
        """From now on the peer reads the room together with all others."""
        peer, room = subscription.peer, subscription.room
        del self.rooms[room].catching_up[peer]
        subscription.is_live = True
        self._seat(peer, self._rooms_of(peer) | {room})

    def unsubscribe(self, peer: Peer, room: str) -> bool:
        """End a reading; False when there was none."""
        subscription = peer.subscriptions.pop(room, None)
        if subscription is None:
            return False
        if subscription.is_live or peer.has_offsets:
            self._seat(peer, self._rooms_of(peer) - {room})
        self._end(subscription)
        return True

    def change_lane(self, peer: Peer, write: Write | None) -> None:
        """Move a peer to the fast lane, or with None to the slow one."""
        peer.write = write
        if peer.audience is not None:
            peer.audience.drop(peer)
            peer.audience.add(peer)

    def _rooms_of(self, peer: Peer) -> frozenset[str]:
        return frozenset() if peer.audience is None else peer.audience.rooms

    def _seat(self, peer: Peer, rooms: frozenset[str]) -> None:
        self._unseat(peer)
        if isinstance(peer.trail, Places):
            peer.trail = peer.trail.among(peer.subscriptions)
        if not rooms:
            return
        kind = _kind_of(peer)
        audience = self._audiences.get((rooms, kind))
        if audience is None:
            audience = self._audiences[rooms, kind] = Audience(rooms, kind, self._trail_of(peer))
            for room in rooms:
                self.rooms[room].audiences[audience] = None
        audience.add(peer)
        peer.audience = audience
        peer.trail = audience.trail

    def _trail_of(self, peer: Peer) -> Trail | None:
        """What stands behind the events of an audience whose first peer this is."""
        if not peer.has_offsets or _is_behind(peer):
            return peer.trail
        # Live in all of them: it has been told what has been delivered here, and flushed.
        places = {room: self.rooms[room].cursor for room in peer.subscriptions}
        return Places(places, has_cursors=peer.has_cursors)

    def _unseat(self, peer: Peer) -> None:
        audience, peer.audience = peer.audience, None
        if audience is None:
            return
        audience.drop(peer)
        if audience.is_empty:
            del self._audiences[audience.rooms, audience.kind]
            for room in audience.rooms:
                del self.rooms[room].audiences[audience]

    def _end(self, subscription: Subscription) -> None:
        subscription.is_over = True
        readers = self.rooms[subscription.room]
        readers.catching_up.pop(subscription.peer, None)
        readers.count -= 1
        if not readers.audiences and not readers.catching_up:
            del self.rooms[subscription.room]


def _kind_of(peer: Peer) -> Hashable:
    if peer.has_offsets and _is_behind(peer):
        return peer
    return (peer.has_cursors, peer.has_offsets)


def _is_behind(peer: Peer) -> bool:
    return not all(subscription.is_live for subscription in peer.subscriptions.values())
