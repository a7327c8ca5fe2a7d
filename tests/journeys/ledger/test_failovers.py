"""Another Redis takes over: by Sentinels, in a cluster, or because a slot moves."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.journeys.ledger.stage import on_stage
from tests.toolbox.fleet import workers_of
from tests.toolbox.redis_cluster import RedisCluster
from tests.toolbox.redis_sentinel import DOWN_AFTER_MS, SentinelTrio

pytestmark = pytest.mark.journey

AWAY_SECONDS = 5.0
# The machine may have other things to do: what is measured in seconds is given so much more.
SLACK_SECONDS = 2.0


@pytest.fixture
def sentinels(tmp_path: Path) -> Iterator[SentinelTrio]:
    trio = SentinelTrio(tmp_path)
    try:
        trio.start()
        yield trio
    finally:
        trio.kill()


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[RedisCluster]:
    cluster = RedisCluster(tmp_path)
    try:
        cluster.start()
        yield cluster
    finally:
        cluster.kill()


@pytest.mark.parametrize("is_frozen", [False, True], ids=["killed", "frozen"])
async def test_a_master_that_another_one_takes_over_from(
    tmp_path: Path, sentinels: SentinelTrio, *, is_frozen: bool
) -> None:
    workers = workers_of(tmp_path, 2, REDIS_URL=sentinels.url)
    async with on_stage(tmp_path, 7, workers) as stage:
        master = sentinels.master
        async with stage.fault("the master is gone", may_reset=True):
            if is_frozen:
                master.pause()
            else:
                master.kill()
            async with asyncio.timeout(20):
                while await asyncio.to_thread(lambda: sentinels.master) is master:  # noqa: ASYNC110 - no event tells of it
                    await asyncio.sleep(0.05)
        if is_frozen:
            await stage.until_all_hear()
            async with stage.fault("the old master is back", may_reset=True):
                master.resume()
                await asyncio.sleep(3)
        await stage.until_all_hear()
    verdict = stage.verdict

    assert verdict.anomalies == []
    (first, *_) = verdict.faults
    took_over = first.ended_at - first.began_at + verdict.recovery_of("the master is gone")
    assert took_over < DOWN_AFTER_MS / 1000 + AWAY_SECONDS + SLACK_SECONDS
    # what a replica had not got yet is lost, and nobody is left to believe otherwise
    assert verdict.unseen == 0 or verdict.resets != []


async def test_a_master_of_a_cluster_that_is_killed(tmp_path: Path, cluster: RedisCluster) -> None:
    workers = workers_of(tmp_path, 2, REDIS_URL=cluster.url)
    async with on_stage(tmp_path, 8, workers) as stage:
        slot = cluster.slot_of(stage.rooms[0])
        master = cluster.master_of(slot)
        async with stage.fault("the master is gone", may_reset=True):
            master.kill()
            async with asyncio.timeout(20):
                while master in await asyncio.to_thread(cluster.masters) or not await _is_served(  # noqa: ASYNC110 - the same
                    cluster, slot
                ):
                    await asyncio.sleep(0.05)
        await stage.until_all_hear()
        async with stage.fault("the old master is back", may_reset=True):
            await asyncio.to_thread(master.restart)
            await asyncio.sleep(2)
        await stage.until_all_hear()
    verdict = stage.verdict

    assert verdict.anomalies == []
    assert verdict.recovery_of("the master is gone") < AWAY_SECONDS + SLACK_SECONDS
    touched = {reset.room for reset in verdict.resets}
    others = {room for room in stage.rooms if cluster.slot_of(room) not in _slots_like(slot)}
    assert not touched & others, "rooms of other masters know nothing of it"


def _slots_like(slot: int) -> range:
    """The slots of the same master, as the cluster was made."""
    third = slot * 3 // 16_384
    return range(third * 16_384 // 3, (third + 1) * 16_384 // 3)


async def _is_served(cluster: RedisCluster, slot: int) -> bool:
    try:
        await asyncio.to_thread(cluster.master_of, slot)
    except RuntimeError:
        return False
    return True


async def test_slots_that_move(tmp_path: Path, cluster: RedisCluster) -> None:
    workers = workers_of(tmp_path, 2, REDIS_URL=cluster.url)
    async with on_stage(tmp_path, 9, workers) as stage:
        for room in stage.rooms:
            slot = cluster.slot_of(room)
            old = cluster.master_of(slot)
            new = stage.dice.choice([m for m in cluster.masters() if m is not old])
            async with stage.fault(f"the slot of {room} moves"):
                await asyncio.to_thread(cluster.move, slot, new)
            await stage.until_all_hear()
    verdict = stage.verdict

    assert verdict.anomalies == []
    assert verdict.resets == []
    assert verdict.unseen == 0
