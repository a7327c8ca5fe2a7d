"""This module owns what one slow peer has still to be sent: bounded, the newest of each bike."""

from __future__ import annotations

import collections
from typing import TYPE_CHECKING, NamedTuple

from gateway.rooms.publication import Op
from gateway.rooms.snapshot import conflated
from protocol import codec

if TYPE_CHECKING:
    from gateway.rooms.publication import Publication

# What one entry costs besides its bytes.
_ENTRY_OVERHEAD_BYTES = 200
# What may wait for a peer that asks and asks and does not read; the last one may be any size.
ANSWERS_LIMIT_BYTES = 4 * 1024 * 1024


class Waited(NamedTuple):
    """A packet on its way at last. `accepted_us` is 0 for what nobody times."""

    packet: bytes
    attachments: tuple[bytes, ...] = ()
    accepted_us: int = 0


class _Entry:
    __slots__ = ("accepted_us", "attachments", "is_answer", "key", "names", "packet", "trail")

    def __init__(
        self,
        packet: bytes,
        key: tuple[str, str] | None = None,
        trail: bytes = b"",
        attachments: tuple[bytes, ...] = (),
        accepted_us: int = 0,
    ) -> None:
        self.packet = packet
        self.key = key
        self.trail = trail
        self.attachments = attachments
        self.accepted_us = accepted_us
        self.names: tuple[str, ...] | None = None
        self.is_answer = False

    @property
    def size_bytes(self) -> int:
        attachments_bytes = sum(map(len, self.attachments))
        return len(self.packet) + len(self.trail) + attachments_bytes + _ENTRY_OVERHEAD_BYTES


class Outbox:
    """A queue of packets in which a newer update of a bike takes the place of the waiting one.

    Both are patches, so the one that goes out does what both would have done. Removals and other
    events are never replaced. What was put in order comes out in order, but for a replaced update,
    which goes out at the place of the older one.

    What stands behind an event says how far its reader has come with it: a replaced update keeps
    that of the older one, since what lies between the two is still to come.
    """

    __slots__ = (
        "_answers_bytes",
        "_entries",
        "_limit_bytes",
        "_updates",
        "conflations",
        "size_bytes",
    )

    def __init__(self, limit_bytes: int) -> None:
        self._limit_bytes = limit_bytes
        self._entries: collections.deque[_Entry] = collections.deque()
        self._updates: dict[tuple[str, str], _Entry] = {}
        self._answers_bytes = 0
        self.size_bytes = 0
        self.conflations = 0

    def __len__(self) -> int:
        return len(self._entries)

    def put(self, publication: Publication, trail: bytes = b"", *, is_timed: bool = True) -> bool:
        """Queue a publication; False when more is waiting for the peer than is allowed.

        One that takes the place of another goes out as old as it is itself: what was replaced is
        never delivered.
        """
        accepted_us = publication.accepted_us if is_timed else 0
        if publication.key is None or publication.op is Op.NONE:
            if not publication.epoch:
                self.seal()  # a notice that continuity is lost: nothing may overtake it
            return self._append(
                _Entry(publication.packet, None, trail, publication.attachments, accepted_us)
            )
        key = (publication.room, publication.key)
        if publication.op is Op.REMOVE:
            self._updates.pop(key, None)
            return self._append(_Entry(publication.packet, None, trail, (), accepted_us))
        waiting = self._updates.get(key)
        if waiting is None:
            entry = _Entry(publication.packet, key, trail, (), accepted_us)
            self._updates[key] = entry
            entry.names = publication.names
            return self._append(entry)
        waiting.accepted_us = accepted_us
        return self._replace(waiting, publication)

    def seal(self) -> None:
        """What waits now is not replaced any more: what comes next must not overtake its place.

        Needed before an answer that says where the peer stands, such as that of a join: an update
        from behind a snapshot, moved to before it, would be lost.
        """
        self._updates.clear()

    def put_packet(self, packet: bytes) -> bool:
        """Queue an answer; False when too many are waiting.

        Answers do not count as what the room has for the peer: a snapshot for one that has fallen
        behind may be larger than all that, and must not end it, or it would never get one.
        """
        if self._answers_bytes > ANSWERS_LIMIT_BYTES:
            return False
        entry = _Entry(packet)
        entry.is_answer = True
        self._entries.append(entry)
        self._answers_bytes += entry.size_bytes
        return True

    def take(self, limit_bytes: int) -> list[Waited]:
        """Remove and return what is at the front: at least one packet, and about `limit_bytes`."""
        return [
            Waited(codec.with_arguments(packet, trail), attachments, accepted_us)
            for packet, trail, attachments, accepted_us in self.take_apart(limit_bytes)
        ]

    def take_apart(self, limit_bytes: int) -> list[tuple[bytes, bytes, tuple[bytes, ...], int]]:
        """The same, but with what stands behind each packet still apart from it."""
        taken: list[tuple[bytes, bytes, tuple[bytes, ...], int]] = []
        taken_bytes = 0
        while self._entries and taken_bytes < limit_bytes:
            entry = self._entries.popleft()
            if entry.is_answer:
                self._answers_bytes -= entry.size_bytes
            else:
                self.size_bytes -= entry.size_bytes
            if entry.key is not None and self._updates.get(entry.key) is entry:
                del self._updates[entry.key]
            taken.append((entry.packet, entry.trail, entry.attachments, entry.accepted_us))
            taken_bytes += len(entry.packet) + sum(map(len, entry.attachments))
        return taken

    def _append(self, entry: _Entry) -> bool:
        self._entries.append(entry)
        self.size_bytes += entry.size_bytes
        return self.size_bytes <= self._limit_bytes

    def _replace(self, waiting: _Entry, publication: Publication) -> bool:
        packet = publication.packet
        # The reports of a bike usually have the same fields: the newer one says it all.
        if publication.names is None or publication.names != waiting.names:
            older = codec.payload_of(waiting.packet, publication.event)
            packet = codec.packet_of(publication.event, conflated(older, publication.payload))
            waiting.names = None
        self.size_bytes += len(packet) - len(waiting.packet)
        waiting.packet = packet
        self.conflations += 1
        return self.size_bytes <= self._limit_bytes
