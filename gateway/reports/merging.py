"""This module owns what becomes of the workers' reports: one overview, the silent ones marked."""

from __future__ import annotations

import heapq
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from operator import attrgetter
from typing import Final

import msgspec

from gateway.reports.goodbyes import KEPT
from gateway.reports.quantiles import latency_of, summed
from gateway.reports.report import Delays, Report
from gateway.reports.rooms import worth_a_line
from protocol.reports import GoodbyeLine, Latency, Overview, RoomLine, State, WorkerLine

SILENT_SECONDS: Final = 3.0
FORGOTTEN_SECONDS: Final = 60.0


class Received(msgspec.Struct, frozen=True):
    """A report, and when it came. `is_counted`: whether an overview has told of it before."""

    report: Report
    at_seconds: float
    is_counted: bool = False


def overview_of(
    told_by: str, received: Sequence[Received], now_seconds: float, now_ms: int
) -> Overview:
    """Everything; rooms and rates are of those workers that speak."""
    can_hear = all(
        each.report.line.broker.is_well
        for each in received
        if each.report.line.worker_id == told_by
    )
    lines = [_line_of(each, now_seconds, can_hear=can_hear) for each in received]
    speaking = [each for each in received if is_speaking(each, now_seconds)]
    new = [each.report for each in received if not each.is_counted]
    return Overview(
        at_ms=now_ms,
        told_by=told_by,
        workers=sorted(lines, key=lambda line: (line.host, line.slot, line.started_at_ms)),
        latency=_latency(report.delays for report in new),
        rooms=_rooms(each.report.rooms for each in speaking),
        refusals=_added(report.refusals for report in new),
        turned_away=_added(report.turned_away for report in new),
        goodbyes=_newest(each.report.goodbyes for each in received),
    )


def is_speaking(received: Received, now_seconds: float) -> bool:
    """Whether what was told still holds."""
    is_silent = now_seconds - received.at_seconds >= SILENT_SECONDS
    return not is_silent and received.report.line.state != "left"


def _line_of(received: Received, now_seconds: float, *, can_hear: bool) -> WorkerLine:
    line = received.report.line
    silent_seconds = now_seconds - received.at_seconds
    heard_ms_ago = max(0, round(silent_seconds * 1000))
    if is_speaking(received, now_seconds):
        return msgspec.structs.replace(line, heard_ms_ago=heard_ms_ago)
    return msgspec.structs.replace(
        line,
        state=_state_of_silent(line.state, can_hear=can_hear),
        heard_ms_ago=heard_ms_ago,
        connections=0,
        peers=0,
        fast_peers=0,
        slow_peers=0,
        publishes_per_second=0.0,
        fast_per_second=0.0,
        slow_per_second=0.0,
        bytes_per_second=0.0,
        busy_share=0.0,
        lag_seconds=0.0,
        latency=None,
    )


def _state_of_silent(last: State, *, can_hear: bool) -> State:
    if last in {"draining", "left"}:
        return "left"
    return "gone" if can_hear else "unheard"


def _latency(parts: Iterable[Delays | None]) -> Latency | None:
    known = [delays for delays in parts if delays is not None]
    # Workers of another version may count in other buckets, for as long as a release is rolled.
    same = [delays for delays in known if delays.bounds_us == known[0].bounds_us]
    return latency_of(same[0].bounds_us, summed(each.counts for each in same)) if same else None


def _rooms(parts: Iterable[Sequence[RoomLine]]) -> list[RoomLine]:
    """Members are added up; every worker that follows a room sees all that is published there."""
    merged: dict[str, RoomLine] = {}
    for line in (line for part in parts for line in part):
        known = merged.get(line.room_id)
        merged[line.room_id] = (
            line
            if known is None
            else RoomLine(
                room_id=line.room_id,
                members=known.members + line.members,
                per_second=max(known.per_second, line.per_second),
            )
        )
    return worth_a_line(merged.values())


def _added(parts: Iterable[Mapping[str, int]]) -> dict[str, int]:
    total: Counter[str] = Counter()
    for part in parts:
        total.update(part)
    return dict(total)


def _newest(parts: Iterable[Sequence[GoodbyeLine]]) -> list[GoodbyeLine]:
    return heapq.nlargest(KEPT, (line for part in parts for line in part), key=attrgetter("at_ms"))
