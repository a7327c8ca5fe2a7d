"""Redis dies, freezes, forgets and is full: sockets stay, refusals are clear, nothing is lost."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path

import pytest

from tests.journeys.ledger import faults
from tests.journeys.ledger.faults import suffer
from tests.journeys.ledger.publishers import Backend, News, session_for_many
from tests.journeys.ledger.records import Record
from tests.journeys.ledger.stage import Stage, on_stage
from tests.journeys.ledger.verdict import Verdict
from tests.toolbox.fleet import until_ready, until_unready, workers_of
from tests.toolbox.redis_server import RedisServer

pytestmark = pytest.mark.journey

RED_SECONDS = 3.0
HEALED_SECONDS = 3.0
ANSWER_SECONDS = 1.5
BULKS = 1200
# Valkey 9 keeps longer messages once for all subscribers, and counts them to no limit.
PADDING = "x" * 15_000
# The machine may have other things to do: what is measured in seconds is given so much more.
SLACK_SECONDS = 1.5


def _acknowledged_between(records: list[Record], began_at: float, ended_at: float) -> list[Record]:
    """What was begun and acknowledged within that time."""
    begun = {r.id for r in records if r.kind == "pub_invoke" and began_at < r.at < ended_at}
    return [r for r in records if r.kind == "pub_ok" and r.id in begun and r.at < ended_at]


def _dropped(stage: Stage) -> list[Record]:
    end = next(record.at for record in stage.records if record.kind == "end")
    return [record for record in stage.records if record.kind == "down" and record.at < end]


def _resets_by_reading(verdict: Verdict) -> list[tuple[str, str]]:
    return sorted((reset.who, reset.room) for reset in verdict.resets)


async def test_redis_that_is_killed_and_comes_back_with_everything(
    tmp_path: Path, durable_redis: RedisServer
) -> None:
    workers = workers_of(tmp_path, 2, REDIS_URL=durable_redis.url)
    async with on_stage(tmp_path, 2, workers) as stage:
        async with stage.fault("Redis is killed"):
            durable_redis.kill()
            down_at = time.monotonic()
            red_seconds = max(await asyncio.gather(*map(until_unready, workers)))
            await asyncio.sleep(3)
            back_at = time.monotonic()
            await asyncio.to_thread(durable_redis.restart)
        await stage.until_all_hear()
    verdict = stage.verdict

    assert verdict.anomalies == []
    assert verdict.resets == []
    assert _dropped(stage) == []
    assert _acknowledged_between(stage.records, down_at, back_at) == []
    assert verdict.unseen == 0
    assert red_seconds < RED_SECONDS + SLACK_SECONDS
    assert verdict.recovery_of("Redis is killed") < HEALED_SECONDS + SLACK_SECONDS


async def test_redis_that_comes_back_empty(tmp_path: Path, durable_redis: RedisServer) -> None:
    workers = workers_of(tmp_path, 2, REDIS_URL=durable_redis.url)
    async with on_stage(tmp_path, 1, workers) as stage:
        await suffer(stage, durable_redis, "Redis comes back empty")
        members = {(r.who, r.room) for r in stage.all_records() if r.kind == "join_ok"}
    verdict = stage.verdict

    assert verdict.anomalies == []
    assert _resets_by_reading(verdict) == sorted(members), "each of them is told once"
    assert _dropped(stage) == []
    assert verdict.recovery_of("Redis comes back empty") < HEALED_SECONDS + SLACK_SECONDS


async def test_subscribers_that_are_killed(tmp_path: Path, durable_redis: RedisServer) -> None:
    workers = workers_of(tmp_path, 2, REDIS_URL=durable_redis.url)
    async with on_stage(tmp_path, 5, workers) as stage:
        await suffer(stage, durable_redis, "subscribers are killed")
    verdict = stage.verdict

    assert verdict.anomalies == []
    assert verdict.resets == []
    assert _dropped(stage) == []
    assert set(verdict.tries) == {"ok"}


@pytest.mark.parametrize("fault", ["connections are killed", "scripts are forgotten"])
async def test_what_is_in_doubt_is_sent_again_and_comes_once(
    tmp_path: Path, durable_redis: RedisServer, fault: str
) -> None:
    workers = workers_of(tmp_path, 2, REDIS_URL=durable_redis.url)
    async with on_stage(tmp_path, 16, workers) as stage:
        await suffer(stage, durable_redis, fault)
    verdict = stage.verdict

    assert verdict.anomalies == []
    assert verdict.resets == []
    assert _dropped(stage) == []


@pytest.mark.parametrize("fault", ["Redis is flushed", "keys are evicted"])
async def test_what_redis_forgets_while_it_runs_is_told(
    tmp_path: Path, durable_redis: RedisServer, fault: str
) -> None:
    workers = workers_of(tmp_path, 2, REDIS_URL=durable_redis.url)
    async with on_stage(tmp_path, 17, workers) as stage:
        await suffer(stage, durable_redis, fault)
    verdict = stage.verdict

    assert verdict.anomalies == []
    assert verdict.resets != []
    assert _dropped(stage) == []


async def test_redis_that_pauses_its_clients(tmp_path: Path, durable_redis: RedisServer) -> None:
    workers = workers_of(tmp_path, 2, REDIS_URL=durable_redis.url)
    async with on_stage(tmp_path, 6, workers) as stage:
        async with stage.fault("Redis pauses its clients"):
            pause = asyncio.create_task(faults.pause_redis(stage, durable_redis))
            red_seconds = max(await asyncio.gather(*map(until_unready, workers)))
            await pause
        healed = max(await asyncio.gather(*map(until_ready, workers)))
        await stage.until_all_hear()
    verdict = stage.verdict

    assert verdict.anomalies == []
    assert verdict.resets == []
    assert _dropped(stage) == []
    assert red_seconds < RED_SECONDS + SLACK_SECONDS
    assert healed < HEALED_SECONDS + SLACK_SECONDS


async def test_redis_that_is_frozen(tmp_path: Path, durable_redis: RedisServer) -> None:
    workers = workers_of(tmp_path, 2, REDIS_URL=durable_redis.url)
    async with on_stage(tmp_path, 4, workers) as stage:
        await suffer(stage, durable_redis, "Redis is frozen")
    verdict = stage.verdict

    # what was sent before and executed behind is in the room once, however often it was tried
    assert verdict.anomalies == []
    assert verdict.resets == []
    assert _dropped(stage) == []
    assert verdict.slowest_try_seconds < ANSWER_SECONDS + SLACK_SECONDS / 3
    assert verdict.recovery_of("Redis is frozen") < HEALED_SECONDS + SLACK_SECONDS


async def test_redis_that_is_full(tmp_path: Path, durable_redis: RedisServer) -> None:
    workers = workers_of(tmp_path, 2, REDIS_URL=durable_redis.url)
    async with on_stage(tmp_path, 8, workers) as stage:
        began_at = time.monotonic()
        await suffer(stage, durable_redis, "Redis is full")
    verdict = stage.verdict
    (fault,) = verdict.faults

    assert verdict.anomalies == []
    assert verdict.resets == []
    assert _dropped(stage) == []
    assert verdict.tries["UNAVAILABLE"] > 0
    assert set(verdict.tries) == {"ok", "UNAVAILABLE"}
    # what was under way when the memory ran out may still be acknowledged
    assert _acknowledged_between(stage.records, began_at + 0.5, fault.ended_at) == []
    assert verdict.recovery_of("Redis is full") < 1 + SLACK_SECONDS


async def test_a_slow_worker_that_redis_hangs_up_on(
    tmp_path: Path, durable_redis: RedisServer
) -> None:
    workers = workers_of(tmp_path, 2, REDIS_URL=durable_redis.url)
    durable_redis.command("CONFIG", "SET", "client-output-buffer-limit", "pubsub 1mb 0 0")
    async with on_stage(tmp_path, 6, workers) as stage, session_for_many() as session:
        bulk = Backend("bulk", stage.book, session, workers[1].url)
        async with stage.fault("a subscriber does not read"):
            workers[0].pause()
            for number in range(BULKS):
                room = stage.rooms[number % 2]  # no more in each than its history keeps
                data = {"roomId": room, "id": f"bulk {number}", "padding": PADDING}
                assert await bulk.publish(News(f"bulk {number}", room, "note", data))
            await asyncio.sleep(1)
            workers[0].resume()
            await until_ready(workers[0])
        await stage.until_all_hear()
    verdict = stage.verdict

    assert "overcoming of output buffer limits" in durable_redis.log
    assert verdict.anomalies == []
    assert verdict.resets == []


async def test_channels_that_are_poisoned(tmp_path: Path, durable_redis: RedisServer) -> None:
    workers = workers_of(tmp_path, 2, REDIS_URL=durable_redis.url)
    async with on_stage(tmp_path, 13, workers) as stage:
        channels = await asyncio.to_thread(durable_redis.channels)
        await suffer(stage, durable_redis, "channels are poisoned")
    verdict = stage.verdict

    assert verdict.anomalies == []
    assert verdict.resets == []
    assert set(verdict.tries) == {"ok"}
    for worker in workers:
        assert "Traceback" not in worker.log
        lines = [line for line in worker.log.splitlines() if '"level":"info"' not in line]
        assert 0 < len(lines) <= len(faults.POISON) * len(channels), lines
