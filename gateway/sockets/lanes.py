"""This module owns the last step to the peers: the fast lane that nearly all are in, the slow one.

Fast: a publication's frame is built once; frames of one short window are joined once per audience
and written once per member. The window follows the load: it is a multiple of what the last flush
took, and of the share of its frames that found another to travel with. So an idle gateway adds
nothing, nor does a busy one whose rooms are too small to gain by waiting.

Slow: a peer whose transport is full, or that polls, has an outbox; see `rooms/outbox.py`. It is
back in the fast lane as soon as the outbox is empty.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import TYPE_CHECKING, Final, cast

from gateway.rooms.outbox import Outbox
from gateway.sockets import frames, packets
from protocol import codec, events
from protocol.refusals import Goodbye

if TYPE_CHECKING:
    from gateway.metrics import Metrics
    from gateway.rooms.membership import Audience, Membership, Peer, RoomReaders, Write
    from gateway.rooms.publication import Publication
    from gateway.sockets.session import Session

WINDOW_LIMIT_SECONDS: Final = 0.008
# How long to gather, in multiples of the time that the last flush took.
WINDOW_FACTOR: Final = 2.0

# A publication, its frame, and what stands behind it.
Item = tuple["Publication", bytes, bytes]
Batch = Sequence[Item]


class Lanes:
    """Fulfils the hub's `Peers`."""

    def __init__(self, outbox_limit_bytes: int, high_water_bytes: int, metrics: Metrics) -> None:
        self._outbox_limit_bytes = outbox_limit_bytes
        self._high_water_bytes = high_water_bytes
        self._metrics = metrics
        self._membership: Membership | None = None
        self._window: list[tuple[RoomReaders, Publication]] = []
        self._flush_handle: asyncio.Handle | None = None
        self._next_flush_seconds = 0.0

    def serve(self, membership: Membership) -> None:
        """Know who reads what; called once, before the first delivery."""
        self._membership = membership

    # ---- from the hub

    def deliver(self, readers: RoomReaders, publication: Publication) -> None:
        """Gather a publication for everybody who is live in the room."""
        self._window.append((readers, publication))
        if self._flush_handle is None:
            loop = asyncio.get_running_loop()
            wait_seconds = self._next_flush_seconds - loop.time()
            if wait_seconds > 0:
                self._flush_handle = loop.call_later(wait_seconds, self.flush)
            else:
                self._flush_handle = loop.call_soon(self.flush)

    def send(self, peer: Peer, publication: Publication) -> None:
        """Send a publication to one peer."""
        session = cast("Session", peer)
        if self._window and peer.audience is not None:
            self.flush()  # what was gathered for the peer's other rooms comes first
        trail = b"" if peer.trail is None else peer.trail.after(publication)
        if session.outbox is None:
            packet = codec.with_arguments(publication.packet, trail)
            session.connection.send_event(packet, publication.attachments)
        else:
            self._put(session, [(publication, b"", trail)])

    def answer(self, session: Session, packet: bytes, *, is_place: bool = False) -> None:
        """Send an answer after all that waits; `is_place` when it says where the peer stands."""
        outbox = session.outbox
        if not outbox:
            session.connection.send_message(packet)
        else:
            if is_place:
                outbox.seal()
            if not outbox.put_packet(packet):
                self.dismiss(session, Goodbye.TOO_SLOW)

    def flush(self) -> None:
        """Write what was gathered."""
        if self._flush_handle is not None:
            self._flush_handle.cancel()
            self._flush_handle = None
        window, self._window = self._window, []
        if not window:
            return
        loop = asyncio.get_running_loop()
        started = loop.time()
        touched: list[Audience] = []
        deliveries = 0
        for readers, publication in window:
            items: dict[bytes, Item] = {}
            for audience in readers.audiences:
                if not audience.batch:
                    touched.append(audience)
                trail = b"" if audience.trail is None else audience.trail.after(publication)
                item = items.get(trail)
                if item is None:
                    item = items[trail] = _item_of(publication, trail)
                audience.batch.append(item)
            deliveries += len(readers.audiences)
        for audience in touched:
            batch, audience.batch = audience.batch, []
            self._write(audience, batch)
        ended = loop.time()
        share_joined = 1 - len(touched) / max(1, deliveries)
        self._next_flush_seconds = ended + min(
            (ended - started) * WINDOW_FACTOR * share_joined, WINDOW_LIMIT_SECONDS
        )

    def dismiss(self, peer: Peer, goodbye: Goodbye, reconnect_after_ms: int | None = None) -> None:
        """Say goodbye and close; one that may not return is told so in Socket.IO's way too."""
        session = cast("Session", peer)
        notice = events.GoodbyeNotice(goodbye.code, goodbye.reason)
        if reconnect_after_ms is not None:
            notice = events.GoodbyeNotice(goodbye.code, goodbye.reason, reconnect_after_ms)
        session.connection.send_message(codec.packet_of("goodbye", notice))
        if not goodbye.may_return:
            session.may_return = False
            session.connection.send_message(packets.disconnect_packet())
        self._metrics.note_goodbye(goodbye)
        session.connection.close()

    # ---- from the connections

    def choose(self, session: Session) -> None:
        """Put a peer into the lane that its transport is fit for."""
        assert self._membership is not None
        link = session.connection.link
        if link is None or link.is_paused:
            if session.outbox is None:
                session.outbox = Outbox(self._outbox_limit_bytes)
            self._membership.change_lane(session, None)
        else:
            self.drain(session)

    def drain(self, session: Session) -> None:
        """Send what is waiting, as far as the peer takes it; then it is fast again."""
        assert self._membership is not None
        outbox, connection = session.outbox, session.connection
        if connection.link is None:
            for packet, attachments in outbox.take(self._high_water_bytes) if outbox else ():
                connection.send_event(packet, attachments)
            return
        link = connection.link
        while outbox and not link.is_paused:
            waiting = outbox.take(self._high_water_bytes)
            link.write(b"".join([frames.event_frames(*parts) for parts in waiting]))
        if not link.is_paused and session.write is None:
            session.outbox = None
            self._membership.change_lane(session, link.transport.write)

    # ---- writing

    def _write(self, audience: Audience, batch: Batch) -> None:
        data = batch[0][1] if len(batch) == 1 else b"".join([frame for _, frame, _ in batch])
        # A write may add its peer to the slow ones; it then has the batch already.
        slow = list(audience.slow) if audience.slow else ()
        authors = self._authors_in(audience, batch)
        writes: Sequence[Write] = audience.writes()
        if authors:
            writes = [write for peer, write in audience.fast.items() if peer not in authors]
        for write in writes:
            try:
                write(data)
            except RuntimeError:
                continue  # its transport has just closed; the others are not to suffer for it
        count = len(writes)
        self._metrics.deliveries_fast += count * len(batch)
        self._metrics.bytes_sent += count * len(data)
        if len(batch) > 1:
            for peer in authors:
                self._write_to_author(peer, batch)
        for peer in slow:
            if peer not in authors:
                self._put(cast("Session", peer), batch)

    def _authors_in(self, audience: Audience, batch: Batch) -> Sequence[Peer]:
        """Peers of the audience that have part in the batch themselves."""
        assert self._membership is not None
        peers = self._membership.peers
        authors: list[Peer] = []
        for publication, _, _ in batch:
            peer = peers.get(publication.author)  # type: ignore[arg-type] # None is nobody's id
            if peer is not None and peer.audience is audience and peer not in authors:
                authors.append(peer)
        return authors

    def _write_to_author(self, peer: Peer, batch: Batch) -> None:
        others = [item for item in batch if item[0].author != peer.id]
        if not others:
            return
        if peer.write is None:
            self._put(cast("Session", peer), others)
        else:
            peer.write(b"".join([frame for _, frame, _ in others]))
            self._metrics.deliveries_fast += len(others)

    def _put(self, session: Session, batch: Batch) -> None:
        outbox = session.outbox
        if outbox is None or session.connection.closed:
            return
        for publication, _, trail in batch:
            if not outbox.put(publication, trail):
                self.dismiss(session, Goodbye.TOO_SLOW)
                return
        self._metrics.deliveries_slow += len(batch)
        pollbox = session.connection.pollbox
        if session.connection.link is None and pollbox is not None and pollbox.is_polled:
            self.drain(session)


def _item_of(publication: Publication, trail: bytes) -> Item:
    packet = codec.with_arguments(publication.packet, trail)
    if not publication.attachments:
        return publication, frames.message_frame(packet), trail
    return publication, frames.event_frames(packet, publication.attachments), trail
