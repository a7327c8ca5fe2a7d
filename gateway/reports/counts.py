"""This module owns what a worker has counted so far, and how much it was since a moment ago."""

from __future__ import annotations

import time
from collections.abc import Mapping

import msgspec

from gateway.metrics import Metrics
from gateway.reports.report import Delays


class Counts(msgspec.Struct, frozen=True, kw_only=True):
    """All that only ever grows, at one moment; or how much it has grown between two."""

    seconds: float
    publications: int
    deliveries_fast: int
    deliveries_slow: int
    bytes_sent: int
    worked_seconds: float  # processor time of the event loop's thread
    refusals: dict[str, int]
    turned_away: dict[str, int]
    delays: Delays

    def per_second(self, count: float) -> float:
        """A count of a difference, by the time that it took."""
        return count / self.seconds if self.seconds > 0 else 0.0


def counts_of(metrics: Metrics, now_seconds: float) -> Counts:
    """Read them; called in the event loop's thread."""
    return Counts(
        seconds=now_seconds,
        publications=metrics.publications["accepted"],
        deliveries_fast=metrics.deliveries_fast,
        deliveries_slow=metrics.deliveries_slow,
        bytes_sent=metrics.bytes_sent,
        worked_seconds=time.thread_time(),
        refusals=dict(metrics.refusals),
        turned_away=dict(metrics.turned_away),
        delays=_delays_of(metrics),
    )


def difference(before: Counts, after: Counts) -> Counts:
    """How much it was; of what is counted by label only what has grown."""
    return Counts(
        seconds=after.seconds - before.seconds,
        publications=after.publications - before.publications,
        deliveries_fast=after.deliveries_fast - before.deliveries_fast,
        deliveries_slow=after.deliveries_slow - before.deliveries_slow,
        bytes_sent=after.bytes_sent - before.bytes_sent,
        worked_seconds=after.worked_seconds - before.worked_seconds,
        refusals=_grown(before.refusals, after.refusals),
        turned_away=_grown(before.turned_away, after.turned_away),
        delays=_delays_between(before.delays, after.delays),
    )


def _grown(before: Mapping[str, int], after: Mapping[str, int]) -> dict[str, int]:
    grown = {label: count - before.get(label, 0) for label, count in after.items()}
    return {label: count for label, count in grown.items() if count}


def _delays_of(metrics: Metrics) -> Delays:
    """Both lanes together."""
    fast, *_ = lanes = list(metrics.delivery_seconds.values())
    rows = [histogram.counts for histogram in lanes]
    return Delays(tuple(fast.bounds_us), tuple(map(sum, zip(*rows, strict=True))))


def _delays_between(before: Delays, after: Delays) -> Delays:
    grown = (late - early for early, late in zip(before.counts, after.counts, strict=True))
    return Delays(after.bounds_us, tuple(grown))
