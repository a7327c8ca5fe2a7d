"""Workers die, freeze and are replaced: members come back elsewhere, and nothing is lost."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from tests.journeys.ledger.faults import suffer
from tests.journeys.ledger.stage import Cast, on_stage
from tests.toolbox.fleet import workers_of
from tests.toolbox.redis_server import RedisServer

pytestmark = pytest.mark.journey


async def test_a_worker_that_is_killed(tmp_path: Path, durable_redis: RedisServer) -> None:
    workers = workers_of(tmp_path, 3, REDIS_URL=durable_redis.url)
    async with on_stage(tmp_path, 9, workers) as stage:
        for _ in range(2):
            await suffer(stage, durable_redis, "a worker is killed")
    verdict = stage.verdict

    assert verdict.anomalies == []
    assert verdict.resets == []
    assert verdict.recovery_of("a worker is killed") < 5


@pytest.mark.parametrize("transports", ["websocket", "default"])
async def test_workers_that_are_restarted_one_by_one(
    tmp_path: Path, durable_redis: RedisServer, transports: str
) -> None:
    workers = workers_of(tmp_path, 3, REDIS_URL=durable_redis.url)
    async with on_stage(tmp_path, 10, workers, Cast(transports=transports)) as stage:
        await suffer(stage, durable_redis, "all workers are restarted")
    verdict = stage.verdict

    assert verdict.anomalies == []
    assert verdict.resets == []
    assert set(verdict.tries) <= {"ok", "no answer"}, "a publisher is cut off, never refused"
    assert verdict.unseen == 0


async def test_a_worker_that_is_frozen_and_goes_on(
    tmp_path: Path, durable_redis: RedisServer
) -> None:
    workers = workers_of(tmp_path, 3, REDIS_URL=durable_redis.url)
    async with on_stage(tmp_path, 11, workers) as stage:
        await suffer(stage, durable_redis, "a worker is frozen")
        await asyncio.sleep(1)
    verdict = stage.verdict

    assert verdict.anomalies == []
    assert verdict.resets == []
