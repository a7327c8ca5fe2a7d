"""This module owns what one slow peer has still to be sent: bounded, the newest of each bike."""

from __future__ import annotations

import collections
from typing import TYPE_CHECKING

from gateway.rooms.publication import Op
from gateway.rooms.snapshot import conflated
from protocol import codec

if TYPE_CHECKING:
    from gateway.rooms.publication import Publication

# What one entry costs besides its bytes.
_ENTRY_OVERHEAD_BYTES = 200


class _Entry:
    __slots__ = ("key", "packet")

    def __init__(self, key: tuple[str, str] | None, packet: bytes) -> None:
        self.key = key
        self.packet = packet

    @property
    def size_bytes(self) -> int:
        return len(self.packet) + _ENTRY_OVERHEAD_BYTES


class Outbox:
    """A queue of packets in which a newer update of a bike takes the place of the waiting one.

    Both are patches, so the one that goes out does what both would have done. Removals and other
    events are never replaced. What was put in order comes out in order, but for a replaced update,
    which goes out at the place of the older one.
    """

    __slots__ = ("_entries", "_limit_bytes", "_updates", "conflations", "size_bytes")

    def __init__(self, limit_bytes: int) -> None:
        self._limit_bytes = limit_bytes
        self._entries: collections.deque[_Entry] = collections.deque()
        self._updates: dict[tuple[str, str], _Entry] = {}
        self.size_bytes = 0
        self.conflations = 0

    def __len__(self) -> int:
        return len(self._entries)

    def put(self, publication: Publication) -> bool:
        """Queue a publication; False when the peer would have more waiting than is allowed."""
        if publication.key is None or publication.op is Op.NONE:
            return self.put_packet(publication.packet)
        key = (publication.room, publication.key)
        if publication.op is Op.REMOVE:
            self._updates.pop(key, None)
            return self.put_packet(publication.packet)
        waiting = self._updates.get(key)
        if waiting is None:
            entry = self._updates[key] = _Entry(key, publication.packet)
            return self._append(entry)
        return self._replace(waiting, publication)

    def seal(self) -> None:
        """What waits now is not replaced any more: what comes next must not overtake its place.

        Needed before an answer that says where the peer stands, such as that of a join: an update
        from behind a snapshot, moved to before it, would be lost.
        """
        self._updates.clear()

    def put_packet(self, packet: bytes) -> bool:
        """Queue something that is not to be replaced; False when that is too much."""
        return self._append(_Entry(None, packet))

    def take(self, limit_bytes: int) -> list[bytes]:
        """Remove and return the packets at the front: at least one, and about `limit_bytes`."""
        packets: list[bytes] = []
        taken_bytes = 0
        while self._entries and taken_bytes < limit_bytes:
            entry = self._entries.popleft()
            self.size_bytes -= entry.size_bytes
            if entry.key is not None and self._updates.get(entry.key) is entry:
                del self._updates[entry.key]
            packets.append(entry.packet)
            taken_bytes += len(entry.packet)
        return packets

    def _append(self, entry: _Entry) -> bool:
        self._entries.append(entry)
        self.size_bytes += entry.size_bytes
        return self.size_bytes <= self._limit_bytes

    def _replace(self, waiting: _Entry, publication: Publication) -> bool:
        older = codec.payload_of(waiting.packet, publication.event)
        self.size_bytes -= len(waiting.packet)
        waiting.packet = codec.packet_of(publication.event, conflated(older, publication.payload))
        self.size_bytes += len(waiting.packet)
        self.conflations += 1
        return self.size_bytes <= self._limit_bytes
