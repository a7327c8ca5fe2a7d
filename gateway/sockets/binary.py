"""This module owns an event with binary attachments while they are still coming in."""

from __future__ import annotations

from typing import Final

from gateway.sockets import packets
from gateway.sockets.packets import PacketInvalid
from protocol import codec, events
from protocol.refusals import Refusal, Refused

INCOMPLETE_LIMIT_SECONDS: Final = 10.0  # for the attachments that were announced
ATTACHMENTS_LIMIT_BYTES: Final = 65_536  # of one event, together


class BinaryEvent:
    """A packet that announced attachments, and those that have come."""

    __slots__ = ("_due", "_packet", "_refused", "_size_bytes", "attachments")

    def __init__(self, packet: packets.Packet, refused: Refused | None = None) -> None:
        self._packet = packet
        self._due = packet.attachments
        self._refused = refused
        self._size_bytes = 0
        self.attachments: list[bytes] = []

    @property
    def ack_id(self) -> bytes:
        """Where the answer goes, if one is wanted."""
        return self._packet.ack_id or b""

    @property
    def is_whole(self) -> bool:
        """Whether everything that was announced has come."""
        return not self._due

    def add(self, data: bytes, refused: Refused | None = None) -> None:
        """Take the next attachment; what is too much or `refused` is counted off and not kept."""
        self._due -= 1
        self._size_bytes += len(data)
        self._refused = self._refused or refused
        if self._size_bytes <= ATTACHMENTS_LIMIT_BYTES and self._refused is None:
            self.attachments.append(data)

    def event(self) -> events.BikeUpdate | events.Publish:
        """The whole event; an update with attachments is nobody's state, and replaces none.

        Raises `Refused` when it was refused on the way, is too large, names what did not come, or
        is of the kind that takes no attachments.
        """
        if self._refused is not None:
            raise self._refused
        if self._size_bytes > ATTACHMENTS_LIMIT_BYTES:
            raise Refused(Refusal.TOO_LARGE, details={"limitBytes": ATTACHMENTS_LIMIT_BYTES})
        event = packets.main_event_of(b"2" + self.ack_id + self._packet.data)
        if event is None:
            raise PacketInvalid
        for argument in event.arguments:
            codec.check_placeholders(argument, len(self.attachments))
        decoded = codec.decode(event.name, event.arguments)
        if isinstance(decoded, events.BikeUpdate):
            key = decoded.idempotency_key
            return events.BikeUpdate(decoded.room_id, decoded.payload, idempotency_key=key)
        if isinstance(decoded, events.Publish):
            return decoded
        raise Refused(Refusal.MALFORMED, f"{event.name} takes no binary attachments.")
