"""Reports for tests, of workers that are well unless told otherwise."""

from __future__ import annotations

import time
from typing import Any

import msgspec

from gateway.lag import LagReading
from gateway.metrics import Metrics
from gateway.reports.goodbyes import RecentGoodbyes
from gateway.reports.report import Report
from gateway.reports.reporter import Reporter, Self, Sources
from gateway.rooms.membership import Membership
from protocol.reports import BrokerPulse, WorkerLine
from tests.toolbox.clock import Clock

WELL = BrokerPulse(kind="redis", is_well=True, silent_seconds=0.2, waiting=1)
LINE = WorkerLine(
    worker_id="aaaaaa",
    host="here",
    slot=0,
    process_id=1,
    version="1",
    started_at_ms=1_700_000_000_000,
    state="accepting",
    heard_ms_ago=0,
    connections=3,
    peers=2,
    rooms=1,
    fast_peers=2,
    slow_peers=0,
    publishes_per_second=5.0,
    fast_per_second=10.0,
    slow_per_second=1.0,
    bytes_per_second=100.0,
    busy_share=0.1,
    lag_seconds=0.001,
    memory_bytes=50_000_000,
    broker=WELL,
    is_store_well=True,
    latency=None,
)


def report(worker_id: str = "aaaaaa", **changes: Any) -> Report:  # noqa: ANN401 - of either struct
    """A report; `changes` are of its line, or of itself where the line has no such field."""
    of_line = {name: value for name, value in changes.items() if name in WorkerLine.__annotations__}
    of_report = {
        name: value
        for name, value in changes.items()
        if name in Report.__annotations__ and name not in of_line
    }
    if isinstance(changes.get("rooms"), list):
        of_report["rooms"] = of_line.pop("rooms")
    line = msgspec.structs.replace(LINE, worker_id=worker_id, **of_line)
    empty: dict[str, Any] = {"rooms": [], "goodbyes": [], "refusals": {}, "turned_away": {}}
    return Report(line=line, **(empty | of_report))


class Watched:
    """One worker's numbers, and the reporter that tells them."""

    def __init__(self, worker_id: str = "aaaaaa") -> None:
        self.clock = Clock()
        self.metrics = Metrics()
        self.membership = Membership()
        self.late = LagReading()
        self.is_draining = False
        self.looks = 0
        own = Self(worker_id=worker_id, slot=1, version="1", started_at_ms=int(time.time() * 1000))
        sources = Sources(
            metrics=self.metrics,
            membership=self.membership,
            goodbyes=RecentGoodbyes(),
            connections=self._connections,
            is_draining=lambda: self.is_draining,
            is_store_well=lambda: True,
            pulse=lambda: WELL,
            late=self.late,
        )
        self.reporter = Reporter(own, sources, self.clock)

    def _connections(self) -> int:
        self.looks += 1
        return 7
