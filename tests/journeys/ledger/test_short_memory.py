"""What can no longer be made good is told: a hole that is longer than the history."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from tests.journeys.ledger.faults import freeze_a_worker
from tests.journeys.ledger.readings import Reach
from tests.journeys.ledger.stage import Cast, on_stage
from tests.toolbox.fleet import workers_of
from tests.toolbox.redis_server import RedisServer

pytestmark = pytest.mark.journey

LENGTH = 20
SHORT = f'[[room]]\npattern = "*"\nhistory_length = {LENGTH}\n'
BUSY = Cast(pause_seconds=0.02)


async def test_holes_that_are_longer_than_the_history_are_told(
    tmp_path: Path, durable_redis: RedisServer
) -> None:
    kinds = tmp_path / "rooms.toml"
    kinds.write_text(SHORT)
    settings = {"REDIS_URL": durable_redis.url, "PACELINE_CONFIG": str(kinds)}
    # so patient that members stay with the frozen worker, and are there when it wakes
    patient = {"PACELINE_PING_TIMEOUT_SECONDS": "20"}
    workers = workers_of(tmp_path, 2, **settings | patient)
    async with on_stage(tmp_path, 18, workers, BUSY, Reach(length=LENGTH)) as stage:
        async with stage.fault("a worker is frozen", may_reset=True):
            frozen = asyncio.create_task(freeze_a_worker(stage, durable_redis, seconds=6))
            await asyncio.sleep(1)
            durable_redis.command("CLIENT", "KILL", "TYPE", "pubsub")
            await frozen
        await stage.until_all_hear()
    verdict = stage.verdict

    assert verdict.anomalies == []
    assert {reset.reason for reset in verdict.resets} & {"history lost"}


async def test_a_redis_that_comes_back_as_it_was_a_while_ago(tmp_path: Path) -> None:
    home = tmp_path / "redis"
    home.mkdir()
    redis = RedisServer(home)
    redis.start()
    try:
        workers = workers_of(tmp_path, 2, REDIS_URL=redis.url)
        async with on_stage(tmp_path, 20, workers) as stage:
            redis.command("SAVE")
            await asyncio.sleep(2)
            async with stage.fault("an old copy takes over", may_reset=True):
                redis.kill()
                await asyncio.sleep(1)
                await asyncio.to_thread(redis.restart)
            await stage.until_all_hear()
            members = {(r.who, r.room) for r in stage.all_records() if r.kind == "join_ok"}
    finally:
        redis.kill()
    verdict = stage.verdict

    assert verdict.anomalies == []
    assert {(reset.who, reset.room) for reset in verdict.resets} == members
