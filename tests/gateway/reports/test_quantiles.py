"""What buckets say of percentiles."""

from __future__ import annotations

import pytest

from gateway.reports.quantiles import latency_of, quantile_of, summed
from protocol.reports import Latency

BOUNDS_US = (1_000, 2_000, 4_000)


def test_nothing_counted_says_nothing() -> None:
    assert quantile_of(BOUNDS_US, [0, 0, 0, 0], 0.5) is None
    assert latency_of(BOUNDS_US, [0, 0, 0, 0]) is None


@pytest.mark.parametrize(
    ("counts", "share", "us"),
    [
        ([10, 0, 0, 0], 0.5, 500),
        ([10, 0, 0, 0], 1.0, 1000),
        ([0, 0, 10, 0], 0.5, 3000),
        ([98, 0, 2, 0], 0.99, 3000),
        ([5, 5, 0, 0], 0.5, 1000),
        ([1, 0, 0, 9], 0.99, 4000),  # beyond the last bound no more is known than that
    ],
)
def test_a_percentile_lies_in_its_bucket(counts: list[int], share: float, us: float) -> None:
    assert quantile_of(BOUNDS_US, counts, share) == pytest.approx(us)


def test_histograms_of_several_workers_are_one() -> None:
    counts = summed([[10, 0, 0, 0], [0, 0, 10, 0]])

    assert counts == [10, 0, 10, 0]
    assert latency_of(BOUNDS_US, counts) == Latency(p50_ms=1.0, p99_ms=3.96)
