"""This module owns what the buckets of a histogram say of its percentiles."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from protocol.reports import Latency


def quantile_of(bounds_us: Sequence[int], counts: Sequence[int], share: float) -> float | None:
    """The duration that `share` of all did not exceed, in microseconds; None of nothing.

    Each of the counts is of its own bucket alone, and the last one of what was longer than the last
    bound. Within a bucket durations are taken to lie evenly; of those beyond the last bound no more
    is known than that.
    """
    total = sum(counts)
    if not total:
        return None
    rank, below = share * total, 0
    lower_us = 0
    for bound_us, count in zip(bounds_us, counts, strict=False):
        if count and below + count >= rank:
            return lower_us + (bound_us - lower_us) * (rank - below) / count
        below += count
        lower_us = bound_us
    return float(lower_us)


def latency_of(bounds_us: Sequence[int], counts: Sequence[int]) -> Latency | None:
    """What is shown of a histogram; None when nothing was counted."""
    p50_us = quantile_of(bounds_us, counts, 0.5)
    p99_us = quantile_of(bounds_us, counts, 0.99)
    if p50_us is None or p99_us is None:
        return None
    return Latency(p50_ms=p50_us / 1000, p99_ms=p99_us / 1000)


def summed(rows: Iterable[Sequence[int]]) -> list[int]:
    """The counts of several histograms with the same bounds, as those of one."""
    return [sum(column) for column in zip(*rows, strict=True)]
