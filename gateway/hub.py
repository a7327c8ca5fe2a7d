"""This module owns the two one-way streets, which meet only in the broker.

    inbound    a door -> may it? -> broker.publish -> cursor -> the door answers (sends to no peer)
    outbound   the broker's deliveries -> who has not read it -> the peers       (publishes nothing)

A peer on the same worker is reached by the same road as a peer on another one: one order for all,
and one code path. A late joiner walks the outbound street from the other side: its subscription
holds back what arrives, the worker follows the room, the snapshot or the history is read, and
`catch_up` splices the two by cursor. From the answer to the moment it is live nothing is awaited,
so nothing can come in between.
"""

from __future__ import annotations

import asyncio
import time
import weakref
from collections.abc import Callable, Coroutine, Sequence
from typing import Any, Protocol

import structlog
from msgspec import UNSET, Raw

from gateway.broker.contract import (
    Broker,
    BrokerUnavailable,
    Delivery,
    History,
    Interrupted,
    Settle,
)
from gateway.identity import Identity
from gateway.rooms import access
from gateway.rooms.membership import Membership, Peer, RoomReaders
from gateway.rooms.publication import (
    Publication,
    Receipt,
    draft_of_event,
    draft_of_update,
)
from gateway.rooms.subscription import Subscription
from gateway.settings import Settings
from protocol import bikes, codec, events
from protocol.cursor import Cursor
from protocol.refusals import Goodbye, Refusal, Refused

logger = structlog.get_logger(__name__)

Answer = Callable[[events.Joined], None]


class Peers(Protocol):
    """What the hub needs of the door at which the peers are."""

    def deliver(self, readers: RoomReaders, publication: Publication) -> None:
        """Send to everybody who is live in the room, but not to the author."""

    def send(self, peer: Peer, publication: Publication) -> None:
        """Send to one peer, after all that it was sent before."""

    def hand_over(self, peer: Peer) -> None:
        """Hand over what `deliver` has gathered: later changes of membership do not concern it.

        The others may get it later, the peer has it at once.
        """

    def dismiss(self, peer: Peer, goodbye: Goodbye) -> None:
        """Say goodbye and close."""


