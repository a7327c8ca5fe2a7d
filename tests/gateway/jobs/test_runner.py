"""Runners over real databases: at least once, in time, and never for ever."""

from __future__ import annotations

import asyncio
import math

import msgspec
import pytest
from sqlalchemy import select

from gateway.jobs.runner import AT_ONCE_LIMIT, now_ms
from gateway.jobs.work import JobFailed, Periodic, Work
from gateway.metrics import Metrics
from gateway.users.database import Database
from gateway.users.job import Job
from gateway.users.sql_jobs import SqlJobStore
from gateway.users.store import StoreUnavailable
from gateway.users.tables import jobs
from tests.gateway.jobs.bench import Done, owed, running, until


def quick(run: object, attempts: int = 3) -> Work:
    assert callable(run)
    return Work(run=run, attempts=attempts, first_wait_seconds=0.01, longest_wait_seconds=0.01)


async def test_what_is_owed_is_done_once(store: SqlJobStore) -> None:
    done, metrics = Done(), Metrics()
    async with running(store, {"note": Work(run=done)}, metrics=metrics):
        await store.add([owed("note", number) for number in range(30)])
        await until(lambda: metrics.jobs["done"] == 30)

    assert sorted(map(int, done.bodies)) == list(range(30))
    assert (await store.counts(now_ms())).waiting == 0


async def test_runners_share_what_is_owed(store: SqlJobStore) -> None:
    await store.add([owed("note", number) for number in range(100)])
    done = Done()
    works = {"note": Work(run=done)}
    async with running(store, works), running(store, works), running(store, works):
        await until(lambda: len(done.bodies) == 100)

    assert sorted(map(int, done.bodies)) == list(range(100))


async def test_what_fails_is_tried_again_until_it_works(store: SqlJobStore) -> None:
    attempts: list[int] = []

    async def run(job: Job) -> None:
        attempts.append(job.attempts)
        if job.attempts < 3:
            raise JobFailed("not yet")

    metrics = Metrics()
    async with running(store, {"try": quick(run)}, metrics=metrics):
        await store.add([owed("try")])
        await until(lambda: metrics.jobs["done"] == 1)

    assert attempts == [1, 2, 3]
    assert metrics.jobs["failed"] == 2


async def test_what_fails_too_often_is_parked_with_its_reason(store: SqlJobStore) -> None:
    async def fail(job: Job) -> None:
        raise JobFailed(f"no answer to {job.attempts}")

    async def burst(job: Job) -> None:
        raise ValueError("a secret of the code")

    async def hang(job: Job) -> None:
        await asyncio.Event().wait()

    async def refuse(job: Job) -> None:
        raise JobFailed("gone", is_final=True)

    metrics = Metrics()
    hanging = Work(run=hang, attempts=1, limit_seconds=0.01)
    works = {
        "fail": quick(fail),
        "burst": quick(burst, 1),
        "hang": hanging,
        "refuse": quick(refuse),
    }
    async with running(store, works, metrics=metrics):
        await store.add([owed(kind) for kind in (*works, "unknown")])
        await until(lambda: metrics.jobs["dead"] == 5)

    assert {job.kind: (job.error, job.attempts) for job in await store.dead(9)} == {
        "fail": ("no answer to 3", 3),
        "burst": ("ValueError; see the log.", 1),
        "hang": ("It took over 0.01 s.", 1),
        "refuse": ("gone", 1),
        "unknown": ("There is no work of the kind 'unknown'.", 1),
    }


async def test_a_job_that_its_runners_die_of_is_parked(store: SqlJobStore) -> None:
    await store.add([owed("deadly")])
    for _ in range(2):
        await store.claim("who dies", now_ms(), now_ms(), 1)
    done, metrics = Done(), Metrics()
    async with running(store, {"deadly": quick(done, attempts=2)}, metrics=metrics):
        await until(lambda: metrics.jobs["dead"] == 1)

    assert done.bodies == []
    (dead,) = await store.dead(1)
    assert dead.error is not None
    assert "each time" in dead.error


