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

import time
from collections.abc import Callable, Mapping, Sequence
from typing import Protocol

import msgspec
import structlog
from msgspec import Raw

from gateway.attendance import Attendance, Witness, member_of
from gateway.broker.contract import (
    Broker,
    Delivery,
    History,
    Interrupted,
    Publish,
    Settle,
    Snapshot,
)
from gateway.identity import Identity
from gateway.reading import Reading
from gateway.rooms import access
from gateway.rooms.membership import Membership, Peer, RoomReaders
from gateway.rooms.places import Places
from gateway.rooms.publication import (
    Draft,
    Publication,
    draft_of_event,
    draft_of_update,
    reset_of,
)
from gateway.rooms.subscription import Subscription
from gateway.settings import Settings
from protocol import bikes, events
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
    """One worker's streets. All is synchronous but `join`, `restore` and `members`."""

    def __init__(
        self, settings: Settings, broker: Broker, peers: Peers, publish: Publish | None = None
    ) -> None:
        self._settings = settings
        self._has_live_rooms = any(kind.profile == "live" for kind in settings.room_kinds)
        self._broker = broker
        self._publish = publish or broker.publish  # or what stands about it
        self._peers = peers
        self._membership = Membership()
        self._attendance = Attendance(settings, broker, self._membership)

    def witness_by(self, witness: Witness) -> None:
        """Tell somebody of all who come into rooms here, and go."""
        self._attendance.witness = witness

    async def start(self) -> None:
        """Begin to take deliveries."""
        await self._broker.start(self.deliver)

    async def stop(self) -> None:
        """Finish what was begun on behalf of peers that left, then leave the broker."""
        await self._attendance.finish()
        await self._broker.stop()

    @property
    def membership(self) -> Membership:
        """Who reads what on this worker; for the door that delivers to them."""
        return self._membership

    # ---- inbound

    def publish_update(  # noqa: PLR0913, PLR0917 - who, what, for whom, and behind what
        self,
        identity: Identity,
        update: events.BikeUpdate,
        author: str | None,
        settle: Settle,
        attachments: tuple[bytes, ...] = (),
        after: str | None = None,
    ) -> None:
        """Publish a bike-update; raises `Refused`, else `settle` is called once, now or later.

        `after` is the key of what the same identity has sent before it, and must be here first.
        """
        access.check_publish(identity, update.room_id)
        if self._has_live_rooms and self._settings.kind_of(update.room_id).profile == "live":
            bikes.check_live(update.payload, update.key)
        key = update.idempotency_key
        if key is not None:
            key = access.scoped_key(identity, key)
        accepted_us = time.time_ns() // 1000
        draft = draft_of_update(update, author, accepted_us, key, attachments)
        self._publish(draft if after is None else _behind(draft, identity, after), settle)

    def publish_event(  # noqa: PLR0913, PLR0917 - as above
        self,
        identity: Identity,
        event: events.Publish,
        author: str | None,
        settle: Settle,
        attachments: tuple[bytes, ...] = (),
        after: str | None = None,
    ) -> None:
        """Publish any other event; the same otherwise."""
        access.check_publish(identity, event.room_id)
        key = event.idempotency_key
        if key is not None:
            key = access.scoped_key(identity, key)
        data, accepted_us = bytes(event.data), time.time_ns() // 1000
        draft = draft_of_event(
            event.room_id, event.event, data, author, key, attachments, accepted_us
        )
        self._publish(draft if after is None else _behind(draft, identity, after), settle)

    async def members(self, identity: Identity, room: str) -> list[events.Member]:
        """Everybody in a room, on all workers."""
        access.check_join(identity, room)
        return await self._broker.members(room)

    async def snapshot(self, identity: Identity, room: str) -> Snapshot:
        """A room's present state, for whoever may join it."""
        access.check_join(identity, room)
        return await self._broker.snapshot(room)

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
            if subscription.arrive(publication):
                if publication.author != peer.id:
                    self._peers.send(peer, publication)
                elif isinstance(peer.trail, Places):
                    peer.trail.stand_at(publication.room, publication.cursor)
            if not subscription.is_holding:
                self._go_live_if_level(subscription)

    def _reset(self, readers: RoomReaders, reason: str) -> None:
        """Tell everybody in the room that they may have missed something."""
        notice = reset_of(readers.room, reason)
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
        async with self._attendance.gate(room, peer.id):
            self._check_join(peer, room)
            present = peer.subscriptions.get(room)
            if present is not None and since is None and not request.snapshot:
                self._tell_place(present, answer)
                return
            self._end_reading(peer, room)
            if peer.has_offsets and peer.audience is not None:
                self._peers.hand_over(peer)  # it stands alone until it has caught up
            self._check_join(peer, room)  # that may have been more than may wait for it
            subscription = self._membership.subscribe(peer, room)
            try:
                reading = await self._read(subscription, since, with_snapshot=request.snapshot)
                if peer.ticket is not None:
                    if present is None and since is None:
                        subscription.confirmed = reading.cursor
                    await peer.ticket.kept()
                self._begin(reading, reading.catch_up(), answer)
            except BaseException:
                self._end_reading(peer, room)
                self._attendance.depart([room], peer)
                raise

    def _check_join(self, peer: Peer, room: str) -> None:
        if self._membership.peers.get(peer.id) is not peer:
            raise Refused(Refusal.CONFLICT, "The peer has gone.")
        access.check_join(peer.identity, room)
        if room not in peer.subscriptions:
            access.check_room_count(peer, self._settings.rooms_per_peer_limit)

    def _tell_place(self, subscription: Subscription, answer: Answer) -> None:
        """Say where the peer stands, which may be behind the room: the rest is still to come."""
        room = subscription.room
        readers = self._membership.rooms[room]
        place = readers.cursor if subscription.is_live else subscription.place
        self._peers.hand_over(subscription.peer)
        answer(events.Joined(room, str(place)))

    async def restore(
        self, peer: Peer, places: Mapping[str, Cursor], answer: Callable[[], None]
    ) -> bool:
        """Bring a peer back into all its rooms, or into none: False when one cannot be continued.

        The peer becomes known. `answer` is called before anything is sent to the peer; then come
        the publications that it missed, room by room, then everything else. It may raise `Refused`.
        Raises `Refused` (CONFLICT) when the peer has gone meanwhile, and `BrokerUnavailable`. Where
        it does not return True, the peer is counted out of its rooms, wherever it was counted in.
        """
        self.welcome(peer)
        try:
            readings: list[Reading] = []
            for room, since in places.items():
                async with self._attendance.gate(room, peer.id):
                    self._check_join(peer, room)
                    subscription = self._membership.subscribe(peer, room)
                    subscription.confirmed = since
                    reading = await self._read(subscription, since)
                if reading.history is None:
                    self._give_up(peer, places)
                    return False
                readings.append(reading)
            missed = [reading.catch_up() for reading in readings]
            answer()
        except BaseException:
            self._give_up(peer, places)
            raise
        for reading, told in zip(readings, missed, strict=True):
            self._begin(reading, told)
        return True

    def _give_up(self, peer: Peer, places: Mapping[str, Cursor]) -> None:
        """Rooms that were not reached yet may still count what the peer was before."""
        if self._membership.peers.get(peer.id) is peer:
            self._membership.forget(peer)
            self._attendance.depart(list(places), peer)

    async def _read(
        self, subscription: Subscription, since: Cursor | None, *, with_snapshot: bool = False
    ) -> Reading:
        room, peer = subscription.room, subscription.peer
        await self._attendance.follow(room)
        history: History | None = None
        values: Raw | None = None
        if since is not None:
            history = await self._broker.history(room, since)
        if with_snapshot and history is None:
            snapshot = await self._broker.snapshot(room)
            cursor, values = snapshot.cursor, Raw(snapshot.values)
        else:
            cursor = await self._broker.cursor(room) if history is None else history.cursor
        is_new = await self._broker.enter(room, member_of(peer))
        return Reading(subscription, cursor, since, history, values, is_new)

    def _begin(
        self, reading: Reading, told: Sequence[Publication], answer: Answer | None = None
    ) -> None:
        """Answer, send what the peer has missed, and go live. Nothing is awaited from here on."""
        subscription = reading.subscription
        room, peer = subscription.room, subscription.peer
        if answer is not None:
            answer(reading.joined(len(told)))
        for publication in told:
            self._peers.send(peer, publication)
        if isinstance(peer.trail, Places):
            peer.trail.stand_at(room, subscription.place)
        self._go_live_if_level(subscription)
        if peer.ticket is not None:
            peer.ticket.note()
        if reading.is_new:
            self._attendance.announce_arrival(room, peer)

    def leave(self, peer: Peer, room: str) -> None:
        """End a peer's reading of a room; leaving a room that it is not in does nothing."""
        if self._end_reading(peer, room):
            self._attendance.depart([room], peer)

    def expel(self, peer: Peer, room: str) -> None:
        """End a peer's reading of a room by somebody else's will; it is told."""
        if room in peer.subscriptions:
            self.leave(peer, room)
            self._peers.send(peer, reset_of(room, "removed"))

    def dismiss(self, peer: Peer, goodbye: Goodbye) -> None:
        """Say goodbye to a peer and close its connection."""
        self._peers.dismiss(peer, goodbye)

    def release(self, peer: Peer) -> None:
        """Another connection goes on as this peer: it goes, and nobody is told of it."""
        peer.is_taken_over = True
        self.forget(peer)

    def forget(self, peer: Peer) -> None:
        """The peer is gone; nothing of it stays behind."""
        if self._membership.peers.get(peer.id) is peer:
            self._attendance.depart(self._membership.forget(peer), peer)

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
        if peer.ticket is not None:
            peer.ticket.note()
        return self._membership.unsubscribe(peer, room)

    def _go_live_if_level(self, subscription: Subscription) -> None:
        """Only a peer that was told no more than the others can read together with them."""
        if subscription.peer.stays_apart:
            return
        readers = self._membership.rooms.get(subscription.room)
        if readers is None or not readers.is_placed:
            return
        if subscription.is_level_with(readers.place.epoch, readers.place.offset):
            self._peers.hand_over(subscription.peer)
            if not subscription.is_over:
                self._membership.go_live(subscription)


def _behind(draft: Draft, identity: Identity, after: str) -> Draft:
    return msgspec.structs.replace(draft, after=access.scoped_key(identity, after))