class Hub:
    """One worker's streets. Everything but `join` and `members` is synchronous."""

    def __init__(self, settings: Settings, broker: Broker, peers: Peers) -> None:
        self._settings = settings
        self._broker = broker
        self._peers = peers
        self._membership = Membership()
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
        self._chores: set[asyncio.Task[None]] = set()

    async def start(self) -> None:
        """Begin to take deliveries."""
        await self._broker.start(self.deliver)

    async def stop(self) -> None:
        """Finish what was begun on behalf of peers that left, then leave the broker."""
        while self._chores:
            await asyncio.wait(self._chores)
        await self._broker.stop()

    @property
    def membership(self) -> Membership:
        """Who reads what on this worker; for the door that delivers to them."""
        return self._membership

    # ---- inbound

    def publish_update(
        self,
        identity: Identity,
        update: events.BikeUpdate,
        author: str | None,
        settle: Settle,
        attachments: tuple[bytes, ...] = (),
    ) -> None:
        """Publish a bike-update; raises `Refused`, else `settle` is called once, now or later."""
        access.check_publish(identity, update.room_id)
        if self._settings.kind_of(update.room_id).profile == "live":
            bikes.check_live(update.payload, update.key)
        key = _scoped(update.idempotency_key, identity)
        now_ms = time.time_ns() // 1_000_000
        draft = draft_of_update(update, author, now_ms, key, attachments)
        self._broker.publish(draft, settle)

    def publish_event(
        self,
        identity: Identity,
        event: events.Publish,
        author: str | None,
        settle: Settle,
        attachments: tuple[bytes, ...] = (),
    ) -> None:
        """Publish any other event; raises `Refused`, else `settle` is called once."""
        access.check_publish(identity, event.room_id)
        key = _scoped(event.idempotency_key, identity)
        data = bytes(event.data)
        draft = draft_of_event(event.room_id, event.event, data, author, key, attachments)
        self._broker.publish(draft, settle)

    async def members(self, identity: Identity, room: str) -> list[events.Member]:
        """Everybody in a room, on all workers."""
        access.check_join(identity, room)
        return await self._broker.members(room)

    # ---- outbound

    def deliver(self, deliveries: Sequence[Delivery]) -> None:
        """Pass the broker's deliveries on to whoever has not read them."""
        rooms = self._membership.rooms
        for delivery in deliveries:
            readers = rooms.get(delivery.room)
            if readers is None:
                continue  # the last reader has just left
            if isinstance(delivery, Interrupted):
                self._reset(readers, delivery.reason)
                continue
            readers.place, readers.is_placed = delivery, True
            self._peers.deliver(readers, delivery)
            if readers.catching_up:
                self._deliver_individually(readers, delivery)

    def _deliver_individually(self, readers: RoomReaders, publication: Publication) -> None:
        for peer, subscription in tuple(readers.catching_up.items()):
            if subscription.is_over:
                continue  # sending to somebody before it was what ended it
            if subscription.arrive(publication) and publication.author != peer.id:
                self._peers.send(peer, publication)
            if not subscription.is_holding:
                self._go_live_if_level(subscription)

    def _reset(self, readers: RoomReaders, reason: str) -> None:
        """Tell everybody in the room that they may have missed something."""
        body = events.RoomReset(readers.room, reason)
        packet = codec.packet_of("room-reset", body)
        notice = Publication(readers.room, "", 0, 0, "room-reset", packet)  # it has no place
        readers.is_placed = False
        self._peers.deliver(readers, notice)
        for peer, subscription in tuple(readers.catching_up.items()):
            if subscription.interrupt(notice) and not subscription.is_over:
                self._peers.send(peer, notice)

    # ---- coming and going

    def welcome(self, peer: Peer) -> None:
        """Know a peer from now on."""
        self._membership.add(peer)

    async def join(self, peer: Peer, request: events.JoinRoom, answer: Answer) -> None:
        """Let a peer into a room.

        `answer` is called before anything of the room is sent to the peer; then come the
        publications that it missed, then everything else. Joining again starts the reading anew
        when `since` or `snapshot` is given, and is no more than a question otherwise. Raises
        `Refused` or `BrokerUnavailable`; once the broker was asked, the peer is not in the room.
        """
        room = request.room_id
        since = None if request.since is None else Cursor.parse(request.since)
        async with self._gate(room, peer.id):
            self._check_join(peer, room)
            present = peer.subscriptions.get(room)
            if present is not None and since is None and not request.snapshot:
                self._tell_place(present, answer)
                return
            self._end_reading(peer, room)
            subscription = self._membership.subscribe(peer, room)
            try:
                await self._read_in(subscription, since, answer, with_snapshot=request.snapshot)
            except BaseException:
                self._end_reading(peer, room)
                self._depart([room], peer)
                raise

    def _check_join(self, peer: Peer, room: str) -> None:
        if self._membership.peers.get(peer.id) is not peer:
            raise Refused(Refusal.CONFLICT, "The peer has gone.")
        access.check_join(peer.identity, room)
        if room not in peer.subscriptions:
            access.check_room_count(peer, self._settings.rooms_per_peer_limit)

    def _tell_place(self, subscription: Subscription, answer: Answer) -> None:
        """Say where the peer stands, which may be behind the room: the rest is still to come."""
        self._peers.hand_over(subscription.peer)
        room = subscription.room
        readers = self._membership.rooms[room]
        answer(
            events.Joined(room, str(readers.cursor if subscription.is_live else subscription.place))
        )

    async def _read_in(
        self,
        subscription: Subscription,
        since: Cursor | None,
        answer: Answer,
        *,
        with_snapshot: bool,
    ) -> None:
        room, peer = subscription.room, subscription.peer
        await self._follow(room)
        history: History | None = None
        values: Raw | None = None
        if since is not None:
            history = await self._broker.history(room, since)
        if with_snapshot and history is None:
            snapshot = await self._broker.snapshot(room)
            cursor, values = snapshot.cursor, Raw(snapshot.values)
        else:
            cursor = await self._broker.cursor(room) if history is None else history.cursor
        is_new = await self._broker.enter(room, _member_of(peer))
        if subscription.is_over:
            raise Refused(Refusal.CONFLICT, "The room was left before the join was done.")
        missed = [] if history is None else history.publications
        told = [
            publication
            for publication in subscription.catch_up(cursor, missed)
            if publication.author != peer.id
        ]
        answer(
            events.Joined(
                room,
                str(cursor),
                UNSET if since is None else history is not None,
                UNSET if since is None else len(told),
                UNSET if values is None else values,
            )
        )
        for publication in told:
            self._peers.send(peer, publication)
        self._go_live_if_level(subscription)
        if is_new:
            self._announce("member-joined", events.MemberJoined, room, peer)

    def leave(self, peer: Peer, room: str) -> None:
        """End a peer's reading of a room; leaving a room that it is not in does nothing."""
        if self._end_reading(peer, room):
            self._depart([room], peer)

    def forget(self, peer: Peer) -> None:
        """The peer is gone; nothing of it stays behind."""
        if self._membership.peers.get(peer.id) is peer:
            self._depart(self._membership.forget(peer), peer)

    def reauthenticate(self, peer: Peer, identity: Identity) -> list[str]:
        """Give a peer a new identity; return the rooms that it had to leave for it."""
        peer.identity = identity
        lost = [room for room in peer.subscriptions if not identity.may_join(room)]
        for room in lost:
            self.leave(peer, room)
        return lost

    def _end_reading(self, peer: Peer, room: str) -> bool:
        if room not in peer.subscriptions:
            return False
        self._peers.hand_over(peer)  # what happened until now is still the peer's to know
        return self._membership.unsubscribe(peer, room)

    def _go_live_if_level(self, subscription: Subscription) -> None:
        """Only a peer that was told no more than the others can read together with them."""
        readers = self._membership.rooms.get(subscription.room)
        if readers is None or not readers.is_placed:
            return
        if subscription.is_level_with(readers.place.epoch, readers.place.offset):
            self._peers.hand_over(subscription.peer)
            if not subscription.is_over:
                self._membership.go_live(subscription)

    def _gate(self, *key: str) -> asyncio.Lock:
        return self._gates.setdefault(key, asyncio.Lock())

    async def _follow(self, room: str) -> None:
        if room in self._followed:
            return
        async with self._gate(room):
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
        async with self._gate(room):
            is_followed = room in self._followed or room in self._doubtful
            if room in self._membership.rooms or not is_followed:
                return
            self._followed.discard(room)
            self._doubtful.add(room)
            await self._broker.unfollow(room)
            self._doubtful.discard(room)

    def _depart(self, rooms: Sequence[str], peer: Peer) -> None:
        """See to what a departure means to others; thousands at once are one chore."""
        is_idle = not self._departures
        self._departures.extend((room, peer) for room in rooms)
        if is_idle and self._departures:
            self._start_chore(self._see_off())

    async def _see_off(self) -> None:
        while self._departures:
            departures, self._departures = self._departures, []
            for count, (room, peer) in enumerate(departures):
                try:
                    await self._see_one_off(room, peer)
                except BrokerUnavailable:
                    # It forgets the members and followings of a worker that is away by itself.
                    logger.warning("! departure not told to the broker", room=room, peer=peer.id)
                except Exception:
                    logger.exception("! departure failed", room=room, peer=peer.id)
                if count % 100 == 99:  # noqa: PLR2004 - the loop is free for others in between
                    await asyncio.sleep(0)

    async def _see_one_off(self, room: str, peer: Peer) -> None:
        try:
            async with self._gate(room, peer.id):
                present = self._membership.peers.get(peer.id)
                if present is not None and room in present.subscriptions:
                    return  # it has come back already
                if await self._broker.leave(room, peer.id):
                    self._announce("member-left", events.MemberLeft, room, peer)
        finally:
            if room not in self._membership.rooms:
                await self._unfollow(room)

    def _announce(
        self,
        name: str,
        kind: type[events.MemberJoined | events.MemberLeft],
        room: str,
        peer: Peer,
    ) -> None:
        if self._settings.kind_of(room).presence:
            body = kind(room, _member_of(peer))
            self._broker.publish(draft_of_event(room, name, body, peer.id), _unanswered)

    def _start_chore(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._chores.add(task)
        task.add_done_callback(self._chores.discard)


def _unanswered(receipt: Receipt | BrokerUnavailable) -> None:
    if isinstance(receipt, BrokerUnavailable):
        logger.warning("! member event lost, the broker is unavailable")


def _member_of(peer: Peer) -> events.Member:
    return events.Member(peer.id, peer.identity.subject)


def _scoped(key: str | None, identity: Identity) -> str | None:
    """Two senders that happen to choose the same idempotency key do not meet."""
    return None if key is None else f"{len(identity.subject)} {identity.subject} {key}"