async def test_a_lane_that_hangs_holds_up_no_other_one(store: SqlJobStore) -> None:
    begun = Done()

    async def hang(job: Job) -> None:
        await begun(job)
        await asyncio.Event().wait()

    done = Done()
    works = {"hang": Work(run=hang, at_once=2), "note": Work(run=done)}
    await store.add([owed("hang", lane="slow") for _ in range(3 * AT_ONCE_LIMIT)])
    await store.add([owed("note")])
    async with running(store, works):
        await until(lambda: len(done.bodies) == 1)
        assert len(begun.bodies) == 2


async def test_what_is_held_is_held_on_to(store: SqlJobStore) -> None:
    begun, go_on = Done(), asyncio.Event()

    async def wait(job: Job) -> None:
        await begun(job)
        await go_on.wait()

    works, lease_seconds = {"long": Work(run=wait)}, 0.3
    async with running(store, works, lease_seconds=lease_seconds):
        await store.add([owed("long")])
        await until(lambda: len(begun.bodies) == 1)
        async with running(store, works, lease_seconds=lease_seconds):
            await asyncio.sleep(3 * lease_seconds)  # what would have been enough to lose it
            assert len(begun.bodies) == 1


async def test_who_has_lost_a_job_lets_go_of_it(store: SqlJobStore, database: Database) -> None:
    begun, was_cancelled = asyncio.Event(), asyncio.Event()

    async def wait(job: Job) -> None:
        begun.set()
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            was_cancelled.set()
            raise

    metrics = Metrics()
    async with running(store, {"long": Work(run=wait)}, lease_seconds=0.3, metrics=metrics):
        await store.add([owed("long")])
        await begun.wait()
        async with database.writing() as connection:
            await connection.execute(jobs.update().values(holder="you", run_at_ms=2**50))
        await until(was_cancelled.is_set)

    assert metrics.jobs["lost"] == 1


async def test_who_stops_gives_back_what_does_not_end(
    store: SqlJobStore, database: Database
) -> None:
    begun = asyncio.Event()

    async def wait(job: Job) -> None:
        begun.set()
        await asyncio.Event().wait()

    async with running(store, {"long": Work(run=wait)}) as runner:
        runner.stop_seconds = 0.01
        await store.add([owed("long")])
        await begun.wait()

    (again,) = await store.claim("you", now_ms(), now_ms(), 1)
    assert again.attempts == 1


async def test_a_store_that_is_away_says_nothing_about_the_job(store: SqlJobStore) -> None:
    attempts: list[int] = []

    async def run(job: Job) -> None:
        attempts.append(job.attempts)
        if len(attempts) == 1:
            raise StoreUnavailable

    async with running(store, {"ask": quick(run)}):
        await store.add([owed("ask")])
        await until(lambda: len(attempts) == 2)

    assert attempts == [1, 1]


async def test_each_period_is_done_once_by_all_runners(
    store: SqlJobStore, database: Database
) -> None:
    done = Done()
    tidy = Periodic(name="tidy", every_seconds=0.5, work=Work(run=done))
    began_ms = now_ms()
    async with running(store, {}, [tidy]), running(store, {}, [tidy]), running(store, {}, [tidy]):
        await until(lambda: len(done.bodies) >= 4)

    assert len(set(done.bodies)) == len(done.bodies)
    assert len(done.bodies) <= math.ceil((now_ms() - began_ms) / 500) + 1
    async with database.reading() as connection:
        keys = (await connection.execute(select(jobs.c.key))).scalars().all()
    assert set(keys) <= {None, "period tidy"}


async def test_what_waits_is_told(store: SqlJobStore) -> None:
    later = msgspec.structs.replace(owed("note"), run_at_ms=now_ms() + 60_000)
    await store.add([later])
    async with running(store, {}) as runner:
        await until(lambda: runner.counts.waiting == 1)
        assert runner.oldest_due_seconds == pytest.approx(0.0)
