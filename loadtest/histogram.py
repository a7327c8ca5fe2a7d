"""This module owns the counting of durations: fixed buckets, an error below 1.6 %, mergeable.

The layout is that of HdrHistogram: 64 linear steps for each power of two, so that a microsecond and
a minute are kept with the same care and adding costs the same for both.
"""

from __future__ import annotations

from typing import Final

import msgspec

_STEPS: Final = 64
_STEP_BITS: Final = 6
_BUCKETS: Final = (64 - _STEP_BITS) * _STEPS


class Summary(msgspec.Struct, frozen=True):
    """What a reader wants to know of a distribution, in milliseconds."""

    count: int
    p50_ms: float
    p90_ms: float
    p99_ms: float
    p999_ms: float
    max_ms: float


class Histogram:
    """Durations in nanoseconds. Negative ones (clock reads that raced) count as zero."""

    __slots__ = ("count", "counts", "largest")

    def __init__(self) -> None:
        self.counts = [0] * _BUCKETS
        self.count = 0
        self.largest = 0

    def add(self, nanoseconds: int) -> None:
        if nanoseconds <= 0:
            nanoseconds = 0
        elif nanoseconds > self.largest:
            self.largest = nanoseconds
        shift = nanoseconds.bit_length() - _STEP_BITS - 1
        self.counts[
            (shift << _STEP_BITS) + (nanoseconds >> shift) if shift > 0 else nanoseconds
        ] += 1
        self.count += 1

    def clear(self) -> None:
        """Forget everything, in place: the owners of references keep counting into it."""
        self.counts[:] = [0] * _BUCKETS
        self.count = 0
        self.largest = 0

    def sparse(self) -> dict[int, int]:
        """Only the buckets that hold something, by index."""
        return {index: count for index, count in enumerate(self.counts) if count}

    def absorb(self, sparse: dict[int, int], largest: int) -> None:
        for index, count in sparse.items():
            self.counts[index] += count
            self.count += count
        self.largest = max(self.largest, largest)

    def quantile(self, share: float) -> int:
        """The upper edge of the bucket up to which `share` of the durations lie; 0 without any."""
        wanted = share * self.count
        seen = 0
        for index, count in enumerate(self.counts):
            seen += count
            if count and seen >= wanted:
                return min(upper_edge_of(index), self.largest)
        return 0

    def summary(self) -> Summary:
        p50, p90, p99, p999 = (self.quantile(share) / 1e6 for share in (0.5, 0.9, 0.99, 0.999))
        return Summary(self.count, p50, p90, p99, p999, self.largest / 1e6)

    def curve(self) -> list[tuple[float, float]]:
        """(milliseconds, share of durations at or below) for each bucket that holds something."""
        seen = 0
        points: list[tuple[float, float]] = []
        for index, count in self.sparse().items():
            seen += count
            points.append((min(upper_edge_of(index), self.largest) / 1e6, seen / self.count))
        return points


def upper_edge_of(index: int) -> int:
    """The largest duration in nanoseconds that bucket `index` takes."""
    if index < 2 * _STEPS:
        return index
    shift = (index >> _STEP_BITS) - 1
    return ((index - (shift << _STEP_BITS) + 1) << shift) - 1
