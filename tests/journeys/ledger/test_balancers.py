"""Each balancer that deploy/ has a configuration for, with that configuration."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from tests.journeys.ledger.faults import suffer
from tests.journeys.ledger.stage import Cast, on_stage
from tests.toolbox import programs
from tests.toolbox.fleet import MEMBER, Fleet, workers_of
from tests.toolbox.redis_server import RedisServer
from tests.toolbox.riders import RiderProcess, wait_for_lines

pytestmark = [pytest.mark.journey, pytest.mark.timeout(180)]

# HAProxy has the crowd of test_round_robin.py, and all the faults.
OTHERS = ["nginx", "caddy"]
CLIENTS = 500
ALL_IN_SECONDS = 90.0


@pytest.mark.parametrize("balancer", OTHERS)
async def test_official_clients_with_default_transports_all_upgrade(
    tmp_path: Path, durable_redis: RedisServer, balancer: str
) -> None:
    fleet = Fleet(tmp_path, workers_of(tmp_path, 2, REDIS_URL=durable_redis.url), balancer)
    try:
        await fleet.start()
        command = (str(programs.node()), "crowd-client.mjs", fleet.url, MEMBER, str(CLIENTS))
        with RiderProcess(tmp_path / "crowd.jsonl", *command) as crowd:
            await asyncio.to_thread(
                wait_for_lines,
                [crowd],
                lambda lines: (
                    bool(lines)
                    and (lines[-1]["upgraded"] == CLIENTS or bool(lines[-1]["failures"]))
                ),
                ALL_IN_SECONDS,
            )
            (*_, last) = crowd.lines()
    finally:
        fleet.kill()
    assert last == {"connected": CLIENTS, "upgraded": CLIENTS, "failures": {}}


@pytest.mark.parametrize("balancer", OTHERS)
async def test_a_rolling_restart_loses_nothing(
    tmp_path: Path, durable_redis: RedisServer, balancer: str
) -> None:
    workers = workers_of(tmp_path, 3, REDIS_URL=durable_redis.url)
    async with on_stage(tmp_path, 12, workers, Cast(balancer=balancer)) as stage:
        await suffer(stage, durable_redis, "all workers are restarted")
    assert stage.verdict.anomalies == []
    assert stage.verdict.resets == []
    assert stage.verdict.unseen == 0
