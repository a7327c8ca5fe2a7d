"""A plain round robin in front of several workers: nobody needs to stick to one."""

from __future__ import annotations

import asyncio
import re
from pathlib import Path

import pytest

from tests.toolbox import programs
from tests.toolbox.fleet import MEMBER, Fleet, ask, workers_of
from tests.toolbox.gateway_process import GatewayProcess
from tests.toolbox.redis_server import RedisServer
from tests.toolbox.riders import RiderProcess, wait_for_lines

pytestmark = [pytest.mark.journey, pytest.mark.timeout(180)]

CLIENTS = 1000
AT_ONCE = 50
WORKERS = 4
ALL_IN_SECONDS = 120.0
# One process has all the clients, and little time for a ping while it connects them.
USUAL_PINGS = {"PACELINE_PING_INTERVAL_SECONDS": "20", "PACELINE_PING_TIMEOUT_SECONDS": "10"}


async def test_a_thousand_official_clients_with_default_transports_all_upgrade(
    tmp_path: Path, durable_redis: RedisServer
) -> None:
    settings = {"REDIS_URL": durable_redis.url} | USUAL_PINGS
    fleet = Fleet(tmp_path, workers_of(tmp_path, WORKERS, **settings))
    try:
        await fleet.start()
        amounts = (str(CLIENTS), str(AT_ONCE))
        command = (str(programs.node()), "crowd-client.mjs", fleet.url, MEMBER, *amounts)
        with RiderProcess(tmp_path / "crowd.jsonl", *command) as crowd:
            await asyncio.to_thread(
                wait_for_lines,
                [crowd],
                lambda lines: bool(lines) and (_is_done(lines[-1]) or bool(lines[-1]["failures"])),
                ALL_IN_SECONDS,
            )
            (*_, last) = crowd.lines()
            peers = [await _peers(worker) for worker in fleet.workers]
    finally:
        fleet.kill()

    assert last["failures"] == {}
    assert (last["connected"], last["upgraded"]) == (CLIENTS, CLIENTS)
    assert sum(peers) == CLIENTS
    assert min(peers) > 0, "every worker has some of them"


def _is_done(line: dict[str, int]) -> bool:
    return line["connected"] == line["upgraded"] == CLIENTS


async def _peers(worker: GatewayProcess) -> int:
    answer = await ask(worker, "/metrics")
    assert answer is not None
    found = re.search(rb"^paceline_peers (\S+)$", answer.body, re.MULTILINE)
    assert found is not None
    return round(float(found[1]))
