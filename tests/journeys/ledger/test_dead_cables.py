"""The network between a worker and Redis goes silent: no reset, no error, nothing."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.journeys.ledger.faults import KEEP
from tests.journeys.ledger.stage import on_stage
from tests.journeys.ledger.verdict import longest_of
from tests.toolbox.fleet import SETTINGS, ask, until_ready, until_unready, workers_of
from tests.toolbox.gateway_process import SERVE, GatewayProcess
from tests.toolbox.network import Network
from tests.toolbox.redis_server import RedisServer

pytestmark = pytest.mark.journey

RED_SECONDS = HEALED_SECONDS = 3.0
LAG_SECONDS = 0.2
# The machine may have other things to do: what is measured in seconds is given so much more.
SLACK_SECONDS = 1.5
SILENT_SECONDS = 8.0


@pytest.fixture
def network() -> Iterator[Network]:
    network = Network()
    network.start()
    yield network
    network.kill()


@pytest.fixture
def redis_of_both(tmp_path: Path, network: Network) -> Iterator[RedisServer]:
    """A Redis that can be reached from within the network too."""
    folder = tmp_path / "redis"
    folder.mkdir()
    near = ["--bind", "127.0.0.1", network.redis.near, "--protected-mode", "no"]
    server = RedisServer(folder, *KEEP, *near)
    server.start()
    yield server
    server.kill()


@pytest.mark.parametrize("is_one_way", [False, True], ids=["both ways", "one way"])
async def test_a_cable_to_redis_that_goes_dead(
    tmp_path: Path, network: Network, redis_of_both: RedisServer, *, is_one_way: bool
) -> None:
    url = f"redis://{network.redis.near}:{redis_of_both.port}/0"
    inside = {"HOST": network.clients.far, "REDIS_URL": url}
    lonely = GatewayProcess(tmp_path, command=(*network.command, *SERVE), **SETTINGS | inside)
    (other,) = workers_of(tmp_path, 1, REDIS_URL=redis_of_both.url)
    async with on_stage(tmp_path, 3, [lonely, other]) as stage:
        async with stage.fault("the cable to Redis is dead"):
            dead_at = time.monotonic()
            network.redis.go_dead(is_one_way=is_one_way)
            red_seconds = await until_unready(lonely)
            await asyncio.sleep(SILENT_SECONDS)
            alive = await ask(lonely, "/healthz")
            network.redis.revive()
        healed_seconds = await until_ready(lonely)
        await stage.until_all_hear()
    verdict = stage.verdict

    assert verdict.anomalies == []
    assert verdict.resets == []
    assert alive is not None
    assert alive.status == 200
    assert red_seconds < RED_SECONDS + SLACK_SECONDS
    assert healed_seconds < HEALED_SECONDS + SLACK_SECONDS
    busy_seconds = longest_of(stage.records, "busy", "worker 0", dead_at)
    assert busy_seconds < LAG_SECONDS
    # the other worker, to which nothing happens, shows how late this machine lets anybody wake
    late, usual = (longest_of(stage.records, "lag", f"worker {n}", dead_at) for n in (0, 1))
    assert late < LAG_SECONDS + usual + SLACK_SECONDS / 3
