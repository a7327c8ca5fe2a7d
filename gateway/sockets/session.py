"""This module owns one peer of the main namespace at its door: its connection and its outbox."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gateway.rooms.membership import Peer
from gateway.rooms.outbox import Outbox

if TYPE_CHECKING:
    from gateway.identity import Identity
    from gateway.rooms.pacing import PeerPace
    from gateway.sockets.binary import BinaryEvent
    from gateway.sockets.connection import Connection
    from gateway.sockets.tickets import Ticket


class Session(Peer):
    """A peer, with what the door needs to reach it.

    The outbox is there only while the peer is slow: on polling, or not reading as fast as it is
    written to.
    """

    __slots__ = (
        "binary",
        "connection",
        "is_warned",
        "look_seconds",
        "may_return",
        "outbox",
        "pace",
    )

    def __init__(self, peer_id: str, identity: Identity, connection: Connection) -> None:
        super().__init__(peer_id, identity)
        self.connection = connection
        self.ticket: Ticket | None = None
        self.outbox: Outbox | None = None
        self.binary: BinaryEvent | None = None
        self.look_seconds: float | None = None  # when its token is looked at next, if it expires
        self.is_warned = False
        self.may_return = True  # whether a new connection may go on as this peer
        self.pace: PeerPace  # set when it is let in
