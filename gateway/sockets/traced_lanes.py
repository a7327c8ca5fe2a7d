"""This module owns lanes that tell when they have written what somebody follows the trace of.

The slow lane is not traced: what waits there for one peer says nothing of the publication.
"""

from __future__ import annotations

import collections
import time
from typing import TYPE_CHECKING, Final

from gateway.sockets.lanes import Lanes

if TYPE_CHECKING:
    from gateway.metrics import Metrics
    from gateway.rooms.membership import RoomReaders
    from gateway.rooms.publication import Publication
    from gateway.sockets.rounds import Batch
    from gateway.traces.spans import Traces

# Several audiences may have a publication, so its time is kept until others have come.
_HEARD_LIMIT: Final = 256


class TracedLanes(Lanes):
    """Lanes as ever, with a span for each batch that has a traced publication in it."""

    def __init__(
        self, outbox_limit_bytes: int, high_water_bytes: int, metrics: Metrics, traces: Traces
    ) -> None:
        super().__init__(outbox_limit_bytes, high_water_bytes, metrics)
        self._traces = traces
        self._heard_ns: collections.OrderedDict[str, int] = collections.OrderedDict()

    def deliver(self, readers: RoomReaders, publication: Publication) -> None:
        """Note when it was heard, and gather it."""
        if publication.trace:
            self._heard_ns[publication.trace] = time.time_ns()
            if len(self._heard_ns) > _HEARD_LIMIT:
                self._heard_ns.popitem(last=False)
        super().deliver(readers, publication)

    def _note_written(self, peers: int, batch: Batch, data: bytes) -> None:
        super()._note_written(peers, batch, data)
        for publication, _, _ in batch:
            trace = publication.trace
            if trace and peers:
                heard_ns = self._heard_ns.get(trace, publication.accepted_us * 1000)
                self._traces.note_delivery(trace, heard_ns, publication.room, peers)
