"""The report of one worker."""

from __future__ import annotations

import asyncio

from gateway.reports.reporter import FRESH_SECONDS, STALE_SECONDS
from tests.gateway.reports.reported import WELL, Watched


async def test_rates_are_those_since_the_report_before() -> None:
    worker = Watched()
    worker.metrics.deliveries_fast = 1_000_000
    first = await worker.reporter.report()
    worker.clock.now_seconds += 2
    worker.metrics.deliveries_fast += 300
    worker.late.note(0.25)
    second = await worker.reporter.report()

    assert first.line.fast_per_second == 0.0, "of before nobody knows over which time it was"
    assert second.line.fast_per_second == 150.0
    assert (first.line.lag_seconds, second.line.lag_seconds) == (0.0, 0.25)
    assert (second.line.slot, second.line.connections, second.line.broker) == (1, 7, WELL)
    assert second.line.memory_bytes is None or second.line.memory_bytes > 1_000_000


async def test_several_who_ask_at_once_are_told_the_same() -> None:
    worker = Watched()
    reports = await asyncio.gather(*(worker.reporter.report() for _ in range(5)))
    worker.clock.now_seconds += FRESH_SECONDS / 2
    later = await worker.reporter.report()

    assert all(each is reports[0] for each in [*reports, later])
    assert worker.looks == 1


async def test_after_a_while_in_which_nobody_asked_rates_begin_anew() -> None:
    worker = Watched()
    await worker.reporter.report()
    worker.clock.now_seconds += STALE_SECONDS + 1
    worker.metrics.deliveries_fast += 300
    worker.late.note(9.0)
    report = await worker.reporter.report()

    assert (report.line.fast_per_second, report.line.lag_seconds) == (0.0, 0.0)


async def test_a_worker_that_drains_and_one_that_ends_say_so() -> None:
    worker = Watched()
    worker.is_draining = True
    draining = await worker.reporter.report()
    last = await worker.reporter.last_report()

    assert (draining.line.state, last.line.state) == ("draining", "left")
