"""This module owns how often something took how long: counted in buckets, whatever the number."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence


class Histogram:
    """Durations by size: taken in whole microseconds, shown in seconds.

    `counts` has one number more than `bounds_us`: what took longer than the last of them. Each
    number is of its own bucket alone; `buckets` sums them up, as Prometheus wants them.
    """

    __slots__ = ("bounds_us", "counts", "sum_us")

    def __init__(self, bounds_us: Sequence[int]) -> None:
        self.bounds_us = tuple(bounds_us)
        self.counts = [0] * (len(self.bounds_us) + 1)
        self.sum_us = 0

    def note(self, elapsed_us: int, times: int = 1) -> None:
        """Count a duration `times` times; a negative one, of clocks that disagree, as none."""
        self.counts[bisect_left(self.bounds_us, elapsed_us)] += times
        if elapsed_us > 0:
            self.sum_us += elapsed_us * times

    @property
    def sum_seconds(self) -> float:
        """All durations together."""
        return self.sum_us / 1e6

    def buckets(self) -> list[tuple[str, int]]:
        """How many took no longer than each bound, in seconds, the last of which is "+Inf"."""
        told: list[tuple[str, int]] = []
        total = 0
        for bound_us, count in zip(self.bounds_us, self.counts, strict=False):
            total += count
            told.append((str(bound_us / 1e6), total))
        return [*told, ("+Inf", total + self.counts[-1])]
