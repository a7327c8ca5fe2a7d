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
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, Final, cast

from gateway.reports.goodbyes import RecentGoodbyes
from gateway.rooms.outbox import Outbox, Waited
from gateway.sockets import frames, packets
from gateway.sockets.rounds import PEERS_PER_TURN, Batch, Item, Round, Rounds
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


class Lanes:
    """Fulfils the hub's `Peers`."""

    def __init__(self, outbox_limit_bytes: int, high_water_bytes: int, metrics: Metrics) -> None:
        self._outbox_limit_bytes = outbox_limit_bytes
        self._high_water_bytes = high_water_bytes
        self._metrics = metrics
        self._note_fast = metrics.delivery_seconds["fast"].note
        self._note_slow = metrics.delivery_seconds["slow"].note
        self._membership: Membership | None = None
        self._touched: list[Audience] = []  # those with a batch that has not begun to wait
        self._rounds = Rounds(self._give, self._note_written, self._go_on)
        self._flush_handle: asyncio.Handle | None = None
        self._next_flush_seconds = 0.0
        self.goodbyes = RecentGoodbyes()

    def serve(self, membership: Membership) -> None:
        """Know who reads what; called once, before the first delivery."""
        self._membership = membership

    # ---- from the hub

    def deliver(self, readers: RoomReaders, publication: Publication) -> None:
        """Gather a publication for everybody who is live in the room."""
        plain = placed = None
        for audience in readers.audiences:
            if audience.trail is None:
                item = plain = plain or _item_of(publication, b"")
            else:
                trail = audience.trail.after(publication)
                if placed is None or placed[2] != trail:
                    placed = _item_of(publication, trail)
                item = placed
            batch = audience.batch
            if not batch:
                self._touched.append(audience)
            batch.append(item)
        if self._flush_handle is None:
            self._schedule_flush()

    def _schedule_flush(self) -> None:
        loop = asyncio.get_running_loop()
        due_seconds = self._next_flush_seconds
        if due_seconds and due_seconds > loop.time():
            self._flush_handle = loop.call_at(due_seconds, self.flush)
        else:
            self._flush_handle = loop.call_soon(self.flush)

    def send(self, peer: Peer, publication: Publication) -> None:
        """Send a publication to one peer."""
        session = cast("Session", peer)
        if peer.audience is not None:
            self.hand_over(peer)  # what was gathered for the peer's other rooms comes first
        trail = b"" if peer.trail is None else peer.trail.after(publication)
        if session.outbox is None:
            packet = codec.with_arguments(publication.packet, trail)
            session.connection.send_event(packet, publication.attachments)
        else:
            # It may be news of long ago, which the peer has missed: how late it is says nothing.
            self._put(session, [(publication, b"", trail)], is_timed=False)

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

    def hand_over(self, peer: Peer) -> None:
        """Hand over what was gathered: to `peer` at once, to a crowd in the turns to come."""
        if self._touched:
            self.flush()
        if self._rounds:
            for audience in self._rounds.audiences:
                if audience.batch:
                    self._begin_round(audience)
            self._rounds.catch_up(peer)

    def flush(self) -> None:
        """Write what was gathered, and begin a round where that would take too long.

        Where one audience fails, which is a bug, the others' turn comes again.
        """
        touched = self._touched
        try:
            self._flush()
        except BaseException:
            self._touch_again(touched)
            raise

    def _flush(self) -> None:
        if self._flush_handle is not None:
            self._flush_handle.cancel()
            self._flush_handle = None
        touched, self._touched = self._touched, []
        if not touched:
            return
        started = time.perf_counter()
        left = PEERS_PER_TURN
        batches = gathered = 0  # publications for several audiences are counted for each
        for audience in touched:
            if not audience.batch:
                continue  # a round has begun, and ended, with it since
            batches += 1
            gathered += len(audience.batch)
            if audience.rounds:
                continue  # it gathers what comes until they are over
            size = len(audience.fast) + len(audience.slow)
            if size <= left:
                left -= size
                self._write(audience)
            else:
                self._begin_round(audience)
        if gathered == batches:  # none found another to travel with
            self._next_flush_seconds = 0.0
            return
        spent_seconds = time.perf_counter() - started
        share_joined = 1 - batches / gathered
        wait_seconds = min(spent_seconds * WINDOW_FACTOR * share_joined, WINDOW_LIMIT_SECONDS)
        self._next_flush_seconds = asyncio.get_running_loop().time() + wait_seconds

    def _touch_again(self, touched: Sequence[Audience]) -> None:
        """`deliver` names an audience once, with its first of a batch; so the rest stays named."""
        left = [audience for audience in touched if audience.batch and not audience.rounds]
        self._touched = list(dict.fromkeys((*left, *self._touched)))
        if self._touched and self._flush_handle is None:
            self._schedule_flush()

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
        self.goodbyes.note(goodbye, peer.identity.subject)
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
            if outbox:
                waited = outbox.take(self._high_water_bytes)
                for packet, attachments, _ in waited:
                    connection.send_event(packet, attachments)
                self._note_waited(waited)
            return
        link = connection.link
        while outbox and not link.is_paused:
            waited = outbox.take(self._high_water_bytes)
            link.write(b"".join([frames.event_frames(*parts[:2]) for parts in waited]))
            self._note_waited(waited)
        if not link.is_paused and session.write is None:
            session.outbox = None
            self._membership.change_lane(session, link.transport.write)

    # ---- writing

    def _write(self, audience: Audience) -> None:
        """Write an audience's batch to all its peers, each without its own."""
        batch, audience.batch = audience.batch, []
        authors = {item[0].author for item in batch}
        if len(authors) > 1 or audience.slow:
            self._write_with_care(audience, batch)
            return
        # Nobody is slow, and all is from one author: what nearly all writing in small rooms is.
        author = self._membership.peers.get(authors.pop())  # type: ignore[union-attr, arg-type] # None is nobody's id
        if author is None or author.audience is not audience:
            writes = audience.writes()
        else:
            writes = audience.writes_but(author)
        self._write_all(writes, batch[0][1] if len(batch) == 1 else _joined(batch), batch)

    def _write_with_care(self, audience: Audience, batch: Batch) -> None:
        # A write may add its peer to the slow ones; it then has the batch already.
        slow = list(audience.slow)
        authors = self._authors_in(audience, batch)
        writes: Sequence[Write] = audience.writes()
        if authors:
            writes = [write for peer, write in audience.fast.items() if peer not in authors]
        self._write_all(writes, _joined(batch), batch)
        if len(batch) > 1:
            for peer in authors:
                self._give_to_author(peer, batch)
        for peer in slow:
            if peer not in authors:
                self._put(cast("Session", peer), batch)

    def _write_all(self, writes: Sequence[Write], data: bytes, batch: Batch) -> None:
        for write in writes:
            try:
                write(data)
            except RuntimeError:
                continue  # its transport has just closed; the others are not to suffer for it
        self._note_written(len(writes), batch, data)

    def _note_written(self, peers: int, batch: Batch, data: bytes) -> None:
        """Count a batch that so many peers have, all at once: what that costs is not theirs."""
        if not peers:
            return
        metrics = self._metrics
        metrics.deliveries_fast += peers * len(batch)
        metrics.bytes_sent += peers * len(data)
        now_us = time.time_ns() // 1000
        for publication, _, _ in batch:
            if accepted_us := publication.accepted_us:
                self._note_fast(now_us - accepted_us, peers)

    def _note_waited(self, waited: Sequence[Waited]) -> None:
        now_us = time.time_ns() // 1000
        for _, _, accepted_us in waited:
            if accepted_us:
                self._note_slow(now_us - accepted_us)

    def _begin_round(self, audience: Audience) -> None:
        """Let an audience's batch go out bit by bit; its authors have the rest of it first."""
        batch, audience.batch = audience.batch, []
        authors = self._authors_in(audience, batch)
        for peer in authors:
            self._rounds.catch_up(peer)
            self._give_to_author(peer, batch)
        self._rounds.begin(Round(audience, batch, _joined(batch), authors))

    def _give(self, peer: Peer, batch: Batch, data: bytes) -> bool:
        """Hand one peer a batch, whose frames are `data`; False when it is not written now."""
        if peer.write is None:
            self._put(cast("Session", peer), batch)
            return False
        try:
            peer.write(data)
        except RuntimeError:
            return False  # as in `_write_all`
        return True

    def _go_on(self, audience: Audience) -> None:
        """The rounds of an audience are over; what has gathered meanwhile may follow."""
        if audience.batch:
            self._begin_round(audience)

    def _authors_in(self, audience: Audience, batch: Batch) -> Sequence[Peer]:
        """Peers of the audience that have part in the batch themselves."""
        assert self._membership is not None
        peers = self._membership.peers
        authors: list[Peer] = []
        for author in {item[0].author for item in batch}:
            peer = peers.get(author)  # type: ignore[arg-type] # None is nobody's id
            if peer is not None and peer.audience is audience:
                authors.append(peer)
        return authors

    def _give_to_author(self, peer: Peer, batch: Batch) -> None:
        others = [item for item in batch if item[0].author != peer.id]
        if others:
            data = _joined(others)
            if self._give(peer, others, data):
                self._note_written(1, others, data)

    def _put(self, session: Session, batch: Batch, *, is_timed: bool = True) -> None:
        outbox = session.outbox
        if outbox is None or session.connection.closed:
            return
        for publication, _, trail in batch:
            if not outbox.put(publication, trail, is_timed=is_timed):
                self.dismiss(session, Goodbye.TOO_SLOW)
                return
        self._metrics.deliveries_slow += len(batch)
        pollbox = session.connection.pollbox
        if session.connection.link is None and pollbox is not None and pollbox.is_polled:
            self.drain(session)


def _joined(batch: Batch) -> bytes:
    return b"".join([frame for _, frame, _ in batch])


def _item_of(publication: Publication, trail: bytes) -> Item:
    packet = publication.packet if not trail else codec.with_arguments(publication.packet, trail)
    if not publication.attachments:
        return publication, frames.message_frame(packet), trail
    return publication, frames.event_frames(packet, publication.attachments), trail
