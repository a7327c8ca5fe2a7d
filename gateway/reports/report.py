"""This module owns what one worker tells another of itself, once a second while somebody looks."""

from __future__ import annotations

import msgspec

from protocol.reports import GoodbyeLine, RoomLine, WorkerLine


class Delays(msgspec.Struct, frozen=True):
    """A histogram of deliveries: upper bounds in microseconds, and one count more than those."""

    bounds_us: tuple[int, ...]
    counts: tuple[int, ...]


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """One worker's. Those of other versions read it: fields may come with defaults, none may go."""

    line: WorkerLine
    rooms: list[RoomLine]
    goodbyes: list[GoodbyeLine]
    refusals: dict[str, int]
    turned_away: dict[str, int]
    delays: Delays | None = None
