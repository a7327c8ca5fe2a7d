"""Peers at two doors: each is reached through its own."""

from __future__ import annotations

from gateway.identity import Identity, Role
from gateway.metrics import Metrics
from gateway.peers import PeersByDoor
from gateway.rest.streams import Streams
from gateway.rooms.publication import Publication
from gateway.settings import Settings
from gateway.sockets.lanes import Lanes
from protocol import codec
from protocol.refusals import Goodbye


async def test_a_stream_is_sent_to_and_dismissed_through_the_door_of_streams() -> None:
    metrics = Metrics()
    streams = Streams(Settings(), metrics)
    peers = PeersByDoor(Lanes(1000, 1000, metrics), streams)
    stream = streams.open(Identity("ann", Role.VIEWER), "127.0.0.1", lambda: None)
    packet = codec.packet_of("note", b"1")
    peers.hand_over(stream)
    peers.send(stream, Publication("paris", "e", 1, 1, "note", packet))
    assert stream.take() == b"id: e.1.00000001\nevent: note\ndata: 1\n\n"
    assert metrics.deliveries_streams == 1
    peers.dismiss(stream, Goodbye.REMOVED)
    assert b'"code":3500' in stream.take()
    streams.close(stream)
