"""The judge finds what is wrong with gateways that break their promise, each in its way."""

from __future__ import annotations

import asyncio
import contextlib
import sys
from pathlib import Path

import pytest

from tests.journeys.ledger.faults import suffer
from tests.journeys.ledger.stage import Cast, on_stage
from tests.journeys.ledger.verdict import Verdict
from tests.toolbox.fleet import SETTINGS
from tests.toolbox.gateway_process import SERVE, GatewayProcess
from tests.toolbox.redis_server import RedisServer

pytestmark = pytest.mark.journey

EVERY = 10_000
LIVELY_SECONDS = 6.0
BUSY = Cast(rooms=3, official_members=0, backends=8, pause_seconds=0.01)
IMPATIENT = Cast(patience_seconds=4)


async def _verdict_on(folder: Path, *command: str) -> Verdict:
    worker = GatewayProcess(folder, command=command, **SETTINGS)
    async with on_stage(folder, 32, [worker], BUSY) as stage:
        await asyncio.sleep(LIVELY_SECONDS)
    assert stage.verdict.received > EVERY, "or nothing had to go wrong"
    return stage.verdict


@pytest.mark.parametrize(
    ("flaw", "kind"),
    [("dropping", "silent gap"), ("doubling", "duplicate"), ("swapping", "nonmonotonic")],
)
async def test_one_delivery_in_ten_thousand_that_goes_wrong_is_found(
    tmp_path: Path, flaw: str, kind: str
) -> None:
    flawed = [sys.executable, "-m", "tests.toolbox.flawed_gateway", flaw, str(EVERY), "serve"]
    verdict = await _verdict_on(tmp_path, *flawed)

    found = verdict.by_kind()
    assert found[kind] > 0, found


async def test_an_epoch_that_does_not_turn_is_found(
    tmp_path: Path, durable_redis: RedisServer
) -> None:
    flawed = [sys.executable, "-m", "tests.toolbox.flawed_gateway", "forever", "0", "serve"]
    settings = SETTINGS | {"REDIS_URL": durable_redis.url}
    worker = GatewayProcess(tmp_path, command=flawed, **settings)
    async with on_stage(tmp_path, 32, [worker], IMPATIENT) as stage:
        # who hears nothing any more is for the judge to tell
        with contextlib.suppress(TimeoutError):
            await suffer(stage, durable_redis, "Redis comes back empty")

    found = stage.verdict.by_kind()
    assert found["divergence"] > 0, found


async def test_a_sound_gateway_is_found_sound(tmp_path: Path) -> None:
    verdict = await _verdict_on(tmp_path, *SERVE)

    assert verdict.anomalies == []
    assert verdict.resets == []
