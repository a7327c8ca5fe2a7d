"""This module owns what an operator may do to peers, on whichever worker they are.

Every worker hears of a removal and does its own part; so nobody has to know where a peer is. Who
removes somebody is told that every worker was told, which takes milliseconds, not that somebody
was there.
"""

from __future__ import annotations

from collections.abc import Callable

import msgspec
import structlog

from gateway.broker.sessions import Intercom
from gateway.hub import Hub
from gateway.rooms.membership import Peer
from protocol.refusals import Goodbye

logger = structlog.get_logger(__name__)

_TOPIC = "removal"


class Removal(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Whom: a peer by its id, or all peers of a subject. From where: one room, or altogether."""

    peer_id: str | None = None
    subject: str | None = None
    room: str | None = None


_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(Removal).decode


class Removals:
    """One worker's part in all removals."""

    def __init__(self, hub: Hub, intercom: Intercom) -> None:
        self._hub = hub
        self._intercom = intercom
        self.end_others: Callable[[str], None] = _nobody  # of a subject: sockets of no peer
        intercom.hear(_TOPIC, lambda message: self.carry_out(_decode(message)))

    def order(self, removal: Removal) -> None:
        """Have it carried out on every worker; raises `BrokerUnavailable` when that cannot be."""
        self._intercom.tell_all(_TOPIC, _encode(removal))

    def carry_out(self, removal: Removal) -> None:
        """Remove those that are here."""
        for peer in self._found(removal):
            logger.info("= removed", peer=peer.id, room=removal.room)
            if removal.room is None:
                self._hub.dismiss(peer, Goodbye.REMOVED)
            else:
                self._hub.expel(peer, removal.room)
        if removal.subject is not None and removal.room is None:
            self.end_others(removal.subject)

    def _found(self, removal: Removal) -> list[Peer]:
        peers = self._hub.membership.peers
        if removal.peer_id is not None:
            peer = peers.get(removal.peer_id)
            return [] if peer is None else [peer]
        return [peer for peer in peers.values() if peer.identity.subject == removal.subject]


def _nobody(_subject: str) -> None:
    """Where there are no other sockets."""
