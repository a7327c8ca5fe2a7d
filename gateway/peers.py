"""This module owns the way from the hub to the door at which a peer is: sockets, or streams."""

from __future__ import annotations

from gateway.rest.stream import Stream
from gateway.rest.streams import Streams
from gateway.rooms.membership import Peer
from gateway.rooms.publication import Publication
from gateway.sockets.lanes import Lanes
from protocol.refusals import Goodbye


class PeersByDoor:
    """Fulfils the hub's `Peers` with both doors."""

    def __init__(self, lanes: Lanes, streams: Streams) -> None:
        self._lanes = lanes
        self._streams = streams
        # Streams stay apart: what goes to everybody together is the sockets' alone.
        self.deliver = lanes.deliver

    def send(self, peer: Peer, publication: Publication) -> None:
        """Send to one peer, after all that it was sent before."""
        if isinstance(peer, Stream):
            self._streams.send(peer, publication)
        else:
            self._lanes.send(peer, publication)

    def hand_over(self, peer: Peer) -> None:
        """Hand over what was gathered for the peer; a stream has everything at once."""
        if not isinstance(peer, Stream):
            self._lanes.hand_over(peer)

    def dismiss(self, peer: Peer, goodbye: Goodbye) -> None:
        """Say goodbye and close."""
        if isinstance(peer, Stream):
            self._streams.dismiss(peer, goodbye)
        else:
            self._lanes.dismiss(peer, goodbye)
