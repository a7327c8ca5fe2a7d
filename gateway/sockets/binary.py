"""This module owns an event with binary attachments while they are still coming in."""

from __future__ import annotations

from typing import Final

from gateway.sockets import packets
from gateway.sockets.packets import Event, PacketInvalid
from protocol import codec
from protocol.refusals import Refusal, Refused

INCOMPLETE_LIMIT_SECONDS: Final = 10.0  # for the attachments that were announced
ATTACHMENTS_LIMIT_BYTES: Final = 65_536  # of one event, together


class BinaryEvent:
    """A packet that announced attachments, and those that have come."""

    __slots__ = ("_due", "_packet", "_size_bytes", "attachments")

    def __init__(self, packet: packets.Packet) -> None:
        self._packet = packet
        self._due = packet.attachments
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

    def add(self, data: bytes) -> None:
        """Take the next attachment; what is too much is counted off and not kept."""
        self._due -= 1
        self._size_bytes += len(data)
        if self._size_bytes <= ATTACHMENTS_LIMIT_BYTES:
            self.attachments.append(data)

    def event(self) -> Event:
        """The whole event. Raises `Refused` when it is too large or names what did not come."""
        if self._size_bytes > ATTACHMENTS_LIMIT_BYTES:
            raise Refused(Refusal.TOO_LARGE, details={"limitBytes": ATTACHMENTS_LIMIT_BYTES})
        event = packets.main_event_of(b"2" + self.ack_id + self._packet.data)
        if event is None:
            raise PacketInvalid
        for argument in event.arguments:
            codec.check_placeholders(argument, len(self.attachments))
        return event
