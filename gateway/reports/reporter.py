"""This module owns the report of one worker, made when it is asked for and not otherwise."""

from __future__ import annotations

import asyncio
import os
import socket
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

import msgspec

from gateway.lag import LagReading
from gateway.metrics import Metrics
from gateway.reports.counts import Counts, counts_of, difference
from gateway.reports.goodbyes import RecentGoodbyes
from gateway.reports.quantiles import latency_of
from gateway.reports.report import Report
from gateway.reports.rooms import RoomWatch, lane_counts
from gateway.rooms.membership import Membership
from protocol.reports import BrokerPulse, WorkerLine

# Several who look, each on another worker, are told the same.
FRESH_SECONDS: Final = 0.75
# What was counted while nobody looked says nothing of now.
STALE_SECONDS: Final = 5.0
_MEMORY: Final = Path("/proc/self/statm")
_PAGE_BYTES: Final = os.sysconf("SC_PAGE_SIZE")


class Self(msgspec.Struct, frozen=True, kw_only=True):
    """What never changes about a worker."""

    worker_id: str
    slot: int
    version: str
    host: str = msgspec.field(default_factory=socket.gethostname)
    process_id: int = msgspec.field(default_factory=os.getpid)
    started_at_ms: int = msgspec.field(default_factory=lambda: time.time_ns() // 1_000_000)


class Sources(msgspec.Struct, frozen=True, kw_only=True):
    """Whom a worker asks about itself; none of it waits for anybody."""

    metrics: Metrics
    membership: Membership
    goodbyes: RecentGoodbyes
    connections: Callable[[], int]
    is_draining: Callable[[], bool]
    is_store_well: Callable[[], bool]
    pulse: Callable[[], BrokerPulse]
    late: LagReading


class Reporter:
    """One worker's. While nobody asks it costs nothing."""

    def __init__(
        self, own: Self, sources: Sources, now_seconds: Callable[[], float] = time.monotonic
    ) -> None:
        self._own = own
        self._sources = sources
        self._now_seconds = now_seconds
        self._rooms = RoomWatch()
        self._before: Counts | None = None
        self._report: Report | None = None
        self._gate = asyncio.Lock()  # two at once would be told of two halves of a second

    @property
    def worker_id(self) -> str:
        """Whose reports these are."""
        return self._own.worker_id

    async def report(self) -> Report:
        """What there is to say now; the report of just now when there is one."""
        async with self._gate:
            return await self._report_now()

    async def last_report(self) -> Report:
        """What there is to say when the worker ends."""
        report = await self.report()
        line = msgspec.structs.replace(report.line, state="left")
        return msgspec.structs.replace(report, line=line)

    async def _report_now(self) -> Report:
        now_seconds = self._now_seconds()
        before = self._before
        if self._report is not None and before is not None:
            age_seconds = now_seconds - before.seconds
            if age_seconds < FRESH_SECONDS:
                return self._report
            if age_seconds > STALE_SECONDS:
                before = None
                self._rooms = RoomWatch()
        counts = self._before = counts_of(self._sources.metrics, now_seconds)
        late_seconds = self._sources.late.take_seconds()
        grown = difference(before or counts, counts)
        self._report = await self._made(grown, late_seconds if before else 0.0, now_seconds)
        return self._report

    async def _made(self, grown: Counts, late_seconds: float, now_seconds: float) -> Report:
        sources, own = self._sources, self._own
        membership = sources.membership
        rooms = await self._rooms.look(membership.rooms, now_seconds)
        fast, slow = await lane_counts(membership.audiences)
        line = WorkerLine(
            worker_id=own.worker_id,
            host=own.host,
            slot=own.slot,
            process_id=own.process_id,
            version=own.version,
            started_at_ms=own.started_at_ms,
            state="draining" if sources.is_draining() else "accepting",
            heard_ms_ago=0,
            connections=sources.connections(),
            peers=len(membership.peers),
            rooms=len(membership.rooms),
            fast_peers=fast,
            slow_peers=slow,
            publishes_per_second=grown.per_second(grown.publications),
            fast_per_second=grown.per_second(grown.deliveries_fast),
            slow_per_second=grown.per_second(grown.deliveries_slow),
            bytes_per_second=grown.per_second(grown.bytes_sent),
            busy_share=grown.per_second(grown.worked_seconds),
            lag_seconds=late_seconds,
            memory_bytes=_memory_bytes(),
            broker=sources.pulse(),
            is_store_well=sources.is_store_well(),
            latency=latency_of(grown.delays.bounds_us, grown.delays.counts),
        )
        return Report(
            line=line,
            rooms=rooms,
            goodbyes=sources.goodbyes.lines(),
            refusals=grown.refusals,
            turned_away=grown.turned_away,
            delays=grown.delays,
        )


def _memory_bytes() -> int | None:
    """The resident set; None where the system does not tell it."""
    try:
        return int(_MEMORY.read_text().split()[1]) * _PAGE_BYTES
    except OSError:
        return None
