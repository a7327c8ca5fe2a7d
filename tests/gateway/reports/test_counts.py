"""What was counted between two moments."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from gateway.metrics import Metrics
from gateway.reports.counts import counts_of, difference
from gateway.reports.report import Delays
from protocol.refusals import Refusal


def test_a_difference_has_what_has_grown_and_nothing_else() -> None:
    metrics = Metrics()
    metrics.note_publication("accepted")
    metrics.note_refusal(Refusal.FORBIDDEN)
    before = counts_of(metrics, 100.0)
    for _ in range(10):
        metrics.note_publication("accepted")
    metrics.deliveries_fast += 400
    metrics.note_refusal(Refusal.TOO_FAST)
    metrics.turned_away.add("full", 2)
    grown = difference(before, counts_of(metrics, 102.0))

    assert (grown.publications, grown.deliveries_fast, grown.deliveries_slow) == (10, 400, 0)
    assert grown.per_second(grown.deliveries_fast) == 200.0
    assert (grown.refusals, grown.turned_away) == ({"TOO_FAST": 1}, {"full": 2})
    assert 0 <= grown.worked_seconds < 2


def test_no_time_between_two_moments_is_no_rate() -> None:
    counts = counts_of(Metrics(), 100.0)

    assert difference(counts, counts).per_second(5) == 0.0


def test_delays_of_both_lanes_are_one_histogram() -> None:
    fast = SimpleNamespace(bounds_us=(10, 20), counts=[1, 2, 3])
    slow = SimpleNamespace(bounds_us=(10, 20), counts=[0, 0, 5])

    class Timed(Metrics):
        delivery_seconds: Any

    metrics = Timed()
    metrics.delivery_seconds = {"fast": fast, "slow": slow}
    before = counts_of(metrics, 1.0)
    fast.counts = [4, 2, 3]
    grown = difference(before, counts_of(metrics, 2.0))

    assert before.delays == Delays((10, 20), (1, 2, 8))
    assert grown.delays == Delays((10, 20), (3, 0, 0))
