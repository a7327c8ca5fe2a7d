import time

import pytest

from gateway.metrics import Metrics
from gateway.rooms.membership import Membership, Peer
from gateway.rooms.publication import Publication
from gateway.sockets.traced_lanes import TracedLanes
from gateway.traces.spans import Traces
from protocol import codec

TRACE = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


class Recorder(Traces):
    """Keeps what it is told."""

    def __init__(self) -> None:
        super().__init__("worker-1")
        self.told: list[tuple[str, int, str, int]] = []

    def note_delivery(self, traceparent: str, heard_ns: int, room: str, peers: int) -> None:
        self.told.append((traceparent, heard_ns, room, peers))


@pytest.fixture
def recorder() -> Recorder:
    return Recorder()


async def test_a_traced_publication_is_told_of_once_it_is_written(recorder: Recorder) -> None:
    lanes, membership = TracedLanes(10**6, 10**5, Metrics(), recorder), Membership()
    lanes.serve(membership)
    written: list[bytes] = []
    for name in ("one", "two", "three"):
        peer = Peer(name, None, written.append)  # type: ignore[arg-type] # nobody asks who it is
        membership.add(peer)
        membership.go_live(membership.subscribe(peer, "r"))
    packet = codec.packet_of("tick", b"1")
    before_ns = time.time_ns()
    for trace in ("", TRACE):
        publication = Publication("r", "e", 1, 1, "tick", packet, trace=trace)
        lanes.deliver(membership.rooms["r"], publication)
    assert recorder.told == []
    lanes.flush()

    ((trace, heard_ns, room, peers),) = recorder.told
    assert (trace, room, peers) == (TRACE, "r", 3)
    assert before_ns <= heard_ns <= time.time_ns()
    assert len(written) == 3
