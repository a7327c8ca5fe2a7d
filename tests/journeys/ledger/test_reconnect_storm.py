"""Five thousand members are cut at once and come back within seconds."""

from __future__ import annotations

import sys
import time
from pathlib import Path

import pytest

from tests.journeys.ledger.records import ForeignBook
from tests.journeys.ledger.stage import Cast, on_stage
from tests.journeys.ledger.verdict import longest_of
from tests.toolbox.fleet import workers_of
from tests.toolbox.programs import REPOSITORY
from tests.toolbox.redis_server import RedisServer
from tests.toolbox.riders import RiderProcess

pytestmark = [pytest.mark.journey, pytest.mark.timeout(240)]

CROWD = 5_000
SPREAD_SECONDS = 8.0
BACK_SECONDS = 10.0
ARRIVAL_SECONDS = 90.0
LAG_SECONDS = 0.25
CALLS_PER_MEMBER = 2
CALLS_PER_ROOM = 10
# The machine may have other things to do: what is measured in seconds is given so much more.
SLACK_SECONDS = 20.0
CAST = Cast(rooms=20, raw_members=1, official_members=0, javascript_members=1, pause_seconds=0.25)


async def test_five_thousand_members_that_come_back_at_once(
    tmp_path: Path, durable_redis: RedisServer
) -> None:
    workers = workers_of(tmp_path, 2, REDIS_URL=durable_redis.url)
    async with on_stage(tmp_path, 12, workers, CAST) as stage:
        written = tmp_path / "crowd.jsonl"
        book = tmp_path / "crowd-book.jsonl"
        book.touch()
        arguments = (str(stage.fleet.balancer.port), str(book), str(CROWD), str(CAST.rooms))
        command = (sys.executable, "-m", "tests.journeys.ledger.crowd", *arguments)
        crowd = RiderProcess(written, *command, str(SPREAD_SECONDS), folder=REPOSITORY)
        stage.company.enter_context(crowd)
        stage.expect(CROWD, ForeignBook(book))
        await stage.until_all_are_in(patience_seconds=ARRIVAL_SECONDS)
        await stage.until_all_hear()
        calls, cut_at = _calls_of(durable_redis), time.monotonic()
        async with stage.fault("everybody is cut"):
            stage.fleet.balancer.kill()
            stage.fleet.balancer.start()
            await stage.until_all_are_in(cut_at, BACK_SECONDS + SLACK_SECONDS)
        back_seconds = time.monotonic() - cut_at
        calls = _calls_of(durable_redis) - calls
        await stage.until_all_hear()
    verdict = stage.verdict
    ended_at = next(r.at for r in stage.records if r.kind == "end")
    again = [r for r in stage.records if r.kind == "join_ok" and cut_at < r.at < ended_at]

    assert verdict.anomalies == []
    assert verdict.resets == []
    assert len(again) >= CROWD
    assert all(record.recovered for record in again)
    # To count one out and in again is a call each; publishers go on meanwhile.
    assert calls <= CALLS_PER_MEMBER * CROWD + CALLS_PER_ROOM * CAST.rooms * len(workers)
    assert back_seconds < BACK_SECONDS + SLACK_SECONDS
    # its own work: how late it was on a machine that is this busy says nothing of the gateway
    assert longest_of(stage.records, "busy", since=cut_at) < LAG_SECONDS


def _calls_of(server: RedisServer) -> int:
    """How many scripts it has been asked to run, by workers for rooms; publications count apart."""
    stats = server.info("commandstats")
    evaluations, publications = (
        int(stats.get(f"cmdstat_{name}", {}).get("calls", 0)) for name in ("evalsha", "xadd")
    )
    return evaluations - publications
